package runtimetest

import (
	"errors"

	"github.com/wsctl/wsctl/internal/runtime"
)

func objectCases() []row {
	return []row{
		{"inspect, list and ensure tell the same", checkList},
		{"objects name what a workspace has, and what is in use", checkObjects},
		{"remove takes all generations, running or not, and can be repeated", checkRemove},
		{"objects can be removed one by one, and twice", checkRemoveObject},
		{"a container that is made again tells that its files are gone", checkEmptied},
		{"objects of another instance are neither seen nor touched", checkOther},
	}
}

func checkList(w *world) {
	c := w.running("list")
	listed := w.listed(w.Driver, c.Workspace)
	if len(listed) != 1 {
		w.Fatalf("the list has %d containers of it, want 1", len(listed))
	}
	for who, got := range map[string]runtime.Status{"inspect": w.status(c.Ref), "ensure": w.made(c)} {
		want := listed[0]
		if got.Ref != want.Ref || got.ID != want.ID || got.Name != want.Name || got.State != want.State ||
			got.Spec != want.Spec || !got.StartedAt.Equal(want.StartedAt) {
			w.Errorf("%s tells %+v, the list %+v", who, got, want)
		}
	}
}

// kind returns the workspace's objects of one kind.
func (w *world) kind(workspaceID, kind string) (out []runtime.Object) {
	w.Helper()
	for _, o := range w.objects(w.Driver, workspaceID) {
		if o.Kind == kind {
			out = append(out, o)
		}
	}
	return out
}

func checkObjects(w *world) {
	c := w.container("objects")
	st := w.made(c)
	for _, running := range []bool{false, true} {
		if running {
			w.must(w.Driver.Start(w.ctx, c.Ref), "start")
		}
		found := w.kind(c.Workspace, "container")
		if len(found) != 1 || found[0].ID != st.ID || found[0].Name != st.Name || found[0].InUse != running {
			w.Errorf("running %t: the containers are %+v, want %s", running, found, st.ID)
		}
	}
	if volumes := w.kind(c.Workspace, "volume"); len(volumes) != 1 || !volumes[0].InUse {
		w.Errorf("the volumes are %+v, want one in use", volumes)
	}
}

func checkRemove(w *world) {
	w.must(w.Driver.Remove(w.ctx, w.container("never").Workspace), "remove what never was")
	c := w.container("remove")
	w.made(c)
	later := c
	later.Generation, later.Origin = c.Generation+1, false
	w.made(later)
	w.must(w.Driver.Start(w.ctx, later.Ref), "start the later generation")
	for range 2 {
		w.must(w.Driver.Remove(w.ctx, c.Workspace), "remove")
		if left := w.objects(w.Driver, c.Workspace); len(left) > 0 {
			w.Errorf("removal left %+v", left)
		}
		for _, r := range []runtime.Ref{c.Ref, later.Ref} {
			_, err := w.Driver.Inspect(w.ctx, r)
			w.mustBe(err, runtime.ErrNotFound, "inspect what was removed")
		}
		if n := len(w.listed(w.Driver, c.Workspace)); n != 0 {
			w.Errorf("the list still has %d containers of it", n)
		}
	}
}

func checkRemoveObject(w *world) {
	c := w.container("oneobject")
	w.made(c)
	found := w.kind(c.Workspace, "container")
	found = append(found, w.kind(c.Workspace, "volume")...)
	for _, o := range found { // containers first: a volume may be needed by one
		for range 2 {
			w.must(w.Driver.RemoveObject(w.ctx, o), "remove one "+o.Kind)
		}
		if left := w.kind(c.Workspace, o.Kind); len(left) > 0 {
			w.Errorf("the %s is still there: %+v", o.Kind, left)
		}
	}
	if len(found) < 2 {
		w.Errorf("a workspace has only the objects %+v", found)
	}
}

func checkEmptied(w *world) {
	c := w.container("emptied")
	if st := w.made(c); st.Emptied {
		w.Error("the first generation is told to have lost files")
	}
	c.Generation, c.Origin, c.Again = c.Generation+1, false, true
	if st := w.made(c); st.Emptied {
		w.Error("files that are there are told to be lost")
	}
	for _, kind := range []string{"container", "volume"} {
		for _, o := range w.kind(c.Workspace, kind) {
			w.must(w.Driver.RemoveObject(w.ctx, o), "remove the "+kind)
		}
	}
	c.Generation++
	if st := w.made(c); !st.Emptied {
		w.Error("nothing says that the volume is new and empty")
	}
}

func checkOther(w *world) {
	if w.Other == nil {
		w.Skip("the harness has no other instance")
	}
	c := w.container("other")
	w.removeLater(w.Other, c.Workspace)
	_, err := w.Other.Ensure(w.ctx, c)
	w.must(err, "ensure at the other instance")
	if n := len(w.listed(w.Driver, c.Workspace)); n != 0 {
		w.Errorf("the list has %d containers of another instance", n)
	}
	if found := w.objects(w.Driver, c.Workspace); len(found) > 0 {
		w.Errorf("the objects have those of another instance: %+v", found)
	}
	if _, err := w.Driver.Inspect(w.ctx, c.Ref); err == nil || errors.Is(err, runtime.ErrUnreachable) {
		w.Errorf("inspect of another instance's container: %v", err)
	}
	w.must(w.Driver.Remove(w.ctx, c.Workspace), "remove what another instance has")
	theirs := w.objects(w.Other, c.Workspace)
	for _, o := range theirs {
		_ = w.Driver.RemoveObject(w.ctx, o) // may refuse; must not remove
	}
	if left := w.objects(w.Other, c.Workspace); len(left) != len(theirs) || len(left) == 0 {
		w.Errorf("another instance's objects were touched: %+v became %+v", theirs, left)
	}
}
