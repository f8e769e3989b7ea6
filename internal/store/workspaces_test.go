package store

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestNamePortAndSlotBelongToOneWorkspace(t *testing.T) {
	s := newStore(t)
	mustUpdate(t, s, func(tx *Tx) error { return tx.PutWorkspace(sample(1)) })
	for code, change := range map[string]func(*workspace.Workspace){
		"name_taken": func(w *workspace.Workspace) { w.Name = sample(1).Name },
		"port_taken": func(w *workspace.Workspace) { w.Port = sample(1).Port },
		"slot_taken": func(w *workspace.Workspace) { w.Slot = sample(1).Slot },
	} {
		err := s.Update(func(tx *Tx) error {
			w := sample(2)
			change(&w)
			return tx.PutWorkspace(w)
		})
		wantCode(t, err, fault.Conflict, code)
	}
	mustUpdate(t, s, func(tx *Tx) error { // given up, they are free in the same transaction
		w := sample(1)
		w.Name, w.Port, w.Slot = "other", 0, 0
		if err := tx.PutWorkspace(w); err != nil {
			return err
		}
		v := sample(2)
		v.Name, v.Port, v.Slot = sample(1).Name, sample(1).Port, sample(1).Slot
		return tx.PutWorkspace(v)
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	mustBeSound(t, s.path)
}

func TestAWorkspaceThatCannotBeReadBackIsRefused(t *testing.T) {
	s := newStore(t)
	for name, change := range map[string]func(*workspace.Workspace){
		"no id":          func(w *workspace.Workspace) { w.ID = "" },
		"no name":        func(w *workspace.Workspace) { w.Name = "" },
		"NUL in owner":   func(w *workspace.Workspace) { w.Owner = "uid:1\x00" },
		"long name":      func(w *workspace.Workspace) { w.Name = strings.Repeat("x", maxText+1) },
		"unknown state":  func(w *workspace.Workspace) { w.State = "sleeping" },
		"negative port":  func(w *workspace.Workspace) { w.Port = -1 },
		"negative slot":  func(w *workspace.Workspace) { w.Slot = -1 },
		"year 10000":     func(w *workspace.Workspace) { w.CreatedAt = w.CreatedAt.AddDate(9000, 0, 0) },
		"not a number":   func(w *workspace.Workspace) { w.Spec.Limits.CPUs = nan() },
		"beyond numbers": func(w *workspace.Workspace) { w.Spec.Limits.CPUs = 1 / zero() },
	} {
		mustUpdate(t, s, func(tx *Tx) error {
			w := sample(1)
			change(&w)
			if err := tx.PutWorkspace(w); err == nil {
				t.Errorf("%s: accepted", name)
			}
			if tx.Writes() != 0 {
				t.Errorf("%s: refused after %d writes", name, tx.Writes())
			}
			return nil
		})
	}
}

func zero() float64 { return 0 }
func nan() float64  { return zero() / zero() }

func TestADeletedWorkspaceIsGoneUntilItsTombstoneGoes(t *testing.T) {
	s := newStore(t)
	w := sample(1)
	mustUpdate(t, s, func(tx *Tx) error {
		return errors.Join(tx.PutWorkspace(w), tx.DeleteWorkspace(w.ID))
	})
	mustUpdate(t, s, func(tx *Tx) error {
		_, err := tx.Workspace(w.ID)
		wantCode(t, err, fault.Gone, "workspace_deleted")
		_, err = tx.Resolve(w.ID)
		if f := wantCode(t, err, fault.Gone, "workspace_deleted"); !strings.Contains(f.Text, w.Name) {
			t.Errorf("the text %q does not name it", f.Text)
		}
		if ids := slices.Collect(tx.Tombstones()); !slices.Equal(ids, []string{w.ID}) {
			t.Errorf("tombstones are %q", ids)
		}
		if id, ok := tx.Named(w.Name); ok {
			t.Errorf("its name still leads to %q", id)
		}
		_, err = tx.Resolve(w.Name)
		wantCode(t, err, fault.NotFound, "workspace_not_found")
		wantCode(t, tx.DeleteWorkspace(w.ID), fault.Gone, "workspace_deleted")
		if _, ok := tx.PortHolder(w.Port); ok {
			t.Error("its port is still leased")
		}
		return tx.DropTombstone(w.ID)
	})
	mustUpdate(t, s, func(tx *Tx) error {
		_, err := tx.Workspace(w.ID)
		wantCode(t, err, fault.NotFound, "workspace_not_found")
		wantCode(t, tx.DeleteWorkspace(w.ID), fault.NotFound, "workspace_not_found")
		return tx.PutWorkspace(w) // the name, port and slot are free again
	})
}

func TestResolveFindsByIDThenNameThenBeginning(t *testing.T) {
	s := newStore(t)
	put := func(id, name string) {
		n := len(name)
		w := sample(n)
		w.ID, w.Name = id, name
		mustUpdate(t, s, func(tx *Tx) error { return tx.PutWorkspace(w) })
	}
	put("wabc00000001", "a")
	put("wabc00000002", "demo")
	put("wabd00000003", "hello")
	put("wxyz00000004", "wabc00000001x") // a name like an id
	put("wxyz00000005", "wab")           // a name that is also a beginning of ids
	for ref, want := range map[string]string{
		"wabc00000001": "wabc00000001", "wabc00000001x": "wxyz00000004", "demo": "wabc00000002", "wabd": "wabd00000003",
		"wab": "wxyz00000005", "a": "wabc00000001",
	} {
		mustView(t, s, func(tx *Tx) error {
			w, err := tx.Resolve(ref)
			if w.ID != want {
				t.Errorf("%s led to %q (%v), want %s", ref, w.ID, err, want)
			}
			return nil
		})
	}
	mustView(t, s, func(tx *Tx) error {
		_, err := tx.Resolve("wabc")
		if f := wantCode(t, err, fault.Conflict, "ambiguous"); !strings.Contains(f.Text, "wabc00000001, wabc00000002") {
			t.Errorf("candidates are not named: %s", f.Text)
		}
		for ref, hint := range map[string]string{
			"demp": "demo", "dmo": "demo", "DEMO": "demo", "hallo": "hello", "helloooo": "", "zzzz": "", "wa": "a", "": "", "b": "", "de": "demo",
		} {
			_, err := tx.Resolve(ref)
			f := wantCode(t, err, fault.NotFound, "workspace_not_found")
			if got := strings.Contains(f.Hint, "did you mean"); got != (hint != "") || !strings.Contains(f.Hint, hint) {
				t.Errorf("%q: hint %q, want %q", ref, f.Hint, hint)
			}
		}
		return nil
	})
}

func TestListsMayWriteWhileTheyGo(t *testing.T) {
	s := newStore(t)
	fill(t, s, 50)
	mustUpdate(t, s, func(tx *Tx) error {
		seen := 0
		for w, err := range tx.Workspaces() {
			if err != nil {
				return err
			}
			if seen++; seen == 1 {
				for i := 40; i <= 50; i++ { // not those before the cursor only
					if err := tx.DeleteWorkspace(sample(i).ID); err != nil {
						return err
					}
				}
			}
			w.Labels = map[string]string{"seen": strings.Repeat("x", 300)}
			w.State = workspace.Stopped
			if err := tx.PutWorkspace(w); err != nil {
				return err
			}
		}
		if seen != 39 {
			t.Errorf("%d seen, want the 39 that were left", seen)
		}
		return nil
	})
	mustView(t, s, func(tx *Tx) error {
		n := 0
		for w, err := range tx.WorkspacesIn("", workspace.Stopped) {
			if n++; err != nil || w.Labels["seen"] == "" {
				t.Errorf("%s: %v %v", w.ID, w.Labels, err)
			}
		}
		if counts := tx.CountByState(""); n != 39 || !maps.Equal(counts, map[workspace.State]int{workspace.Stopped: 39}) {
			t.Errorf("%d in the index, counts %v", n, counts)
		}
		return nil
	})
}

func TestWorkspacesComeInTheOrderOfNames(t *testing.T) {
	s := newStore(t)
	fill(t, s, 12)
	mustView(t, s, func(tx *Tx) error {
		var names []string
		for w := range tx.Workspaces() {
			names = append(names, w.Name)
		}
		if len(names) != 12 || !slices.IsSorted(names) {
			t.Errorf("names are %v", names)
		}
		for range tx.Workspaces() {
			break // an early end is fine
		}
		return nil
	})
}

func TestFreeSlotIsTheLowestGap(t *testing.T) {
	s := newStore(t)
	want := func(max, slot int, ok bool) {
		t.Helper()
		mustView(t, s, func(tx *Tx) error {
			if got, free := tx.FreeSlot(max); free != ok || (ok && got != slot) {
				t.Errorf("FreeSlot(%d) = %d, %v; want %d, %v", max, got, free, slot, ok)
			}
			return nil
		})
	}
	want(3, 1, true)
	want(0, 0, false)
	fill(t, s, 300) // more than one byte of a key
	want(300, 0, false)
	want(301, 301, true)
	mustUpdate(t, s, func(tx *Tx) error { return tx.DeleteWorkspace(sample(257).ID) })
	want(300, 257, true)
	mustView(t, s, func(tx *Tx) error {
		ports := tx.Ports()
		if len(ports) != 299 || ports[8001] != sample(1).ID || ports[8257] != "" {
			t.Errorf("%d ports, %v", len(ports), ports)
		}
		if id, ok := tx.PortHolder(8300); !ok || id != sample(300).ID {
			t.Errorf("port 8300 is held by %q", id)
		}
		return nil
	})
}

func TestOwnersThatBeginAlikeAreNotMixedUp(t *testing.T) {
	s := newStore(t)
	for i, owner := range []string{"uid:1", "uid:10", "uid:100", "uid:1"} {
		w := sample(i + 1)
		w.Owner, w.State = owner, workspace.Running
		mustUpdate(t, s, func(tx *Tx) error { return tx.PutWorkspace(w) })
	}
	mustView(t, s, func(tx *Tx) error {
		for owner, want := range map[string]int{"uid:1": 2, "uid:10": 1, "uid:100": 1, "": 4, "uid": 0} {
			n := 0
			for w := range tx.WorkspacesIn(owner, workspace.Running, workspace.Paused) {
				if n++; owner != "" && w.Owner != owner {
					t.Errorf("%s is listed for %q", w.Owner, owner)
				}
			}
			if counted := sum(tx.CountByState(owner)); n != want || counted != want {
				t.Errorf("%q: %d listed, %d counted, want %d", owner, n, counted, want)
			}
		}
		return nil
	})
}

func TestManyCandidatesAreCutShort(t *testing.T) {
	err := ambiguous("wab", slices.Collect(func(yield func(string) bool) {
		for i := range 30 {
			if !yield(fmt.Sprintf("wab%d", i)) {
				return
			}
		}
	}))
	if f := wantCode(t, err, fault.Conflict, "ambiguous"); !strings.HasSuffix(f.Text, "wab9, ...") || !strings.Contains(f.Text, "30 ids") {
		t.Errorf("text is %q", f.Text)
	}
}
