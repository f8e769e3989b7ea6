package engine

import (
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestStatusCountsWhatItsReaderOwns(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.create("a")
		r.create("b")
		r.command("b", api.Stop)
		r.settle()
		s, err := r.Status(r.t.Context(), alice)
		if err != nil || s.Workspaces[workspace.Running] != 1 || s.Workspaces[workspace.Stopped] != 1 || s.PortsFree != 8 {
			t.Errorf("%+v, %v", s, err)
		}
		if !s.Engine.Reachable || s.Engine.Name != "memory" || s.Instance == "" || s.StartedAt.IsZero() || s.Seq == 0 {
			t.Errorf("it lacks something: %+v", s)
		}
		if s, err = r.Status(r.t.Context(), bob); err != nil || len(s.Workspaces) != 0 {
			t.Errorf("another user is told %+v, %v", s, err)
		}
		if s, err = r.Status(r.t.Context(), root); err != nil || s.Workspaces[workspace.Running] != 1 {
			t.Errorf("an admin is told %+v, %v", s, err)
		}
		r.box.Down()
		time.Sleep(10 * time.Second)
		if s, err = r.Status(r.t.Context(), alice); err != nil || s.Engine.Reachable || s.Engine.Error == "" {
			t.Errorf("in an outage it is %+v, %v", s, err)
		}
	})
}

func TestDoctorFindsWhatIsWrong(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.create("a")
		for name, c := range r.doctor(alice) {
			if c.Status != "ok" && name != "file watchers" && name != "disk" { // those are this machine's
				t.Errorf("a sound daemon has %+v", c)
			}
		}
		for p := 8001; p <= 8009; p++ {
			r.door.take(p)
		}
		r.box.Down()
		time.Sleep(10 * time.Second)
		got := r.doctor(alice)
		if c := got["engine"]; c.Status != "fail" || c.Hint == "" {
			t.Errorf("an outage is told as %+v", c)
		}
		if c := got["ports"]; c.Status != "warn" || c.Hint == "" {
			t.Errorf("used up ports are told as %+v", c)
		}
	})
}

func TestGCListsAndRemovesWhatNobodyNeeds(t *testing.T) {
	inBubble(t, func(r *rig) {
		if _, err := r.GC(r.t.Context(), alice, true); err == nil {
			t.Error("a user who is no admin may look")
		}
		lost := r.create("lost") // its record will be lost
		kept := r.create("kept")
		gone := r.create("gone")
		if _, err := r.Delete(r.t.Context(), alice, "gone", 0, true); err != nil {
			t.Fatal(err)
		}
		r.settle()
		instance := r.store.Instance()
		now := time.Now()
		for _, o := range []rt.Object{
			{Kind: "volume", ID: "v-gone", Name: "v-gone", Workspace: gone.ID, CreatedAt: now},
			{Kind: "sandbox", ID: "s", Name: "spare", CreatedAt: now.Add(-time.Hour)},
			{Kind: "network", ID: "n1", Name: "idle", CreatedAt: now.Add(-time.Hour)},
			{Kind: "network", ID: "n2", Name: "used", CreatedAt: now.Add(-time.Hour), InUse: true},
			{Kind: "image", ID: "i1", Name: "wsd:base-old", CreatedAt: now.Add(-time.Hour)},
			{Kind: "image", ID: "i2", Name: "wsd:base-new", CreatedAt: now},
			{Kind: "image", ID: "i3", Name: "wsd:base-now", CreatedAt: now.Add(-time.Hour), InUse: true},
			{Kind: "image", ID: kept.Spec.Digest, Name: "wsd:base-kept", CreatedAt: now.Add(-time.Hour)},
			{Kind: "image", ID: "i4", Name: kept.Spec.Image, CreatedAt: now.Add(-time.Hour)},
			{Kind: "container", ID: "young", Name: "young", Workspace: "wunknown", CreatedAt: now},
		} {
			r.box.AddForeign(instance, o)
		}
		must(t, r.do(r.t.Context(), func(t *turn) error {
			if err := t.DeleteWorkspace(lost.ID); err != nil {
				return err
			}
			return t.DropTombstone(lost.ID)
		}))
		time.Sleep(time.Second)
		if kept.Spec.Digest == "" {
			t.Fatal("a workspace that was made has no digest of its image")
		}
		want := map[string]bool{ // name -> ripe
			"v-gone": true, "idle": true, "wsd:base-old": true, "wsd:base-new": false, "young": false, "wsd-" + lost.ID + "-1": false, "wsd-" + lost.ID: false,
		}
		r.checkLeftovers(true, want, nil)
		before := r.objects()
		r.checkLeftovers(false, want, []string{"v-gone", "idle", "wsd:base-old"})
		if now := r.objects(); now != before-3 {
			t.Errorf("of %d objects %d are left", before, now)
		}
		time.Sleep(10 * time.Minute)
		want = map[string]bool{"young": true, "wsd:base-new": true, "wsd-" + lost.ID + "-1": true, "wsd-" + lost.ID: true}
		r.checkLeftovers(false, want, []string{"young", "wsd:base-new", "wsd-" + lost.ID + "-1", "wsd-" + lost.ID})
		r.checkLeftovers(true, map[string]bool{}, nil)
		if r.want("kept", workspace.Running); r.observed(kept) != rt.ObservedRunning {
			t.Error("a workspace that is needed was touched")
		}
	})
}

func (r *rig) checkLeftovers(dryRun bool, want map[string]bool, removed []string) {
	r.t.Helper()
	got, err := r.GC(r.t.Context(), root, dryRun)
	if err != nil || got.DryRun != dryRun || len(got.Leftovers) != len(want) {
		r.t.Errorf("got %+v, %v", got, err)
	}
	gone := map[string]bool{}
	for _, name := range removed {
		gone[name] = true
	}
	for _, l := range got.Leftovers {
		if ripe, ok := want[l.Name]; !ok || l.Ripe != ripe || l.Reason == "" || l.Removed != gone[l.Name] || l.Error != "" {
			r.t.Errorf("%s: %+v", l.Name, l)
		}
	}
}
