package engine

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime/memory"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestWhatAnotherUserOwnsIsNotFound(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := r.create("demo")
		_, err := r.Workspace(r.t.Context(), bob, "demo")
		r.wantCode(err, "workspace_not_found")
		_, err = r.Workspace(r.t.Context(), bob, w.ID)
		r.wantCode(err, "workspace_not_found")
		_, err = r.Command(r.t.Context(), bob, "demo", api.Stop)
		r.wantCode(err, "workspace_not_found")
		_, err = r.Delete(r.t.Context(), bob, "demo", 0, true)
		r.wantCode(err, "workspace_not_found")
		_, err = r.Update(r.t.Context(), bob, "demo", 0, api.Update{})
		r.wantCode(err, "workspace_not_found")
		jobs, err := r.Jobs(r.t.Context(), alice, nil, "")
		if err != nil || len(jobs) == 0 {
			t.Fatalf("%v, %v", jobs, err)
		}
		_, err = r.Job(r.t.Context(), bob, jobs[0].ID)
		r.wantCode(err, "job_not_found")
		_, err = r.CancelJob(r.t.Context(), bob, jobs[0].ID)
		r.wantCode(err, "job_not_found")
		if list, err := r.Jobs(r.t.Context(), bob, nil, ""); err != nil || len(list) != 0 {
			t.Errorf("%v, %v", list, err)
		}
		if list, err := r.Workspaces(r.t.Context(), bob, api.Filter{}); err != nil || len(list) != 0 {
			t.Errorf("%v, %v", list, err)
		}
		if _, err := r.Workspace(r.t.Context(), root, "demo"); err != nil {
			t.Errorf("an admin does not see it: %v", err)
		}
		if _, _, err := r.Create(r.t.Context(), bob, plain("demo"), ""); !fault.HasCode(err, "name_taken") {
			t.Errorf("a taken name of another user: %v", err)
		}
	})
}

// A whole life, ended by an admin: its owner is told all of it, live, by replay and
// from the log; another user learns nothing.
func TestWatchersSeeAllOfTheirOwnAndNothingOfOthers(t *testing.T) {
	inBubble(t, func(r *rig) {
		begin := r.seq()
		var mine, theirs []api.Message
		defer r.watchAs(alice, -1, &mine)()
		defer r.watchAs(bob, -1, &theirs)()
		r.create("demo")
		r.command("demo", api.Stop)
		r.settle()
		if _, err := r.Delete(r.t.Context(), root, "demo", 0, false); err != nil {
			t.Fatal(err)
		}
		r.settle()
		must(t, r.do(r.t.Context(), func(tt *turn) error {
			return tt.tell(nil, workspace.Daemon, event.OrphanRemoved, map[string]string{"workspace": "wsecret"})
		}))
		must(t, r.do(r.t.Context(), func(tt *turn) error { return tt.tell(nil, workspace.Daemon, event.EngineBack, nil) }))
		synctest.Wait()

		all, err := r.Events(r.t.Context(), root, begin, 0, "")
		must(t, err)
		own := kinds(all, func(ev event.Event) bool { return ev.Workspace != "" || ev.Kind == event.EngineBack })
		if !slices.Contains(own, event.WorkspaceDeleted) {
			t.Fatalf("the log has %v", own)
		}
		var replayed, hidden []api.Message
		defer r.watchAs(alice, int64(begin), &replayed)()
		defer r.watchAs(bob, int64(begin), &hidden)()
		logged, err := r.Events(r.t.Context(), alice, begin, 0, "")
		must(t, err)
		for what, got := range map[string][]event.Kind{
			"live": kindsOf(mine), "by replay": kindsOf(replayed), "from the log": kinds(logged, func(event.Event) bool { return true }),
		} {
			if !slices.Equal(got, own) {
				t.Errorf("%s its owner is told %v, not %v", what, got, own)
			}
		}
		notHis, err := r.Events(r.t.Context(), bob, begin, 0, "")
		must(t, err)
		for what, got := range map[string][]event.Kind{
			"live": kindsOf(theirs), "by replay": kindsOf(hidden), "from the log": kinds(notHis, func(event.Event) bool { return true }),
		} {
			if !slices.Equal(got, []event.Kind{event.EngineBack}) {
				t.Errorf("%s another user is told %v", what, got)
			}
		}
		for _, m := range theirs {
			if m.Type == "signal" || m.Workspace != nil || len(m.Workspaces) > 0 {
				t.Errorf("another user is told %+v", m)
			}
		}
		if !slices.ContainsFunc(mine, func(m api.Message) bool { return m.Type == "signal" }) {
			t.Error("its owner is told of no progress")
		}
	})
}

