package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/runtime/memory"
	"github.com/wsctl/wsctl/internal/workspace"
)

// histories is how many random histories the property below tries. WSD_HISTORIES and
// WSD_SEED choose others.
const histories = 100

// Whatever happens between commands (the daemon dies, the engine goes away, hangs or
// restarts, replies and events get lost, calls come through late, people use the
// engine's own tools), in the end every workspace is as the last accepted command
// asked, and the engine holds exactly what the records name.
func TestEveryHistoryEndsAsAsked(t *testing.T) {
	first, many := number("WSD_SEED", 0), number("WSD_HISTORIES", histories)
	for seed := first; seed < first+many; seed++ {
		inBubble(t, func(r *rig) {
			h := &history{rig: r, rand: rand.New(rand.NewPCG(seed, 1)), asked: map[string]*wish{}}
			h.unsettle()
			for range 40 {
				h.step()
				time.Sleep(time.Duration(h.rand.IntN(3000)) * time.Millisecond)
			}
			h.calm()
			h.check(fmt.Sprintf("seed %d", seed))
		})
		if t.Failed() {
			return
		}
	}
}

func number(name string, fallback uint64) uint64 {
	n, err := strconv.ParseUint(os.Getenv(name), 10, 64)
	if err != nil {
		return fallback
	}
	return n
}

// wish is what a workspace shall be in the end. A loose one may be anything that the
// engine and the record agree on: somebody has used the engine's own tools, or has
// cancelled or retried a job, and no command since leaves no doubt.
type wish struct {
	id    string
	want  workspace.Desired
	loose bool
}

type history struct {
	*rig
	rand  *rand.Rand
	asked map[string]*wish
	calls *late
	made  int
	log   []string

	restarted time.Time // the engine, last
}

func (h *history) note(format string, args ...any) {
	h.log = append(h.log, time.Now().Format("04:05.000 ")+fmt.Sprintf(format, args...))
}

// unsettle lets calls outlive their caller, and jobs survive many lost replies.
func (h *history) unsettle() {
	h.tweak = func(c *Config) {
		h.calls = &late{Driver: c.Driver}
		c.Driver, c.Attempts = h.calls, 20
	}
	h.restart()
}

func (h *history) step() {
	name := fmt.Sprintf("w%d", h.rand.IntN(4))
	switch p := h.rand.IntN(100); {
	case p < 20:
		h.make(name)
	case p < 55:
		h.ask(name, api.Commands()[h.rand.IntN(len(api.Commands()))])
	case p < 62:
		if _, err := h.Delete(h.t.Context(), alice, name, 0, h.rand.IntN(2) == 0); err == nil {
			h.asked[name].want, h.asked[name].loose = workspace.WantDeleted, false
			h.note("delete %s", name)
		}
	case p < 67:
		bytes := int64(1+h.rand.IntN(8)) << 28
		if _, err := h.Update(h.t.Context(), alice, name, 0, api.Update{Limits: &api.PartialLimits{Memory: &bytes}}); err == nil {
			h.note("resize %s to %d", name, bytes)
		}
	case p < 72:
		h.meddle()
	case p < 82:
		h.byHand(name)
	case p < 87:
		h.note("daemon dies")
		h.restart()
	default:
		h.disturb()
	}
}

// make creates a workspace, sometimes twice with one key, sometimes not to be started.
func (h *history) make(name string) {
	req, want := plain(name), workspace.WantRunning
	if h.rand.IntN(3) == 0 {
		req.Stopped, want = true, workspace.WantStopped
	}
	h.made++
	key := fmt.Sprintf("key-%d", h.made)
	w, created, err := h.Create(h.t.Context(), alice, req, key)
	if err != nil {
		return
	}
	h.note("create %s, stopped: %t", name, req.Stopped)
	h.asked[name] = &wish{id: w.ID, want: want}
	again, twice, err := h.Create(h.t.Context(), alice, req, key)
	if err != nil || !created || twice || again.ID != w.ID {
		h.t.Errorf("the same key made %s and %s, %v", w.ID, again.ID, err)
	}
}

