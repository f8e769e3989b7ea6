package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestSameKeyMakesOneWorkspace(t *testing.T) {
	inBubble(t, func(r *rig) {
		type answer struct {
			w   workspace.Workspace
			new bool
			err error
		}
		answers := make(chan answer, 8)
		for range 8 {
			go func() {
				w, created, err := r.Create(r.t.Context(), alice, plain("demo"), "key-1")
				answers <- answer{w, created, err}
			}()
		}
		first, news := "", 0
		for range 8 {
			a := <-answers
			if a.err != nil {
				t.Fatal(a.err)
			}
			if first == "" {
				first = a.w.ID
			}
			if a.w.ID != first {
				t.Error("two workspaces were made")
			}
			if a.new {
				news++
			}
		}
		if news != 1 {
			t.Errorf("%d answers say that it is new", news)
		}
		_, _, err := r.Create(r.t.Context(), alice, plain("other"), "key-1")
		r.wantCode(err, "idempotency_key_reused")
		if w, created, err := r.Create(r.t.Context(), bob, plain("bobs"), "key-1"); err != nil || !created || w.ID == first {
			t.Errorf("another user's key is the same: %v, %v", created, err)
		}
		r.settle()
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		if _, created, err := r.Create(r.t.Context(), alice, plain("later"), "key-1"); err != nil || !created {
			t.Errorf("a key is kept for ever: %v, %v", created, err)
		}
		r.settle()
	})
}

func TestAReplayNeedsNoEngineAndIsGoneWithItsWorkspace(t *testing.T) {
	inBubble(t, func(r *rig) {
		first, _, err := r.Create(r.t.Context(), alice, plain(""), "key")
		must(t, err)
		r.settle()
		r.box.Down()
		time.Sleep(10 * time.Second)
		again, created, err := r.Create(r.t.Context(), alice, plain(""), "key")
		if err != nil || created || again.ID != first.ID || again.State != workspace.Running {
			t.Errorf("in an outage it is answered %+v, %t, %v", again, created, err)
		}
		_, _, err = r.Create(r.t.Context(), alice, plain("other"), "other key")
		r.wantCode(err, "engine_unreachable")
		if r.door.count() != 1 {
			t.Errorf("%d ports are held", r.door.count())
		}
		r.box.Up()
		time.Sleep(10 * time.Second)
		if _, err := r.Delete(r.t.Context(), alice, first.ID, 0, true); err != nil {
			t.Fatal(err)
		}
		r.settle()
		_, created, err = r.Create(r.t.Context(), alice, plain(""), "key")
		if r.wantCode(err, "workspace_deleted"); created {
			t.Error("it is called new")
		}
	})
}

func TestDryRunChangesNothing(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.create("taken")
		before := r.seq()
		req := plain("demo")
		req.DryRun = true
		w, created, err := r.Create(r.t.Context(), alice, req, "")
		if err != nil || created || w.ID != "" || w.Spec.Limits.Pids != 512 {
			t.Errorf("%+v, %v, %v", w, created, err)
		}
		req.Name = "taken"
		_, _, err = r.Create(r.t.Context(), alice, req, "")
		r.wantCode(err, "name_taken")
		if r.seq() != before || r.door.count() != 1 {
			t.Error("a dry run left something")
		}
	})
}

func (r *rig) seq() uint64 {
	s, err := r.Status(r.t.Context(), root)
	if err != nil {
		r.t.Fatal(err)
	}
	return s.Seq
}

func TestUpdateChecksTheRevision(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := r.create("demo")
		value := "web"
		u := api.Update{Labels: map[string]*string{"team": &value}}
		_, err := r.Update(r.t.Context(), alice, "demo", w.Revision-1, u)
		r.wantCode(err, "revision_stale")
		w, err = r.Update(r.t.Context(), alice, "demo", w.Revision, u)
		if err != nil || w.Labels["team"] != "web" {
			t.Fatalf("%+v, %v", w.Labels, err)
		}
		w, err = r.Update(r.t.Context(), alice, "demo", 0, api.Update{Labels: map[string]*string{"team": nil}})
		if err != nil || len(w.Labels) != 0 {
			t.Errorf("%+v, %v", w.Labels, err)
		}
	})
}

