package tui

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// column is one column of the list. Those of the lowest rank stay longest when the
// terminal is narrow.
type column struct {
	title string
	width int
	rank  int
	right bool
	cell  func(m *Model, r *row) (string, ink)
	less  func(a, b *row) int // nil: cannot be sorted by
	// life says that the column is empty as long as nothing runs.
	life bool
	// instead names a column that this one makes superfluous.
	instead string
}

// columns is the explicit list of all columns, in the order in which they stand.
func columns() []column {
	return []column{
		{title: "NAME", width: 14, rank: 0, cell: nameCell, less: byName},
		{title: "STATE", width: 12, rank: 1, cell: stateCell, less: byState},
		{title: "LEVEL", width: 12, rank: 6, cell: levelCell, less: byLevel, life: true},
		{title: "CONN", width: 5, rank: 7, right: true, cell: connCell, less: byConns, life: true},
		{title: "CPU", width: 9, rank: 4, cell: cpuCell, less: byCPU},
		{title: "MEMORY", width: 10, rank: 5, cell: memoryCell, less: byMemory},
		{title: "PORT", width: 5, rank: 3, right: true, cell: portCell},
		{title: "URL", width: 23, rank: 9, cell: urlCell, instead: "PORT"},
		{title: "STOPS IN", width: 9, rank: 2, right: true, cell: stopsCell, less: byStop, life: true},
		{title: "AGE", width: 7, rank: 8, right: true, cell: ageCell, less: byAge},
		{title: "FROM", width: 16, rank: 10, cell: fromCell},
		{title: "OWNER", width: 9, rank: 11, cell: ownerCell},
		{title: "LABELS", width: 24, rank: 12, cell: labelsCell},
	}
}

// fitColumns chooses the columns for a width and gives what is left to the name, then to
// the labels. Wanted are words of columns, of which as many are taken as fit; nil is any.
func fitColumns(width int, life bool, wanted []string) []column {
	all := columns()
	if wanted != nil {
		life = true
		all = slices.DeleteFunc(all, func(c column) bool { return c.rank > 0 && !slices.Contains(wanted, c.word()) })
		for i := range all {
			all[i].instead = ""
		}
	}
	order := slices.Clone(all)
	slices.SortStableFunc(order, func(a, b column) int { return cmp.Compare(a.rank, b.rank) })
	chosen, used := map[string]bool{}, pointerWidth-1
	for _, c := range order {
		if c.life && !life {
			continue
		}
		need := c.width + 1
		if c.instead != "" && chosen[c.instead] {
			need -= 6
		}
		if used+need > width {
			if c.rank <= 1 && wanted == nil || c.rank == 0 {
				chosen[c.title] = true // a list without names and states is none
				used = width
			}
			continue
		}
		used += need
		chosen[c.title] = true
		delete(chosen, c.instead)
	}
	var out []column
	for _, c := range all {
		if chosen[c.title] {
			out = append(out, c)
		}
	}
	spare := max(0, width-used)
	wider := min(spare, 18)
	out[0].width += wider
	if last := &out[len(out)-1]; last.title == "LABELS" {
		last.width += spare - wider
	}
	return out
}

func nameCell(m *Model, r *row) (string, ink) { return r.w.Name, m.theme.bold }

func stateCell(m *Model, r *row) (string, ink) {
	return string(r.w.State), m.theme.state(r.w.State)
}

func levelCell(m *Model, r *row) (string, ink) {
	if r.act == nil || r.w.State != workspace.Running {
		return "", m.theme.faint
	}
	switch r.act.Level {
	case activity.Active:
		return string(r.act.Level), m.theme.good
	case activity.Disconnected:
		return string(r.act.Level), m.theme.faint
	}
	return string(r.act.Level), m.theme.plain
}

// short is a size in at most five columns: 142M.
func short(n int64) string {
	v := float64(n)
	for _, unit := range []string{"B", "K", "M", "G"} {
		if v < 1000 {
			if v < 10 && unit != "B" {
				return fmt.Sprintf("%.1f%s", v, unit)
			}
			return fmt.Sprintf("%.0f%s", v, unit)
		}
		v /= 1024
	}
	return fmt.Sprintf("%.1fT", v)
}

// connCell is the number of connections, and a sign where one of them is bad.
func connCell(m *Model, r *row) (string, ink) {
	n, ok := r.conns()
	if !ok || n == 0 {
		return "", m.theme.faint
	}
	if r.act.Quality == activity.Poor {
		return strconv.Itoa(n) + "!", m.theme.bad
	}
	return strconv.Itoa(n), m.theme.plain
}