func (h *history) ask(name string, c api.Command) {
	before, _ := h.Workspace(h.t.Context(), alice, name)
	w, err := h.Command(h.t.Context(), alice, name, c)
	if err != nil {
		return
	}
	h.note("%s %s", c, name)
	a := h.asked[name]
	switch c {
	case api.Stop:
		a.want = workspace.WantStopped
	case api.Pause:
		a.want = workspace.WantPaused
		a.loose = a.loose || time.Since(h.restarted) < time.Minute // it may have ended without being noticed
	default:
		a.want = workspace.WantRunning
	}
	// What is thought to be as asked already, or is paused or resumed, may not be what
	// the record says.
	begins := before.State != w.State
	a.loose = a.loose && !begins
}

// meddle cancels or retries some job.
func (h *history) meddle() {
	jobs, err := h.Jobs(h.t.Context(), alice, nil, "")
	if err != nil || len(jobs) == 0 {
		return
	}
	j := jobs[h.rand.IntN(min(len(jobs), 6))]
	act, what := h.CancelJob, "cancel"
	if j.State == workspace.JobFailed || h.rand.IntN(3) == 0 {
		act, what = h.RetryJob, "retry"
	}
	if _, err := act(h.t.Context(), alice, j.ID); err != nil {
		return
	}
	h.note("%s %s of %s", what, j.Kind, j.Name)
	if a := h.asked[j.Name]; a != nil && a.id == j.Workspace {
		a.loose = true
	}
}

// byHand is what a person does with the engine's own tools.
func (h *history) byHand(name string) {
	w, err := h.Workspace(h.t.Context(), alice, name)
	if err != nil {
		return
	}
	acts := []struct {
		what string
		do   func(rt.Ref) error
	}{
		{"kill", func(r rt.Ref) error { return h.box.Kill(r, 137, false) }},
		{"crash", func(r rt.Ref) error { return h.box.Kill(r, 3, false) }},
		{"out of memory", func(r rt.Ref) error { return h.box.Kill(r, 137, true) }},
		{"end", func(r rt.Ref) error { return h.box.Kill(r, 0, false) }},
		{"pause", h.box.PauseByHand},
		{"unpause", h.box.ResumeByHand},
		{"start", h.box.StartByHand},
		{"remove", h.box.RemoveByHand},
	}
	a := acts[h.rand.IntN(len(acts))]
	if a.do(ref(w)) == nil {
		h.note("by hand: %s %s", a.what, name)
		h.asked[name].loose = true
	}
}

// disturb makes the engine unreliable.
func (h *history) disturb() {
	ops := []memory.Op{memory.OpEnsure, memory.OpStart, memory.OpStop, memory.OpRemove, memory.OpPause, memory.OpResume, memory.OpInspect, memory.OpList}
	op := ops[h.rand.IntN(len(ops))]
	switch h.rand.IntN(8) {
	case 0:
		h.note("engine down")
		h.box.Down()
	case 1:
		h.note("engine hangs")
		h.box.Hang()
	case 2:
		h.note("engine restarts")
		h.box.Down() // what it was asked is lost
		synctest.Wait()
		h.box.Restart()
		h.restarted = time.Now()
		for _, a := range h.asked {
			a.loose = a.loose || a.want == workspace.WantPaused // what was frozen is gone
		}
	case 3:
		on := h.rand.IntN(2) == 0
		h.note("events are lost: %t", on)
		h.box.DropEvents(on)
	case 4:
		h.note("calls of %s come through late", op)
		h.calls.set(time.Duration(h.rand.IntN(3000))*time.Millisecond, op)
	case 5:
		h.note("lose a reply of %s", op)
		h.box.SetFaults(memory.Faults{
			Latency: map[memory.Op]time.Duration{op: time.Duration(h.rand.IntN(2000)) * time.Millisecond},
			Script:  []memory.Fault{{Op: op, Call: 1, LoseReply: true}},
		})
	default:
		h.note("engine up")
		h.box.Up()
	}
}

