package engine

import (
	"testing"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

// What the door looks up is remembered, and never longer than it is true.
func TestTheDoorSeesEachChangeAtOnce(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := r.create("demo")
		for range 2 {
			if got, err := r.Named("demo"); err != nil || got.ID != w.ID {
				t.Fatalf("by name: %v, %v", got.ID, err)
			}
			if got, err := r.Leased(w.Port); err != nil || got.ID != w.ID {
				t.Fatalf("by port: %v, %v", got.ID, err)
			}
		}
		before, _ := r.Named("demo")
		r.command("demo", api.Stop)
		r.settle()
		for _, look := range []func() (workspace.Workspace, error){
			func() (workspace.Workspace, error) { return r.Named("demo") },
			func() (workspace.Workspace, error) { return r.Leased(w.Port) },
		} {
			if got, err := look(); err != nil || got.State != workspace.Stopped {
				t.Errorf("after a stop from %s it is seen as %s, %v", before.State, got.State, err)
			}
		}
		if _, err := r.Reach(t.Context(), w.ID, before.Run, 8080); err == nil {
			t.Error("what is stopped is reached")
		}
	})
}
