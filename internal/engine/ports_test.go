package engine

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime/memory"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestPortsAreLeasedLowestFirstAroundForeignOnes(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.door.take(8001)
		if a, b := r.create("a"), r.create("b"); a.Port != 8000 || b.Port != 8002 {
			t.Errorf("got %d and %d", a.Port, b.Port)
		}
		req := plain("c")
		req.HostPort = 8001
		_, _, err := r.Create(r.t.Context(), alice, req, "")
		r.wantCode(err, "port_in_use")
		if !strings.Contains(err.Error(), "(thief)") {
			t.Errorf("%q does not name the program", err)
		}
		req.HostPort = 8002
		_, _, err = r.Create(r.t.Context(), alice, req, "")
		r.wantCode(err, "port_taken")
		if !strings.Contains(err.Error(), "workspace b") {
			t.Errorf("%q does not name the holder", err)
		}
		req.HostPort = 9000
		_, _, err = r.Create(r.t.Context(), alice, req, "")
		r.wantCode(err, "host_port_out_of_range")
		req.HostPort = 8005
		if w, _, err := r.Create(r.t.Context(), alice, req, ""); err != nil || w.Port != 8005 {
			t.Errorf("got %d, %v", w.Port, err)
		}
	})
}

func TestExhaustedPortsSayWhatToDo(t *testing.T) {
	inBubble(t, func(r *rig) {
		for p := 8001; p <= 8009; p++ {
			r.door.take(p)
		}
		r.create("a")
		_, _, err := r.Create(r.t.Context(), alice, plain("b"), "")
		r.wantCode(err, "ports_exhausted")
		if f := fault.From(err); !strings.Contains(f.Text, "other programs use 9") || !strings.Contains(f.Hint, "ports.last") {
			t.Errorf("%q, %q", f.Text, f.Hint)
		}
		if r.door.count() != 1 {
			t.Errorf("%d ports are held after a refusal", r.door.count())
		}
	})
}

func TestPortTakenByAnotherProgramDuringARestartIsTold(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.create("demo")
		r.shutdown()
		r.door.take(8000)
		r.start()
		time.Sleep(31 * time.Second)
		synctest.Wait()
		w := r.get("demo")
		if c, ok := w.Condition(workspace.PortBound); !ok || c.Status {
			t.Errorf("the loss of its port is not told: %+v", w.Conditions)
		}
		r.door.free(8000)
		time.Sleep(31 * time.Second)
		synctest.Wait()
		w = r.get("demo")
		if c, ok := w.Condition(workspace.PortBound); !ok || !c.Status || w.Port != 8000 {
			t.Errorf("its port is not taken back: %+v", w.Conditions)
		}
	})
}

func TestAPortThatIsLeasedAgainAtOnceStaysOpen(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.create("old")
		r.box.SetFaults(memory.Faults{Latency: map[memory.Op]time.Duration{memory.OpRemove: time.Second}})
		if _, err := r.Delete(r.t.Context(), alice, "old", 0, true); err != nil {
			t.Fatal(err)
		}
		release := r.holdLoop()
		time.Sleep(2 * time.Second)                                                // the end of the delete waits for its turn
		go func() { _, _, _ = r.Create(r.t.Context(), alice, plain("new"), "") }() // and this behind it: both share a commit
		synctest.Wait()
		release()
		r.settle()
		if w := r.want("new", workspace.Running); w.Port != 8000 || !r.door.Holds(8000) {
			t.Errorf("it leases %d, and the door holds it: %t", w.Port, r.door.Holds(w.Port))
		}
	})
}

func TestAPortIsNotTakenBackForADeletedWorkspace(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.create("demo")
		r.shutdown()
		r.door.take(8000)
		r.start()
		asked, deleted := make(chan struct{}), make(chan struct{})
		r.door.onHolds(func() { close(asked); <-deleted }) // who looks at ports is in the middle of it
		<-asked
		r.door.free(8000)
		if _, err := r.Delete(r.t.Context(), alice, "demo", 0, true); err != nil {
			t.Fatal(err)
		}
		r.settle()
		close(deleted)
		synctest.Wait()
		if n := r.door.count(); n != 0 {
			t.Errorf("%d ports are held for nobody", n)
		}
	})
}

// holdLoop keeps the loop busy until the returned function is called.
func (r *rig) holdLoop() (release func()) {
	hold := make(chan struct{})
	go func() { _ = r.do(r.t.Context(), func(*turn) error { <-hold; return nil }) }()
	synctest.Wait()
	return func() { close(hold); synctest.Wait() }
}

func TestPortsTellsLeasesAndForeignPrograms(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.create("a")
		r.create("b")
		r.door.take(8005)
		r.shutdown()
		r.door.take(8001) // b's
		r.start()
		time.Sleep(time.Second)
		r.door.free(8001)
		held := r.door.count()
		list, err := r.Ports(r.t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		if r.door.count() != held {
			t.Error("looking at ports has opened one")
		}
		r.door.take(8001)
		list, err = r.Ports(r.t.Context(), alice)
		a, b := r.get("a"), r.get("b")
		want := []api.PortLease{
			{Port: 8000, Workspace: a.ID, Name: "a", State: "leased", Bound: true, Target: a.Spec.Port},
			{Port: 8001, Workspace: b.ID, Name: "b", State: "leased", Holder: "thief", Target: b.Spec.Port},
			{Port: 8005, State: "foreign", Holder: "thief"},
		}
		if err != nil || list.First != 8000 || list.Last != 8009 || list.Free != 7 || !slices.Equal(list.Leases, want) {
			t.Errorf("got %+v, %v", list, err)
		}
		others, err := r.Ports(r.t.Context(), bob)
		if err != nil || len(others.Leases) != 3 || others.Free != 7 {
			t.Errorf("got %+v, %v", others, err)
		}
		for _, l := range others.Leases {
			if l.Workspace != "" || l.Name != "" || l.Target != 0 {
				t.Errorf("another user is told %+v", l)
			}
		}
		if s, err := r.Status(r.t.Context(), alice); err != nil || s.PortsFree != 8 {
			t.Errorf("%d ports are free, %v", s.PortsFree, err)
		}
	})
}

func TestLeasesOutsideOfANewRangeAreNotCountedInIt(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.create("a")
		r.tweak = func(c *Config) { c.PortFirst, c.PortLast = 8100, 8101 }
		r.restart()
		if s, err := r.Status(r.t.Context(), alice); err != nil || s.PortsFree != 2 {
			t.Errorf("%d ports are free, %v", s.PortsFree, err)
		}
		list, err := r.Ports(r.t.Context(), alice)
		if err != nil || list.Free != 2 || len(list.Leases) != 1 || !list.Leases[0].Bound {
			t.Errorf("got %+v, %v", list, err)
		}
		if w := r.create("b"); w.Port != 8100 {
			t.Errorf("got %d", w.Port)
		}
	})
}

func TestDialPortLeadsInside(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := r.create("demo")
		conn, err := r.DialPort(r.t.Context(), w.Port)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		_, err = r.DialPort(r.t.Context(), 8009)
		r.wantCode(err, "port_not_leased")
		r.command("demo", api.Stop)
		r.settle()
		_, err = r.DialPort(r.t.Context(), w.Port)
		r.wantCode(err, "not_running")
	})
}
