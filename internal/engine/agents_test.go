package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

// later lets virtual time pass.
func later(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (r *rig) condition(name string, kind workspace.ConditionType) (workspace.Condition, bool) {
	w := r.get(name)
	c, ok := w.Condition(kind)
	return c, ok && c.Status
}

func TestACommandThatKeepsEndingIsToldWithItsLastLines(t *testing.T) {
	inAgentBubble(t, func(r *rig, a *fakeAgent) {
		r.create("demo")
		if c, ok := r.condition("demo", workspace.CrashLoop); ok {
			t.Fatalf("told before it was so: %+v", c)
		}
		a.tell(func(a *fakeAgent) {
			a.report.Command = agentapi.Command{CrashLoop: true, Status: 3, LastLines: []string{"one", "", "cannot \x1b[31mbind"}}
		})
		later(time.Second)
		c, ok := r.condition("demo", workspace.CrashLoop)
		if !ok || !strings.Contains(c.Detail, "status 3: cannot [31mbind") {
			t.Errorf("condition %+v", c)
		}
		w := r.get("demo")
		if d := w.Death; d == nil || d.ExitCode != 3 || !slices.Equal(d.Log, []string{"one", "cannot [31mbind"}) || d.Run != w.Run {
			t.Errorf("death %+v", d)
		}
		before := r.get("demo").Revision
		a.tell(func(a *fakeAgent) { a.report.Command.Restarts++ })
		later(time.Minute)
		if now := r.get("demo").Revision; now != before {
			t.Error("the same is written again")
		}
		a.tell(func(a *fakeAgent) { a.report.Command = agentapi.Command{PID: 9} })
		later(time.Minute)
		if c, ok := r.condition("demo", workspace.CrashLoop); ok {
			t.Errorf("told when it was over: %+v", c)
		}
	})
}

// What runs in a workspace must not fill the record of facts.
func TestAnAgentThatChangesItsMindBecomesFewFacts(t *testing.T) {
	inAgentBubble(t, func(r *rig, a *fakeAgent) {
		w := r.create("demo")
		for i := range 200 {
			a.tell(func(a *fakeAgent) { a.report.Command = agentapi.Command{CrashLoop: i%2 == 0} })
			later(100 * time.Millisecond)
		}
		facts, err := r.Events(t.Context(), alice, 0, 1000, w.ID)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, f := range facts {
			if f.Detail["type"] == string(workspace.CrashLoop) {
				n++
			}
		}
		if n == 0 || n > 6 {
			t.Errorf("%d facts in 20 s", n)
		}
	})
}

// What runs in a workspace may take the place of its agent.
func TestPartsOfAReportAreReadNoMoreOftenThanReports(t *testing.T) {
	inAgentBubble(t, func(r *rig, a *fakeAgent) {
		a.tell(func(a *fakeAgent) { a.drips = true })
		r.create("demo")
		later(10 * time.Second)
		a.mu.Lock()
		n := a.dripped
		a.mu.Unlock()
		if most := int(10 * time.Second / reportPause); n < most/2 || n > 2*most { // each is taken by a read of its own
			t.Errorf("in 10 s %d parts were read", n)
		}
	})
}

func TestAnAgentThatFallsSilentIsToldAndForgottenWhenItIsBack(t *testing.T) {
	inAgentBubble(t, func(r *rig, a *fakeAgent) {
		r.create("demo")
		a.tell(func(a *fakeAgent) { a.gone = true })
		later(silenceLimit / 2)
		if _, ok := r.condition("demo", workspace.AgentUnreachable); ok {
			t.Error("told at once")
		}
		later(2 * silenceLimit)
		if c, ok := r.condition("demo", workspace.AgentUnreachable); !ok || !strings.Contains(c.Detail, "restart") {
			t.Errorf("condition %+v, %v", c, ok)
		}
		r.restart() // what is recorded outlives wsd
		if _, ok := r.condition("demo", workspace.AgentUnreachable); !ok {
			t.Error("forgotten by a restart of wsd")
		}
		a.tell(func(a *fakeAgent) { a.gone = false })
		later(callAgainMax)
		if c, ok := r.condition("demo", workspace.AgentUnreachable); ok {
			t.Errorf("it is back: %+v", c)
		}
		a.tell(func(a *fakeAgent) { a.gone = true })
		later(2 * silenceLimit)
		r.command("demo", api.Stop)
		r.settle()
		if c, ok := r.condition("demo", workspace.AgentUnreachable); ok {
			t.Errorf("it is stopped: %+v", c)
		}
	})
}

// It holds the connection, and answers nothing.
func TestAnAgentThatHangsIsAskedWhetherItIsThere(t *testing.T) {
	inAgentBubble(t, func(r *rig, a *fakeAgent) {
		r.create("demo")
		a.tell(func(a *fakeAgent) { a.hung = true })
		later(askEvery + 4*silenceLimit)
		if _, ok := r.condition("demo", workspace.AgentUnreachable); !ok {
			t.Error("not told")
		}
	})
}

// A container of before, or of an engine elsewhere, has no agent; nothing is wrong with it.
func TestWhatHasNoAgentMissesNone(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.create("demo")
		before := r.get("demo").Revision
		later(time.Hour)
		if w := r.get("demo"); w.Revision != before {
			t.Errorf("conditions %+v", w.Conditions)
		}
	})
}

