package engine

import (
	"slices"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// a repository whose project has a hook.
func cloned() api.Create {
	return api.Create{Name: "demo", CreateSource: api.CreateSource{
		Source: &workspace.Source{Kind: workspace.SourceGit, URL: "https://example.org/a.git"},
		Devcontainer: &api.Devcontainer{
			Text: `{"image": "debian", "postCreateCommand": "make setup"}`, Path: ".devcontainer.json", Folder: "a",
		},
	}}
}

// agreed is req with the consent that it wants.
func (r *rig) agreed(req api.Create) api.Create {
	r.t.Helper()
	_, _, err := r.Create(r.t.Context(), alice, req, "")
	r.wantCode(err, "consent_required")
	for _, f := range fault.From(err).Fields {
		if f.Code == "consent_required" {
			req.Consent = f.Detail
		}
	}
	return req
}

func TestAStartAfterAFailedHookGoesOnWithTheFilesThatAreThere(t *testing.T) {
	inAgentBubble(t, func(r *rig, a *fakeAgent) {
		var fetches, hooks int
		checkout, hook := 1, 1
		a.runs(func(start agentapi.ExecStart) (string, int) {
			switch {
			case slices.Contains(start.Command, "ls-remote"):
				return "ref: refs/heads/main\tHEAD\n0123\tHEAD\n0123\trefs/heads/main\n", 0
			case slices.Contains(start.Command, "fetch"):
				fetches++
			case slices.Contains(start.Command, "checkout"):
				return "fatal: no space left on device\n", checkout
			case strings.Contains(strings.Join(start.Command, " "), "make setup"):
				hooks++
				return "no rule to make target\n", hook
			}
			return "", 0
		})
		_, _, err := r.Create(r.t.Context(), alice, r.agreed(cloned()), "")
		must(t, err)
		r.settle()
		r.want("demo", workspace.Failed)
		first := fetches
		if first == 0 || hooks != 0 {
			t.Fatalf("at first it fetched %d times and ran %d hooks", fetches, hooks)
		}
		checkout = 0
		r.command("demo", api.Start)
		r.settle()
		if fetches != 2*first || hooks != 1 {
			t.Errorf("of a repository that was half there it fetched %d of %d parts, and ran %d hooks", fetches-first, first, hooks)
		}
		if _, failed := r.condition("demo", workspace.HookFailed); !failed {
			t.Error("the hook did not fail")
		}
		r.wantCode(r.GiveGitAccess(r.t.Context(), alice, "demo", api.GitAccess{}), "git_access_unwanted")
		hook = 0
		for range 2 {
			r.restart()
			r.command("demo", api.Restart)
			r.settle()
			if w := r.want("demo", workspace.Running); fetches != 2*first || hooks != 2 || !w.Prepared {
				t.Errorf("then it fetched %d parts more, and ran %d hooks in all; prepared: %t", fetches-2*first, hooks, w.Prepared)
			}
		}
	})
}
