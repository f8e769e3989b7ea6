package runtimetest

import (
	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

func limitCases() []row {
	return []row{
		{"stats tell what a running workspace uses", checkStats},
		{"the counters of stats only grow", checkStatsGrow},
		{"stats of what does not run are ErrNotRunning", checkStatsStopped},
		{"limits change while it runs, and can be set twice", checkUpdate},
		{"limits that change while it is stopped hold at the next start", checkUpdateStopped},
	}
}

// usage waits for a sample with processes in it and returns it.
func (w *world) usage(r runtime.Ref) (u workspace.Usage) {
	w.Helper()
	w.eventually("a sample of usage", func() bool {
		var err error
		u, err = w.Driver.Stats(w.ctx, r)
		w.must(err, "sample")
		return u.Pids > 0 && u.Memory > 0
	})
	return u
}

func checkStats(w *world) {
	c := w.running("stats")
	w.answers(c)
	u := w.usage(c.Ref)
	if u.Time.IsZero() || u.CPUSeconds < 0 || u.MemoryLimit != c.Spec.Limits.Memory || u.Memory > u.MemoryLimit {
		w.Errorf("got %+v with a memory limit of %d", u, c.Spec.Limits.Memory)
	}
	if u.Network == nil || u.Network.In == 0 || u.Network.Out == 0 {
		w.Errorf("it has answered over the network, and its traffic is %+v", u.Network)
	}
}

// checkStatsGrow holds for the counters of one run, whatever the workspace does.
func checkStatsGrow(w *world) {
	c := w.running("statsgrow")
	w.answers(c)
	before := w.usage(c.Ref)
	w.answers(c)
	after := w.usage(c.Ref)
	if after.Time.Before(before.Time) || after.CPUSeconds < before.CPUSeconds {
		w.Errorf("cpu time: %+v, then %+v", before, after)
	}
	for _, t := range []struct {
		name string
		a, b *workspace.Traffic
	}{{"network", before.Network, after.Network}, {"disk", before.Disk, after.Disk}} {
		if (t.a == nil) != (t.b == nil) || t.a != nil && (t.a.In < 0 || t.b.In < t.a.In || t.a.Out < 0 || t.b.Out < t.a.Out) {
			w.Errorf("%s: %+v, then %+v", t.name, t.a, t.b)
		}
	}
}

func checkStatsStopped(w *world) {
	c := w.container("statsstopped")
	w.made(c)
	_, err := w.Driver.Stats(w.ctx, c.Ref)
	w.mustBe(err, runtime.ErrNotRunning, "sample one that never ran")
}

// doubled are other limits than the container's.
func doubled(c runtime.Container) workspace.Limits {
	l := c.Spec.Limits
	l.Memory, l.Pids = l.Memory*2, l.Pids*2
	return l
}

func checkUpdate(w *world) {
	c := w.running("update")
	w.answers(c)
	for _, l := range []workspace.Limits{doubled(c), doubled(c), c.Spec.Limits} {
		_, err := w.Driver.Update(w.ctx, c.Ref, l)
		w.must(err, "change the limits")
		if u := w.usage(c.Ref); u.MemoryLimit != l.Memory {
			w.Errorf("the memory limit is %d, want %d", u.MemoryLimit, l.Memory)
		}
	}
	w.state(c.Ref, runtime.ObservedRunning)
}

func checkUpdateStopped(w *world) {
	c := w.container("updatestopped")
	w.made(c)
	want := doubled(c)
	_, err := w.Driver.Update(w.ctx, c.Ref, want)
	w.must(err, "change the limits of one that never ran")
	w.must(w.Driver.Start(w.ctx, c.Ref), "start")
	w.answers(c)
	if u := w.usage(c.Ref); u.MemoryLimit != want.Memory {
		w.Errorf("the memory limit is %d, want %d", u.MemoryLimit, want.Memory)
	}
}