func TestAnOlderAgentIsToldUntilARestart(t *testing.T) {
	inAgentBubble(t, func(r *rig, a *fakeAgent) {
		a.tell(func(a *fakeAgent) { a.hello.Version = agentapi.Version - 1 })
		r.create("demo")
		later(time.Second)
		if c, ok := r.condition("demo", workspace.AgentOutdated); !ok || !strings.Contains(c.Detail, "restart") {
			t.Errorf("condition %+v", c)
		}
		a.tell(func(a *fakeAgent) { a.hello.Version = agentapi.Version })
		r.command("demo", api.Restart)
		r.settle()
		if c, ok := r.condition("demo", workspace.AgentOutdated); ok {
			t.Errorf("after a restart: %+v", c)
		}
	})
}

func TestPortsAreSignalledWhenTheyOpenAndClose(t *testing.T) {
	inAgentBubble(t, func(r *rig, a *fakeAgent) {
		told, cancel := r.bus.Subscribe(1000)
		defer cancel()
		signals := func() (out []string) {
			synctest.Wait()
			for {
				select {
				case m := <-told:
					if s := m.Signal; s != nil && (s.Kind == event.PortOpened || s.Kind == event.PortClosed) {
						out = append(out, fmt.Sprint(s.Kind, " ", s.Detail["port"], " ", s.Detail["process"]))
					}
				default:
					return out
				}
			}
		}
		listen := func(ports ...agentapi.Port) {
			a.tell(func(a *fakeAgent) { a.report.Ports = ports })
			later(time.Second)
		}
		check := func(what string, want ...string) {
			t.Helper()
			if got := signals(); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
		listen(agentapi.Port{Port: 8080, Process: "server"})
		r.create("demo")
		check("what a start opens", "port.opened 8080 server")
		listen(agentapi.Port{Port: 3000, Process: "no\x1bde"}, agentapi.Port{Port: 8080, Process: "server"})
		check("one more", "port.opened 3000 node")
		listen(agentapi.Port{Port: 3000})
		check("one less", "port.closed 8080 server")
		later(time.Minute)
		r.beforeRun = func(e *Engine) { told, cancel = e.bus.Subscribe(1000) }
		r.restart()
		defer func() { cancel() }()
		later(time.Second)
		check("what was open before wsd")
		listen()
		check("and closes", "port.closed 3000 ")
	})
}

// Followers end with their runs, and a slow bus loses none.
func TestAFollowerEndsWithItsRun(t *testing.T) {
	inAgentBubble(t, func(r *rig, a *fakeAgent) {
		r.create("demo")
		r.command("demo", api.Stop)
		r.settle()
		before := r.get("demo").Revision
		a.tell(func(a *fakeAgent) { a.report.Command.CrashLoop = true })
		later(time.Minute)
		if now := r.get("demo").Revision; now != before {
			t.Error("what is stopped is followed")
		}
		r.command("demo", api.Start)
		r.settle()
		later(time.Second)
		if _, ok := r.condition("demo", workspace.CrashLoop); !ok {
			t.Error("the next run is not followed")
		}
	})
}

func TestAnAgentThatIsOnItsWayIsWaitedFor(t *testing.T) {
	inAgentBubble(t, func(r *rig, a *fakeAgent) {
		r.create("demo")
		late := func(n int) { a.tell(func(a *fakeAgent) { a.late = n }) }
		late(5)
		if _, err := r.Listening(r.t.Context(), alice, "demo"); err != nil {
			r.t.Errorf("what was asked a moment too soon: %v", err)
		}
		late(1 << 20)
		ctx, cancel := context.WithTimeout(r.t.Context(), time.Second)
		defer cancel()
		if _, err := r.Listening(ctx, alice, "demo"); err == nil {
			r.t.Error("an agent that never comes has answered")
		}
		late(0)
	})
}
