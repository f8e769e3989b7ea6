package engine

import (
	"reflect"
	"testing"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestABriefListIsTheListInBrief(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.create("zulu")
		r.create("demo")
		r.command("demo", api.Stop)
		r.settle()
		for _, c := range []struct {
			name   string
			actor  workspace.Actor
			filter api.Filter
			want   int
		}{
			{"all of one's own, in order of name", alice, api.Filter{}, 2},
			{"an admin's", root, api.Filter{}, 2},
			{"in a state", alice, api.Filter{States: []workspace.State{workspace.Stopped}}, 1},
			{"what others own", bob, api.Filter{}, 0},
		} {
			whole, err1 := r.Workspaces(r.t.Context(), c.actor, c.filter)
			brief, err2 := r.Brief(r.t.Context(), c.actor, c.filter)
			if err1 != nil || err2 != nil || len(brief) != c.want {
				t.Fatalf("%s: %d lines, %v, %v", c.name, len(brief), err1, err2)
			}
			for i, w := range whole {
				line := api.BriefOf(w)
				if u, ok := r.Uses(w.ID)[w.ID]; ok != (w.State == workspace.Running) {
					t.Errorf("%s: %s is %s, and its use is known: %t", c.name, w.Name, w.State, ok)
				} else if ok {
					line = line.With(&u)
				}
				if !reflect.DeepEqual(brief[i], line) {
					t.Errorf("%s: got %+v of %+v", c.name, brief[i], w)
				}
			}
		}
	})
}
