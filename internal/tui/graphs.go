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
)

// graphRows is the height of one graph.
const graphRows = 6

// graphs draw the window of samples that is kept while the workspace is looked at.
func (p *page) graphs() {
	u := p.r.use
	if u == nil || !p.r.live() {
		p.line(p.m.theme.faint.paint(" nothing is measured: it does not run"))
		return
	}
	cores := cmp.Or(p.r.w.Spec.Limits.CPUs, 1)
	now := "measuring"
	if len(u.cpu) > 0 {
		now = fmt.Sprintf("%.0f%% of a core, limit %s", u.cpu[len(u.cpu)-1]*100, render.Number(cores))
	}
	top := scale(u.cpu, cores)
	p.graph("cpu", now, u.cpu, top, render.Number(top*100)+"%")
	p.line("")
	limit := cmp.Or(u.last.MemoryLimit, p.r.w.Spec.Limits.Memory, 1)
	now = render.Bytes(u.last.Memory) + " of " + render.Bytes(limit)
	if u.last.MemoryPeak > 0 {
		now += ", peak " + render.Bytes(u.last.MemoryPeak)
	}
	top = scale(u.mem, float64(limit))
	p.graph("memory", now, u.mem, top, short(int64(top)))
	p.line("")
	p.fact("processes", strconv.FormatInt(u.last.Pids, 10)+" of "+strconv.FormatInt(p.r.w.Spec.Limits.Pids, 10))
	p.fact("cpu time", render.Elapsed(time.Duration(u.last.CPUSeconds*float64(time.Second))))
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

// graph draws values between 0 and top, newest at the right, in eighths of a row.
func (p *page) graph(name, now string, values []float64, top float64, topText string) {
	p.line(" " + p.m.theme.bold.paint(name) + "  " + render.Escape(now))
	width := max(10, p.width-8)
	values = values[max(0, len(values)-width):]
	for line := graphRows - 1; line >= 0; line-- {
		var b strings.Builder
		b.WriteString(strings.Repeat(" ", width-len(values)))
		for _, v := range values {
			eighths := int(v/top*graphRows*8+0.5) - line*8
			switch {
			case eighths >= 8:
				b.WriteRune('█')
			case eighths > 0:
				b.WriteRune(bars[eighths-1])
			case line == 0:
				b.WriteRune('▁') // it was measured, and nearly nothing
			default:
				b.WriteByte(' ')
			}
		}
		label := ""
		switch line {
		case graphRows - 1:
			label = topText
		case 0:
			label = "0"
		}
		p.line(p.m.theme.faint.paint(cell(label, 6, true)+"│") + p.m.theme.accent.paint(b.String()))
	}
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
