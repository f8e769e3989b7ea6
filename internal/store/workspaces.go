package store

import (
	"bytes"
	"iter"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// tombstone is what stays of a deleted workspace until DropTombstone.
type tombstone struct {
	Name string `json:"name"`
}

// Workspace returns one workspace: NotFound "workspace_not_found", Gone
// "workspace_deleted" while its tombstone lasts, Internal "record_damaged".
func (t *Tx) Workspace(id string) (workspace.Workspace, error) {
	w, ok, err := t.loadWorkspace([]byte(id))
	if ok || err != nil {
		return w, err
	}
	stone, ok, err := load[tombstone](t, bTombstone, []byte(id))
	if err != nil {
		return w, err
	}
	if ok {
		return w, fault.New(fault.Gone, "workspace_deleted", "the workspace %s (%s) was deleted", stone.Name, id)
	}
	return w, fault.New(fault.NotFound, "workspace_not_found", "there is no workspace %.60q", id)
}

// Workspaces yields every workspace in the order of names. A damaged one yields
// (zero, "record_damaged") and the iteration goes on. The loop may write: it sees
// the workspaces of when it began, each as it is when its turn comes, and not
// those that are gone by then.
func (t *Tx) Workspaces() iter.Seq2[workspace.Workspace, error] {
	return func(yield func(workspace.Workspace, error) bool) {
		t.eachID(t.ids(bName, nil), yield)
	}
}

// SharedWorkspaces is Workspaces for who only looks, often: what it yields is no copy but
// shared with every other reader, and must not be changed. A damaged one yields nil.
func (t *Tx) SharedWorkspaces() iter.Seq2[*workspace.Workspace, error] {
	return func(yield func(*workspace.Workspace, error) bool) {
		for _, id := range t.ids(bName, nil) {
			w, ok, err := t.peekWorkspace([]byte(id))
			if err != nil {
				w = nil
			}
			if (ok || err != nil) && !yield(w, err) {
				return
			}
		}
	}
}

// WorkspacesIn yields the workspaces of an owner ("" is everybody) in any of the
// states (none is all), ordered by owner, state and id. Damage and writes as with
// Workspaces.
func (t *Tx) WorkspacesIn(owner string, states ...workspace.State) iter.Seq2[workspace.Workspace, error] {
	return func(yield func(workspace.Workspace, error) bool) {
		wanted := make(map[workspace.State]bool, len(states))
		for _, s := range states {
			wanted[s] = true
		}
		var ids []string
		for _, key := range t.keys(bState, ownerPrefix(owner)) {
			_, state, id := splitStateKey(key)
			if len(wanted) == 0 || wanted[state] {
				ids = append(ids, id)
			}
		}
		t.eachID(ids, yield)
	}
}

// CountByState counts the workspaces of an owner ("" is everybody). States
// without any are absent.
func (t *Tx) CountByState(owner string) map[workspace.State]int {
	out := map[workspace.State]int{}
	prefix := ownerPrefix(owner)
	c := t.bucket(bState).Cursor()
	for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		_, state, _ := splitStateKey(k)
		out[state]++
	}
	return out
}

// eachID yields rows by id, skipping those that are gone.
func (t *Tx) eachID(ids []string, yield func(workspace.Workspace, error) bool) {
	for _, id := range ids {
		w, ok, err := t.loadWorkspace([]byte(id))
		if !ok && err == nil {
			continue
		}
		if !yield(w, err) {
			return
		}
	}
}

// ids collects the ids that a unique index leads to, in the order of its keys. A
// damaged entry is told from the rows.
func (t *Tx) ids(bucket string, prefix []byte) []string {
	var out []string
	c := t.bucket(bucket).Cursor()
	for k, v := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		id, ok := openID(k, v)
		if !ok {
			id, ok = t.holder(bucket, k)
		}
		if ok {
			out = append(out, id)
		}
	}
	return out
}

