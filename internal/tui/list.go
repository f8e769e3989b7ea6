package tui

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// pointerWidth is the columns before the first: the pointer, the mark, a space.
const pointerWidth = 3

// narrowest is the columns that names and states take; below it they are cut.
const narrowest = 32

// list is the workspaces and which of them are shown, in which order. Indexes are into
// shown.
type list struct {
	known  map[string]*row
	shown  []*row
	counts map[workspace.State]int // of known
	filter filter

	columns []string // words of the columns that are wanted; nil: as they fit
	sort    string   // title of the column
	reverse bool
	less    func(a, b *row) int // of the column; kept by arrange

	marked []*row // of those shown; kept by gather
	at     string // id of the selected one, so that it stays selected whatever moves
	wanted string // id of the one to select once it is there; "": none
	cursor int
	top    int // first row on the screen
	height int // rows on the screen
}

func newList() list {
	return list{known: map[string]*row{}, counts: map[workspace.State]int{}, sort: "NAME", less: byName, height: 1}
}

// selected is the workspace under the cursor; nil where there is none.
func (l *list) selected() *row {
	if l.cursor < len(l.shown) {
		return l.shown[l.cursor]
	}
	return nil
}

// targets are those that an action is for: the marked ones, else the selected one.
func (l *list) targets() []*row {
	if len(l.marked) > 0 {
		return slices.Clone(l.marked)
	}
	if r := l.selected(); r != nil {
		return []*row{r}
	}
	return nil
}

// take merges news. All are arranged anew only where one has come, gone or moved.
func (l *list) take(n news, now time.Time) {
	before := len(l.known)
	for id, w := range n.put {
		l.put(id, w, n.reset, now)
	}
	for id, s := range n.progress {
		if r := l.known[id]; r != nil && !r.w.State.Settled() {
			r.stages.Signal(now, s)
		}
	}
	for id := range n.gone {
		delete(l.known, id)
	}
	l.measure(n)
	if n.reset || len(n.gone) > 0 || len(l.known) != before || !l.stands(n) {
		l.arrange()
	}
}

// put takes how one workspace is now. What is older than what is known counts only in a
// snapshot.
func (l *list) put(id string, w workspace.Workspace, snapshot bool, now time.Time) {
	r := l.known[id]
	if r == nil {
		r = &row{}
		l.known[id] = r
	} else if !snapshot && r.w.Revision > w.Revision {
		return
	}
	l.counts[r.w.State]--
	l.counts[w.State]++
	if r.w.Run != w.Run {
		r.act = nil
	}
	if r.w.Run != w.Run || w.State.Settled() {
		r.stages = render.Stages{}
	}
	r.w = w
	if !w.State.Settled() {
		r.stages.State(now, w.State)
	}
}

// stands reports whether everything that is told of is still where it belongs: rightly shown
// or not shown, and between its neighbours.
func (l *list) stands(n news) bool {
	for _, ids := range []iter.Seq[string]{maps.Keys(n.put), maps.Keys(n.uses), maps.Keys(n.samples)} {
		for id := range ids {
			if r := l.known[id]; r != nil && !l.inPlace(r) {
				return false
			}
		}
	}
	return true
}

func (l *list) inPlace(r *row) bool {
	if l.fits(r) != r.listed {
		return false
	}
	last := len(l.shown) - 1
	return !r.listed ||
		(r.place == 0 || l.compare(l.shown[r.place-1], r) <= 0) && (r.place == last || l.compare(r, l.shown[r.place+1]) <= 0)
}

// measure merges how they are used. What does not run is not used.
func (l *list) measure(n news) {
	if n.reset {
		for _, r := range l.known {
			r.act = nil
		}
	}
	for id, u := range n.uses {
		if r := l.known[id]; r != nil {
			r.act = u.over(r.act)
		}
	}
	for id := range n.put {
		if r := l.known[id]; r != nil && !r.live() {
			r.act = nil
		}
	}
	for id, u := range n.samples {
		if r := l.known[id]; r != nil && r.live() {
			r.sample(u)
		}
	}
}

// fits reports whether a row is to be shown: the filter lets it through, or did so when it
// was chosen. Keys are for what is chosen, so that does not go by itself.
func (l *list) fits(r *row) bool {
	return l.filter.match(r) || r.listed && (r.marked || r.w.ID == l.at)
}

// setFilter shows what a filter lets through, and nothing else.
func (l *list) setFilter(f filter) {
	l.filter = f
	for _, r := range l.shown {
		r.listed = f.match(r)
	}
	l.arrange()
}

// arrange filters and sorts anew and keeps the cursor on its workspace; where that is
// gone it stays at its place. It begins with the order of before: what is nearly sorted is
// sorted in a fraction of the time.
func (l *list) arrange() {
	l.shown = slices.DeleteFunc(l.shown, func(r *row) bool {
		r.listed = l.known[r.w.ID] == r && l.fits(r)
		return !r.listed
	})
	clear(l.counts)
	for _, r := range l.known {
		l.counts[r.w.State]++
		if !r.listed && l.fits(r) {
			r.listed = true
			l.shown = append(l.shown, r)
		}
	}
	l.less = byName
	for _, c := range columns() {
		if c.title == l.sort && c.less != nil {
			l.less = c.less
		}
	}
	slices.SortFunc(l.shown, l.compare)
	for i, r := range l.shown {
		r.place = i
	}
	l.gather()
	for _, id := range []string{l.at, l.wanted} {
		if i := slices.IndexFunc(l.shown, func(r *row) bool { return r.w.ID == id }); i >= 0 {
			l.cursor = i
		}
	}
	l.move(0)
	if l.at == l.wanted {
		l.wanted = ""
	}
}

