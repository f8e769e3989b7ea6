package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/runtime/memory"
	"github.com/wsctl/wsctl/internal/workspace"
)

// histories is how many random histories the property below tries.
const histories = 150

// Whatever happens between commands (the daemon dies, the engine goes away or
// restarts, replies and events get lost), in the end every workspace is as the last
// accepted command asked, and the engine holds exactly what the records name.
func TestEveryHistoryEndsAsAsked(t *testing.T) {
	for seed := range uint64(histories) {
		inBubble(t, func(r *rig) {
			h := &history{rig: r, rand: rand.New(rand.NewPCG(seed, 1)), asked: map[string]workspace.Desired{}}
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

type history struct {
	*rig
	rand  *rand.Rand
	asked map[string]workspace.Desired
	made  int
	log   []string
}

func (h *history) note(format string, args ...any) {
	h.log = append(h.log, time.Now().Format("04:05.000 ")+fmt.Sprintf(format, args...))
}

func (h *history) step() {
	name := fmt.Sprintf("w%d", h.rand.IntN(4))
	switch p := h.rand.IntN(100); {
	case p < 25:
		if _, _, err := h.Create(h.t.Context(), alice, plain(name), ""); err == nil {
			h.asked[name] = workspace.WantRunning
			h.note("create %s", name)
		}
	case p < 70:
		h.ask(name, api.Commands()[h.rand.IntN(len(api.Commands()))])
	case p < 78:
		if _, err := h.Delete(h.t.Context(), alice, name, 0, h.rand.IntN(2) == 0); err == nil {
			h.asked[name] = workspace.WantDeleted
			h.note("delete %s", name)
		}
	case p < 86:
		h.note("daemon dies")
		h.restart()
	case p < 90:
		h.note("engine down")
		h.box.Down()
	case p < 95:
		h.note("engine up")
		h.box.Up()
	default:
		h.disturb()
	}
}

func (h *history) ask(name string, c api.Command) {
	if _, err := h.Command(h.t.Context(), alice, name, c); err != nil {
		return
	}
	h.note("%s %s", c, name)
	switch c {
	case api.Stop:
		h.asked[name] = workspace.WantStopped
	case api.Pause:
		h.asked[name] = workspace.WantPaused
	default:
		h.asked[name] = workspace.WantRunning
	}
}

// disturb makes the engine unreliable for the next calls.
func (h *history) disturb() {
	ops := []memory.Op{memory.OpEnsure, memory.OpStart, memory.OpStop, memory.OpRemove, memory.OpPause, memory.OpInspect, memory.OpList}
	op := ops[h.rand.IntN(len(ops))]
	h.note("lose a reply of %s", op)
	h.box.SetFaults(memory.Faults{
		Latency: map[memory.Op]time.Duration{op: time.Duration(h.rand.IntN(2000)) * time.Millisecond},
		Script:  []memory.Fault{{Op: op, Call: 1, LoseReply: true}},
	})
}

func (h *history) calm() {
	h.box.SetFaults(memory.Faults{})
	h.box.Up()
	time.Sleep(30 * time.Second)
	h.settle()
	time.Sleep(31 * time.Second) // one more look at the list
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
	alive := 0
	for name, want := range h.asked {
		w, err := h.Workspace(h.t.Context(), alice, name)
		if want == workspace.WantDeleted {
			if err == nil {
				h.t.Errorf("%s: %s was to be deleted and is %s", what, name, w.State)
			}
			continue
		}
		if err != nil {
			h.t.Errorf("%s: %s: %v", what, name, err)
			continue
		}
		alive++
		if string(w.State) != string(want) {
			h.t.Errorf("%s: %s was to be %s and is %s (%+v)", what, name, want, w.State, w.Conditions)
		}
		h.checkObserved(what, w)
	}
	list, err := h.cfg.Driver.List(h.t.Context())
	if err != nil || len(list) > alive {
		h.t.Errorf("%s: the engine has %d containers for %d workspaces, %v", what, len(list), alive, err)
	}
	if h.door.count() != alive {
		h.t.Errorf("%s: %d ports are held for %d workspaces", what, h.door.count(), alive)
	}
}

func (h *history) checkObserved(what string, w workspace.Workspace) {
	h.t.Helper()
	st, err := h.cfg.Driver.Inspect(h.t.Context(), ref(w))
	switch {
	case w.State == workspace.Running && (err != nil || st.State != rt.ObservedRunning),
		w.State == workspace.Paused && (err != nil || st.State != rt.ObservedPaused),
		w.State == workspace.Stopped && err == nil && (st.State == rt.ObservedRunning || st.State == rt.ObservedPaused):
		h.t.Errorf("%s: %s is %s, the engine says %s, %v", what, w.Name, w.State, st.State, err)
	}
}
