package tui

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Heights of one graph, and the width from which two stand side by side.
const (
	leastGraphRows, mostGraphRows = 2, 8
	twoGraphs                     = 100
)

// graphs draw the window of samples that is kept while the workspace is looked at.
func (p *page) graphs() {
	u := p.r.use
	if u == nil || !p.r.live() {
		p.line(p.m.theme.faint.paint(" nothing is measured: it does not run"))
		return
	}
	list := []graph{p.cpuGraph(u), p.memoryGraph(u), flowGraph("network", "in", "out", u.network, u.last.Network), flowGraph("disk", "read", "written", u.disk, u.last.Disk)}
	side := 1
	if p.width >= twoGraphs {
		side = 2
	}
	rows := max(leastGraphRows, min((p.height-1)*side/len(list)-1, mostGraphRows))
	for row := range slices.Chunk(list, side) {
		drawn := make([][]string, len(row))
		for i, g := range row {
			drawn[i] = g.draw(p.m.theme, p.width/side, rows)
		}
		for line := range drawn[0] {
			text := ""
			for i := range drawn {
				text += drawn[i][line]
			}
			p.line(text)
		}
	}
	p.fact("processes", fmt.Sprintf("%d of %d, %s of processor time", u.last.Pids, p.r.w.Spec.Limits.Pids, render.Elapsed(time.Duration(u.last.CPUSeconds*float64(time.Second)))))
}

// graph is a line of values from 0 to top, oldest first.
type graph struct {
	name, now string
	values    []float64
	top       float64
	topText   string // at most five columns
}

func (p *page) cpuGraph(u *usage) graph {
	cores := cmp.Or(p.r.w.Spec.Limits.CPUs, 1)
	now := "measuring"
	if len(u.cpu) > 0 {
		now = fmt.Sprintf("%.0f%% of a core, limit %s", u.cpu[len(u.cpu)-1]*100, render.Number(cores))
	}
	top := scale(u.cpu, cores)
	return graph{"cpu", now, u.cpu, top, render.Number(top*100) + "%"}
}

func (p *page) memoryGraph(u *usage) graph {
	limit := cmp.Or(u.last.MemoryLimit, p.r.w.Spec.Limits.Memory, 1)
	now := render.Bytes(u.last.Memory) + " of " + render.Bytes(limit)
	if u.last.MemoryPeak > 0 {
		now += ", peak " + render.Bytes(u.last.MemoryPeak)
	}
	top := scale(u.mem, float64(limit))
	return graph{"memory", now, u.mem, top, short(int64(top))}
}

// flowGraph draws both ways as one; there is no limit to draw it against.
func flowGraph(name, in, out string, f flow, all *workspace.Traffic) graph {
	now := "measuring"
	switch {
	case all == nil:
		now = "this engine does not tell"
	case len(f.all) > 0:
		now = fmt.Sprintf("%s/s %s, %s/s %s, %s in all", render.Bytes(int64(f.in)), in, render.Bytes(int64(f.out)), out, render.Bytes(all.In+all.Out))
	}
	top := 1024.0
	for most := slices.Max(append([]float64{0}, f.all...)); top < most; {
		top *= 2
	}
	return graph{name, now, f.all, top, short(int64(top))}
}

// scale is the limit, or the part of it that still holds all values: what uses a
// hundredth would be a flat line.
func scale(values []float64, limit float64) float64 {
	most := slices.Max(append([]float64{0}, values...))
	for _, part := range []float64{100, 50, 20, 10, 5, 2} {
		if most <= limit/part {
			return limit / part
		}
	}
	return limit
}

// draw draws a title and rows of exactly width columns, newest at the right, in eighths of
// a row.
func (g graph) draw(t *theme, width, rows int) []string {
	now := render.Fit(render.Escape(g.now), max(0, width-len(g.name)-4))
	out := []string{" " + t.bold.paint(g.name) + "  " + now + strings.Repeat(" ", max(0, width-len(g.name)-3-render.Width(now)))}
	room := max(10, width-8)
	values := g.values[max(0, len(g.values)-room):]
	for line := rows - 1; line >= 0; line-- {
		var b strings.Builder
		b.WriteString(strings.Repeat(" ", room-len(values)))
		for _, v := range values {
			b.WriteRune(bar(int(v/g.top*float64(rows)*8+0.5)-line*8, line == 0))
		}
		label := ""
		switch line {
		case rows - 1:
			label = g.topText
		case 0:
			label = "0"
		}
		out = append(out, t.faint.paint(cell(label, 6, true)+"│")+t.accent.paint(b.String())+strings.Repeat(" ", max(0, width-7-room)))
	}
	return out
}

// bar is what of a value of so many eighths is in one row. What was measured is seen in the
// lowest row even where it is nearly nothing.
func bar(eighths int, lowest bool) rune {
	switch {
	case eighths >= 8:
		return '█'
	case eighths > 0:
		return bars[eighths-1]
	case lowest:
		return '▁'
	}
	return ' '
}

// spec is everything that was asked for.
func (p *page) spec() {
	w := &p.r.w
	s := w.Spec
	p.fact("id", w.ID)
	p.fact("image", s.Image)
	p.fact("digest", s.Digest)
	p.fact("command", strings.Join(s.Command, " "))
	p.fact("folder", s.Dir)
	p.fact("user", s.User)
	p.fact("port inside", strconv.Itoa(s.Port))
	p.fact("ready when", string(s.Ready))
	p.fact("profile", string(s.Profile))
	p.fact("restart", string(s.Restart))
	p.fact("policy", s.Policy)
	p.fact("hours", s.Hours)
	p.fact("wake", string(s.Wake))
	if s.Source != nil {
		p.fact("files from", strings.TrimSpace(s.Source.Kind+" "+cmp.Or(s.Source.Path, s.Source.URL)+" "+s.Source.Branch))
	}
	p.fact("timeouts", fmt.Sprintf("create %s, initialize %s, start %s, stop %s",
		render.Span(s.Timeouts.Create.Std()), render.Span(s.Timeouts.Initialize.Std()), render.Span(s.Timeouts.Start.Std()), render.Span(s.Timeouts.Stop.Std())))
	for i, k := range slices.Sorted(maps.Keys(s.Env)) {
		p.fact(map[bool]string{true: "variables"}[i == 0], k+"="+s.Env[k])
	}
	for _, port := range s.Ports {
		p.fact("also port", strconv.Itoa(port.Port)+suffix(" ", port.Label))
	}
	for _, h := range s.Hooks {
		p.fact("hook", string(h.Phase)+": "+strings.Join(h.Command, " "))
	}
	for _, mount := range s.Mounts {
		p.fact("mount", mount.Kind+" "+mount.Source+" at "+mount.Target)
	}
	for _, secret := range s.Secrets {
		p.fact("secret", secret.Name)
	}
	for _, n := range s.Notes {
		p.fact("note", n.Key+" "+n.Reason)
	}
	p.fact("container", w.Container)
	p.fact("generation", strconv.Itoa(w.Generation)+", revision "+strconv.FormatUint(w.Revision, 10))
}