func kindsOf(list []api.Message) []event.Kind {
	var out []event.Kind
	for _, m := range events(list) {
		out = append(out, m.Event.Kind)
	}
	return out
}

func kinds(list []event.Event, fits func(event.Event) bool) []event.Kind {
	var out []event.Kind
	for _, ev := range list {
		if fits(ev) {
			out = append(out, ev.Kind)
		}
	}
	return out
}

func TestAWatcherOfOneIsToldOfThatOneAlone(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := r.create("demo")
		var got []api.Message
		ctx, cancel := contextOf(r)
		defer cancel()
		go func() {
			_ = r.Watch(ctx, root, -1, "demo", func(m api.Message) error { got = append(got, m); return nil })
		}()
		synctest.Wait()
		r.create("other")
		r.command("demo", api.Stop)
		r.settle()
		for _, m := range got {
			if m.Event != nil && m.Event.Workspace != w.ID || m.Signal != nil && m.Signal.Workspace != w.ID || len(m.Workspaces) > 1 {
				t.Errorf("it is told %+v", m)
			}
		}
		if len(events(got)) == 0 {
			t.Error("it is told nothing")
		}
		cancel()
		synctest.Wait()
	})
}

func TestAPingSaysFromWhereToGoOn(t *testing.T) {
	inBubble(t, func(r *rig) {
		var got []api.Message
		defer r.watchAs(bob, -1, &got)()
		r.create("demo") // of which bob is told nothing
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if last := got[len(got)-1]; last.Type != "ping" || last.Seq != r.seq() {
			t.Errorf("the last message is %+v at %d", last, r.seq())
		}
	})
}

func TestDoctorTellsNothingOfOthers(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.box.SetFaults(memory.Faults{Script: []memory.Fault{{Op: memory.OpEnsure, Err: fault.New(fault.Internal, "x", "a secret")}}})
		r.begin("hidden")
		r.settle()
		r.shutdown()
		r.door.take(8000)
		r.start()
		time.Sleep(time.Second)
		mine, theirs := r.doctor(alice), r.doctor(bob)
		if c := mine["jobs"]; c.Status != "warn" || !strings.Contains(c.Detail, "hidden") {
			t.Errorf("its owner is told %+v", c)
		}
		if c := mine["ports"]; c.Status != "warn" || !strings.Contains(c.Detail, "hidden") || !strings.Contains(c.Detail, "thief") {
			t.Errorf("its owner is told %+v", c)
		}
		if c := theirs["jobs"]; c.Status != "ok" {
			t.Errorf("another user is told %+v", c)
		}
		if c := theirs["ports"]; strings.Contains(c.Detail, "hidden") || strings.Contains(c.Detail, "  ") {
			t.Errorf("another user is told %+v", c)
		}
	})
}

func (r *rig) doctor(a workspace.Actor) map[string]api.Check {
	r.t.Helper()
	checks, err := r.Doctor(r.t.Context(), a)
	if err != nil {
		r.t.Fatal(err)
	}
	byName := map[string]api.Check{}
	for _, c := range checks {
		byName[c.Name] = c
	}
	return byName
}