func TestRefusedRequestLeavesItsBatchAlone(t *testing.T) {
	inBubble(t, func(r *rig) {
		boom := fault.New(fault.Internal, "boom", "boom")
		done := make(chan error, 3)
		hold := make(chan struct{})
		go func() { _ = r.do(r.t.Context(), func(*turn) error { <-hold; return nil }) }()
		synctest.Wait() // the loop is busy: the next three share a commit
		for i, fail := range []bool{false, true, false} {
			go func() {
				done <- r.do(r.t.Context(), func(t *turn) error {
					if err := t.SetMeta([]string{"a", "b", "c"}[i], "x"); err != nil {
						return err
					}
					if fail {
						return boom
					}
					return nil
				})
			}()
		}
		synctest.Wait()
		close(hold)
		failed := 0
		for range 3 {
			if <-done != nil {
				failed++
			}
		}
		if failed != 1 {
			t.Errorf("%d of the batch failed", failed)
		}
		must(t, r.store.View(func(tx *store.Tx) error {
			if tx.Meta("a") != "x" || tx.Meta("c") != "x" || tx.Meta("b") != "" {
				t.Errorf("a=%q b=%q c=%q", tx.Meta("a"), tx.Meta("b"), tx.Meta("c"))
			}
			return nil
		}))
	})
}

func TestWatchTellsEveryChangeOnceAndResumes(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.create("old")
		var first, second []api.Message
		stop := r.watch(-1, &first)
		r.create("new")
		stop()
		told := events(first)
		cut := told[len(told)-1].Seq
		r.command("new", api.Stop)
		r.settle()
		defer r.watch(int64(cut), &second)()
		synctest.Wait()
		if first[0].Type != "hello" || first[1].Type != "snapshot" || len(first[1].Workspaces) != 1 {
			t.Errorf("it begins with %+v", first[:2])
		}
		checkGapless(t, first[1].Seq, append(told, events(second)...), r.seq())
	})
}

func TestWatchersSeeWorkspacesAsCommitted(t *testing.T) {
	inBubble(t, func(r *rig) {
		var got []api.Message
		stop := r.watch(-1, &got)
		r.create("demo")
		r.command("demo", api.Restart)
		r.settle()
		stop()
		for _, m := range events(got) {
			if w := m.Workspace; w != nil && !w.State.Settled() && w.Job == "" {
				t.Errorf("beside %s it is %s without a job", m.Event.Kind, w.State)
			}
		}
	})
}

func TestWatchFromTheFutureIsToldToResync(t *testing.T) {
	inBubble(t, func(r *rig) {
		var got []api.Message
		defer r.watch(1e6, &got)()
		synctest.Wait()
		if len(got) != 2 || got[1].Type != "resync" {
			t.Errorf("%+v", got)
		}
	})
}

func TestSlowWatcherIsToldToResyncAndHoldsNobodyUp(t *testing.T) {
	inBubble(t, func(r *rig) {
		block, last := make(chan struct{}), make(chan string, 1)
		go func() {
			kind := ""
			_ = r.Watch(r.t.Context(), root, -1, "", func(m api.Message) error {
				if m.Type == "event" {
					<-block
				}
				kind = m.Type
				return nil
			})
			last <- kind
		}()
		synctest.Wait()
		for range 2 * watchBuffer {
			must(t, r.do(r.t.Context(), func(t *turn) error { return t.tell(nil, "uid:0", event.WorkspaceUpdated, nil) }))
		}
		close(block)
		if kind := <-last; kind != "resync" {
			t.Errorf("its last message was %q", kind)
		}
	})
}

// watch collects messages until the returned function is called.
func (r *rig) watch(after int64, into *[]api.Message) (stop func()) {
	return r.watchAs(root, after, into)
}

func (r *rig) watchAs(a workspace.Actor, after int64, into *[]api.Message) (stop func()) {
	ctx, cancel := contextOf(r)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.Watch(ctx, a, after, "", func(m api.Message) error {
			*into = append(*into, m)
			return nil
		})
	}()
	synctest.Wait()
	return func() {
		synctest.Wait()
		cancel()
		<-done
	}
}

func events(list []api.Message) (out []api.Message) {
	for _, m := range list {
		if m.Type == "event" {
			out = append(out, m)
		}
	}
	return out
}

func checkGapless(t *testing.T, from uint64, list []api.Message, to uint64) {
	t.Helper()
	for _, m := range list {
		if from++; m.Seq != from {
			t.Fatalf("event %d comes where %d should", m.Seq, from)
		}
	}
	if from != to {
		t.Errorf("the last event is %d, the store's %d", from, to)
	}
}