func cpuCell(m *Model, r *row) (string, ink) {
	if r.use == nil || len(r.use.cpu) == 0 || !r.live() {
		return "", m.theme.faint
	}
	top := cmp.Or(r.w.Spec.Limits.CPUs, 1)
	last := r.use.cpu[len(r.use.cpu)-1]
	return spark(r.use.cpu, 4, top) + fmt.Sprintf("%4.0f%%", last*100), m.heat(last / top)
}

func memoryCell(m *Model, r *row) (string, ink) {
	if r.use == nil || len(r.use.mem) == 0 || !r.live() {
		return "", m.theme.faint
	}
	top := float64(cmp.Or(r.use.last.MemoryLimit, r.w.Spec.Limits.Memory, 1))
	return spark(r.use.mem, 4, top) + fmt.Sprintf("%6s", short(r.use.last.Memory)), m.heat(float64(r.use.last.Memory) / top)
}

// heat is the ink of a share of a limit.
func (m *Model) heat(share float64) ink {
	switch {
	case share >= 0.9:
		return m.theme.bad
	case share >= 0.7:
		return m.theme.busy
	}
	return m.theme.plain
}

func portCell(m *Model, r *row) (string, ink) {
	if r.w.Port == 0 {
		return "", m.theme.faint
	}
	return strconv.Itoa(r.w.Port), m.theme.plain
}

func urlCell(m *Model, r *row) (string, ink) { return portURL(r.w.Port), m.theme.plain }

// portURL is the address of a leased port; "" without one.
func portURL(port int) string {
	if port == 0 {
		return ""
	}
	return "http://127.0.0.1:" + strconv.Itoa(port) + "/"
}

func stopsCell(m *Model, r *row) (string, ink) {
	if left, ok := r.stopsIn(m.now); ok {
		if left < 5*time.Minute {
			return render.Span(left), m.theme.busy
		}
		return render.Span(left), m.theme.plain
	}
	if r.act != nil && r.w.State == workspace.Running && r.act.StopAt.IsZero() {
		return "never", m.theme.faint
	}
	return "", m.theme.faint
}

func ageCell(m *Model, r *row) (string, ink) {
	return render.Span(max(0, m.now.Sub(r.w.CreatedAt))), m.theme.faint
}

func fromCell(m *Model, r *row) (string, ink) {
	return cmp.Or(r.w.Spec.Template, r.w.Spec.Image), m.theme.faint
}

func ownerCell(m *Model, r *row) (string, ink) { return r.w.Owner, m.theme.faint }

func labelsCell(m *Model, r *row) (string, ink) { return labelText(r.w.Labels), m.theme.faint }

func labelText(labels map[string]string) string {
	words := make([]string, 0, len(labels))
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		words = append(words, k+"="+labels[k])
	}
	return strings.Join(words, ",")
}

func byName(a, b *row) int { return strings.Compare(a.w.Name, b.w.Name) }

func byState(a, b *row) int {
	place := func(r *row) int { return slices.Index(workspace.States(), r.w.State) }
	return cmp.Compare(place(a), place(b))
}

func byLevel(a, b *row) int {
	place := func(r *row) int {
		if r.act == nil || r.act.Level == "" {
			return len(activity.Levels())
		}
		return slices.Index(activity.Levels(), r.act.Level)
	}
	return cmp.Compare(place(a), place(b))
}

func byConns(a, b *row) int {
	x, _ := a.conns()
	y, _ := b.conns()
	return cmp.Compare(y, x)
}

func byCPU(a, b *row) int    { return cmp.Compare(newest(b.use, true), newest(a.use, true)) }
func byMemory(a, b *row) int { return cmp.Compare(newest(b.use, false), newest(a.use, false)) }

func newest(u *usage, cpu bool) float64 {
	switch {
	case u == nil:
		return -1
	case !cpu:
		return float64(u.last.Memory)
	case len(u.cpu) == 0:
		return -1
	}
	return u.cpu[len(u.cpu)-1]
}

// byStop puts first what stops first; what never does comes last.
func byStop(a, b *row) int {
	at := func(r *row) int64 {
		if r.act == nil || r.act.StopAt.IsZero() || r.w.State != workspace.Running {
			return 1<<63 - 1
		}
		return r.act.StopAt.UnixNano()
	}
	return cmp.Compare(at(a), at(b))
}

func byAge(a, b *row) int { return b.w.CreatedAt.Compare(a.w.CreatedAt) }