// PutWorkspace writes w as it is, new or changed, and moves its index entries.
// Conflict "name_taken", "port_taken" or "slot_taken" if another workspace holds
// one of them.
func (t *Tx) PutWorkspace(w workspace.Workspace) error {
	if err := checkWorkspace(w); err != nil {
		return err
	}
	_, old, _, err := loadIndexed(t, bWorkspace, w.ID, workspaceIndexes, workspaceEntries)
	if err != nil {
		return err
	}
	now := workspaceEntries(w)
	for _, e := range now {
		if e.bucket == bState {
			continue
		}
		if id, ok := t.holder(e.bucket, []byte(e.key)); ok && id != w.ID {
			return taken(e.bucket, w)
		}
	}
	if err := t.put(bWorkspace, []byte(w.ID), w); err != nil {
		return err
	}
	return t.reindex(old, now)
}

// checkWorkspace refuses what could not be read back or told apart.
func checkWorkspace(w workspace.Workspace) error {
	if err := checkTexts("id", w.ID, "name", w.Name, "owner", w.Owner); err != nil {
		return err
	}
	if !w.State.Valid() || w.Port < 0 || w.Slot < 0 {
		return fault.New(fault.Internal, "workspace_invalid", "workspace %s has state %.40q, port %d, slot %d", w.ID, w.State, w.Port, w.Slot)
	}
	return nil
}

func taken(bucket string, w workspace.Workspace) error {
	switch bucket {
	case bPort:
		return fault.New(fault.Conflict, "port_taken", "port %d is leased by another workspace", w.Port)
	case bSlot:
		return fault.New(fault.Conflict, "slot_taken", "slot %d is leased by another workspace", w.Slot)
	}
	return fault.New(fault.Conflict, "name_taken", "a workspace named %s exists already", w.Name).
		WithHint("choose another name, or see: wsctl show %s", w.Name)
}

// DeleteWorkspace removes a workspace, damaged or not, and its index entries; a
// tombstone stays. NotFound or Gone if there is none.
func (t *Tx) DeleteWorkspace(id string) error {
	w, old, there, err := loadIndexed(t, bWorkspace, id, workspaceIndexes, workspaceEntries)
	if err != nil {
		return err
	}
	if !there {
		_, err := t.Workspace(id)
		return err
	}
	for _, e := range old {
		if e.bucket == bName {
			w.Name = e.key // a damaged row has no name of its own
		}
	}
	if err := t.drop(bWorkspace, []byte(id)); err != nil {
		return err
	}
	t.store.cache.drop(id)
	if err := t.DropActivity(id); err != nil {
		return err
	}
	if err := t.DropDeadline(DeadlineActivity, id); err != nil {
		return err
	}
	if err := t.reindex(old, nil); err != nil {
		return err
	}
	return t.put(bTombstone, []byte(id), tombstone{Name: w.Name})
}

// DropTombstone forgets a deleted workspace. That there is none is not an error.
func (t *Tx) DropTombstone(id string) error { return t.drop(bTombstone, []byte(id)) }

// PortHolder returns the workspace that leases port.
func (t *Tx) PortHolder(port int) (id string, ok bool) {
	if port <= 0 {
		return "", false
	}
	return t.holder(bPort, numberKey(port))
}

// Ports returns every lease: port to workspace id.
func (t *Tx) Ports() map[int]string {
	out := map[int]string{}
	for _, key := range t.keys(bPort, nil) {
		if id, ok := t.holder(bPort, key); ok {
			out[keyNumber(key)] = id
		}
	}
	return out
}

// FreeSlot returns the lowest free slot of 1 to max.
func (t *Tx) FreeSlot(max int) (int, bool) {
	next := 1
	c := t.bucket(bSlot).Cursor()
	for k, _ := c.First(); k != nil && keyNumber(k) == next; k, _ = c.Next() {
		next++
	}
	return next, next <= max
}