// compare is the order of two rows; no two are alike.
func (l *list) compare(a, b *row) int {
	n := l.less(a, b)
	if l.reverse {
		n = -n
	}
	if n != 0 {
		return n
	}
	return cmp.Or(byName(a, b), strings.Compare(a.w.ID, b.w.ID))
}

// choose moves the cursor to a workspace, now or as soon as it is told of.
func (l *list) choose(id string) {
	l.wanted = id
	l.arrange()
}

// move moves the cursor by n rows, as far as there are rows, and the window with it.
func (l *list) move(n int) {
	l.cursor = max(0, min(l.cursor+n, len(l.shown)-1))
	left := l.known[l.at]
	l.at = ""
	if r := l.selected(); r != nil {
		l.at = r.w.ID
	}
	l.top = max(min(l.top, l.cursor, len(l.shown)-l.height), l.cursor-l.height+1, 0)
	if left != nil && left.listed && !l.fits(left) {
		l.arrange()
	}
}

// visible are the rows on the screen.
func (l *list) visible() []*row {
	return l.shown[min(l.top, len(l.shown)):min(l.top+l.height, len(l.shown))]
}

// marks counts the marked ones.
func (l *list) marks() int { return len(l.marked) }

// mark sets the marks of all that are shown.
func (l *list) mark(on bool) {
	for _, r := range l.shown {
		r.marked = on
	}
	l.arrange()
}

// toggle marks the selected one, or takes its mark away.
func (l *list) toggle() {
	if r := l.selected(); r != nil {
		r.marked = !r.marked
		l.gather()
		l.move(1)
	}
}

// gather finds those that are marked and shown.
func (l *list) gather() {
	l.marked = l.marked[:0]
	for _, r := range l.shown {
		if r.marked {
			l.marked = append(l.marked, r)
		}
	}
}

// nextSort takes the next column of those that can be sorted by.
func (l *list) nextSort(life bool) {
	var titles []string
	for _, c := range columns() {
		if c.less != nil && (life || !c.life) {
			titles = append(titles, c.title)
		}
	}
	l.sort = titles[(slices.Index(titles, l.sort)+1)%len(titles)]
	l.reverse = false
	l.arrange()
}

// life reports whether any workspace is used or is about to be, so that the columns of that
// stay where they are while the first one begins.
func (l *list) life() bool {
	idle := l.counts[workspace.Stopped] + l.counts[workspace.Failed] + l.counts[workspace.Deleting]
	return idle < len(l.known)
}

// fit are the columns that are shown in a width.
func (l *list) fit(width int) []column { return fitColumns(width, l.life(), l.columns) }

// view draws the headings and the rows in width columns and height lines.
func (l *list) view(m *Model, width, height int) []string {
	cols := l.fit(width)
	lines := []string{l.heading(m, cols, width)}
	l.height = max(1, height-1)
	l.move(0)
	for i, r := range l.visible() {
		line := l.line(m, cols, r, l.top+i == l.cursor, width)
		if width < narrowest {
			line = cut(line, width)
		}
		lines = append(lines, line)
	}
	return lines
}

func (l *list) heading(m *Model, cols []column, width int) string {
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", pointerWidth))
	for i, c := range cols {
		text := c.title
		if c.title == l.sort && c.less != nil {
			text += map[bool]string{false: "↓", true: "↑"}[l.reverse]
		}
		b.WriteString(cell(text, c.width, c.right))
		if i < len(cols)-1 {
			b.WriteByte(' ')
		}
	}
	return m.theme.faint.paint(render.Fit(strings.TrimRight(b.String(), " "), width))
}

func (l *list) line(m *Model, cols []column, r *row, here bool, width int) string {
	var b strings.Builder
	pointer := "  "
	if here {
		pointer = "▸ "
	}
	if r.marked {
		pointer = pointer[:len(pointer)-1] + "●"
	}
	b.WriteString(pointer + " ")
	used := pointerWidth
	for _, c := range cols {
		text, colour := c.cell(m, r)
		text = cell(render.Escape(text), c.width, c.right)
		if !here && strings.TrimSpace(text) != "" {
			text = colour.paint(text)
		}
		b.WriteString(text)
		used += c.width
		if used < width {
			b.WriteByte(' ')
			used++
		}
	}
	if here {
		return m.theme.chosen.paint(b.String() + strings.Repeat(" ", max(0, width-used)))
	}
	return b.String()
}

// cell is text in exactly width columns.
func cell(text string, width int, right bool) string {
	text = render.Fit(text, width)
	pad := strings.Repeat(" ", max(0, width-render.Width(text)))
	if right {
		return pad + text
	}
	return text + pad
}