func (h *history) calm() {
	h.calls.set(0)
	h.box.SetFaults(memory.Faults{})
	h.box.DropEvents(false)
	h.box.Up()
	time.Sleep(30 * time.Second)
	h.settle()
	time.Sleep(31 * time.Second) // one more look at the list
	h.settle()
	time.Sleep(31 * time.Second)
	h.settle()
	synctest.Wait()
}

func (h *history) check(what string) {
	h.t.Helper()
	defer func() {
		if h.t.Failed() {
			h.t.Logf("%s:", what)
			for _, line := range h.log {
				h.t.Log(line)
			}
		}
	}()
	alive := map[string]bool{}
	for name, a := range h.asked {
		w, err := h.Workspace(h.t.Context(), alice, a.id)
		switch {
		case fault.Is(err, fault.Gone):
			if a.want != workspace.WantDeleted && !a.loose {
				h.t.Errorf("%s: %s is gone", what, name)
			}
			continue
		case err != nil:
			h.t.Errorf("%s: %s: %v", what, name, err)
			continue
		}
		alive[a.id] = true
		if string(w.State) != string(a.want) && !a.loose || !w.State.Settled() {
			h.t.Errorf("%s: %s was to be %s and is %s (%+v)", what, name, a.want, w.State, w.Conditions)
		}
		if w.State != workspace.Failed && w.Desired != desiredAsIs(w) || w.Job != "" {
			h.t.Errorf("%s: %s is %s, is wanted %s and has job %q", what, name, w.State, w.Desired, w.Job)
		}
		h.checkObserved(what, w)
	}
	h.checkObjects(what, alive)
}

// checkObjects wants at most one container and one volume for each workspace, none
// for anybody else, and one port for each.
func (h *history) checkObjects(what string, alive map[string]bool) {
	h.t.Helper()
	objects, err := h.cfg.Driver.Objects(h.t.Context())
	seen := map[string]int{}
	for _, o := range objects {
		if seen[o.Kind+o.Workspace]++; !alive[o.Workspace] || seen[o.Kind+o.Workspace] > 1 {
			h.t.Errorf("%s: the engine has %+v", what, o)
		}
	}
	if err != nil || h.door.count() != len(alive) {
		h.t.Errorf("%s: %d ports are held for %d workspaces, %v", what, h.door.count(), len(alive), err)
	}
}

func (h *history) checkObserved(what string, w workspace.Workspace) {
	h.t.Helper()
	st, err := h.cfg.Driver.Inspect(h.t.Context(), ref(w))
	if err != nil && !errors.Is(err, rt.ErrNotFound) {
		h.t.Errorf("%s: %v", what, err)
	}
	want := map[workspace.State]bool{
		workspace.Running: err == nil && st.State == rt.ObservedRunning,
		workspace.Paused:  err == nil && st.State == rt.ObservedPaused,
		workspace.Stopped: err != nil || !up(st),
		workspace.Failed:  err != nil || !up(st),
	}
	if !want[w.State] {
		h.t.Errorf("%s: %s is %s, the engine says %s, %v", what, w.Name, w.State, st.State, err)
	}
	if err != nil || !up(st) {
		return
	}
	u, err := h.cfg.Driver.Stats(h.t.Context(), ref(w))
	_, pending := w.Condition(workspace.LimitsPending)
	if err != nil || (u.MemoryLimit != w.Spec.Limits.Memory) != pending {
		h.t.Errorf("%s: %s has a limit of %d, the engine of %d, pending: %t, %v", what, w.Name, w.Spec.Limits.Memory, u.MemoryLimit, pending, err)
	}
}
