package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestFilesThatWereRemovedByHandAreToldAndARepositoryIsClonedAgain(t *testing.T) {
	inAgentBubble(t, func(r *rig, a *fakeAgent) {
		clones := func() (n int) {
			a.tell(func(a *fakeAgent) {
				for _, x := range a.ran {
					if slices.Contains(x.Command, "ls-remote") {
						n++
					}
				}
			})
			return n
		}
		w, _, err := r.Create(r.t.Context(), alice, api.Create{Name: "demo", Image: "debian", CreateSource: api.CreateSource{
			Source: &workspace.Source{Kind: workspace.SourceGit, URL: "https://example.org/a.git"},
		}}, "")
		must(t, err)
		r.settle()
		lose := func(kinds ...string) (workspace.Condition, bool) {
			t.Helper()
			for _, kind := range kinds {
				objects, err := r.cfg.Driver.Objects(r.t.Context())
				must(t, err)
				for _, o := range objects {
					if o.Kind == kind && o.Workspace == w.ID {
						must(t, r.cfg.Driver.RemoveObject(r.t.Context(), o))
					}
				}
			}
			time.Sleep(time.Minute)
			r.command("demo", api.Start)
			r.settle()
			r.want("demo", workspace.Running)
			return r.condition("demo", workspace.FilesLost)
		}
		if _, told := lose("container"); told || clones() != 1 {
			t.Errorf("the container alone was lost: told %t, cloned %d times", told, clones())
		}
		if c, told := lose("container", "volume"); !told || c.Detail == "" || clones() != 2 {
			t.Errorf("all was lost: %+v, cloned %d times", c, clones())
		}
		r.command("demo", api.Restart)
		r.settle()
		if _, told := r.condition("demo", workspace.FilesLost); told || clones() != 2 {
			t.Errorf("at the next run: told %t, cloned %d times", told, clones())
		}
	})
}

func TestANetworkRemovedByHandIsToldUntilTheNextStart(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := r.create("demo")
		r.create("other")
		must(t, r.box.CutByHand(ref(w)))
		time.Sleep(31 * time.Second)
		r.settle()
		now := r.want("demo", workspace.Running) // its processes run on
		if c, ok := now.Condition(workspace.NetworkLost); !ok || !c.Status || c.Detail == "" {
			t.Fatalf("the conditions are %+v", now.Conditions)
		}
		if _, ok := r.condition("other", workspace.NetworkLost); ok {
			t.Error("another one lost its network too")
		}
		time.Sleep(5 * time.Minute)
		if again := r.get("demo"); again.Revision != now.Revision {
			t.Error("the same is written again")
		}
		r.restart() // what is recorded outlives wsd
		if _, ok := r.condition("demo", workspace.NetworkLost); !ok {
			t.Error("forgotten by a restart of wsd")
		}
		r.command("demo", api.Restart)
		r.settle()
		time.Sleep(time.Minute)
		r.settle()
		if c, ok := r.condition("demo", workspace.NetworkLost); ok {
			t.Errorf("after a restart: %+v", c)
		}
		must(t, r.box.CutByHand(ref(r.get("demo"))))
		time.Sleep(time.Minute)
		r.command("demo", api.Stop)
		r.settle()
		if c, ok := r.condition("demo", workspace.NetworkLost); ok {
			t.Errorf("it is stopped: %+v", c)
		}
	})
}
