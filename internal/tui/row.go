package tui

import (
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// window is how many samples of a workspace are kept.
const window = 240

// row is what the dashboard knows of one workspace.
type row struct {
	w      workspace.Workspace
	act    *api.Activity // nil: nothing is known of its use
	stages render.Stages // of what is done to it; none once that is over
	use    *usage
	marked bool
	listed bool // it passes the filter; kept by list.arrange, as is place
	place  int  // in list.shown, where it is listed
}

// usage is the newest sample and a window of what was used until it: oldest first, at most
// window of each.
type usage struct {
	last          workspace.Usage
	run           string
	cpu, mem      []float64 // cores; bytes
	network, disk flow
}

// flow is bytes a second, both ways together and, of the newest, each way.
type flow struct {
	all     []float64
	in, out float64
}

// gap is the longest time between two samples of one window: where it is longer nobody has
// looked meanwhile, and what is drawn as one line has to be of one time.
const gap = 30 * time.Second

// sample adds one sample. Counters need two of the same run to mean something.
func (r *row) sample(u workspace.Usage) {
	if r.use == nil || r.use.run != r.w.Run || u.Time.Sub(r.use.last.Time) > gap {
		r.use = &usage{run: r.w.Run}
	}
	s := r.use
	if d := u.Time.Sub(s.last.Time).Seconds(); !s.last.Time.IsZero() && d > 0 && u.CPUSeconds >= s.last.CPUSeconds {
		s.cpu = push(s.cpu, (u.CPUSeconds-s.last.CPUSeconds)/d)
		s.network.add(s.last.Network, u.Network, d)
		s.disk.add(s.last.Disk, u.Disk, d)
	}
	s.mem = push(s.mem, float64(u.Memory))
	s.last = u
}

// add adds what went between two counts in some seconds. A count that fell began anew.
func (f *flow) add(before, now *workspace.Traffic, seconds float64) {
	if before == nil || now == nil || now.In < before.In || now.Out < before.Out {
		return
	}
	f.in, f.out = float64(now.In-before.In)/seconds, float64(now.Out-before.Out)/seconds
	f.all = push(f.all, f.in+f.out)
}

// push appends to a window, which it moves within its memory.
func push(s []float64, v float64) []float64 {
	if len(s) < window {
		return append(s, v)
	}
	copy(s, s[1:])
	s[len(s)-1] = v
	return s
}

// live reports whether there is anything to sample.
func (r *row) live() bool { return r.w.State == workspace.Running || r.w.State == workspace.Paused }

// reason is a word why something is wrong.
func (r *row) reason() string {
	if c, ok := r.w.Condition(workspace.Attention); ok && c.Status {
		return c.Reason
	}
	if r.w.State == workspace.Failed && r.w.Stop != nil {
		return string(r.w.Stop.Reason)
	}
	return ""
}

// conns counts the connections that live, as far as that is known.
func (r *row) conns() (int, bool) {
	if r.act == nil {
		return 0, false
	}
	return r.act.Sessions, true
}

// stopsIn is the time that is left; ok only where the workspace will stop by itself.
func (r *row) stopsIn(now time.Time) (time.Duration, bool) {
	if r.act == nil || r.act.StopAt.IsZero() || r.w.State != workspace.Running {
		return 0, false
	}
	return max(0, r.act.StopAt.Sub(now)), true
}

// bars are the heights of a sparkline (Unicode block elements).
var bars = []rune("▁▂▃▄▅▆▇█")

// spark draws the newest n values between 0 and top; it is n columns wide.
func spark(values []float64, n int, top float64) string {
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", max(0, n-len(values))))
	for _, v := range values[max(0, len(values)-n):] {
		i := 0
		if top > 0 {
			i = min(max(int(v/top*float64(len(bars))), 0), len(bars)-1)
		}
		b.WriteRune(bars[i])
	}
	return b.String()
}
