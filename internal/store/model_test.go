package store

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// model is what the store should hold, in plain maps without any index.
type model struct {
	store      *Store
	workspaces map[string]workspace.Workspace
	deleted    map[string]bool
	open       map[string]workspace.Job
	ended      map[string]workspace.Job
	deadlines  map[string]Deadline
}

func TestIndexesAgreeWithAModelWhateverHappens(t *testing.T) {
	n := 0
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		n++
		s, err := Open(filepath.Join(dir, fmt.Sprint(n, ".db")))
		if err != nil {
			rt.Fatal(err)
		}
		m := &model{
			store: s, workspaces: map[string]workspace.Workspace{}, deleted: map[string]bool{},
			open: map[string]workspace.Job{}, ended: map[string]workspace.Job{}, deadlines: map[string]Deadline{},
		}
		rt.Repeat(map[string]func(*rapid.T){
			"put workspace":    m.putWorkspace,
			"delete workspace": m.deleteWorkspace,
			"put job":          m.putJob,
			"end job":          m.endJob,
			"drop job":         m.dropJob,
			"put deadline":     m.putDeadline,
			"drop deadline":    m.dropDeadline,
			"roll back":        m.rollBack,
			"":                 m.check,
		})
		if err := s.Close(); err != nil {
			rt.Fatal(err)
		}
		if r, err := Verify(s.path); err != nil || len(r.Problems) > 0 {
			rt.Fatalf("Verify: %v, %q", err, r.Problems)
		}
	})
}

// update compares what the store says with what the model expects.
func (m *model) update(t *rapid.T, wantCode string, fn func(*Tx) error) bool {
	err := m.store.Update(fn)
	if got := fault.From(err); (err == nil) != (wantCode == "") || err != nil && got.Code != wantCode {
		t.Fatalf("error is %v, want %q", err, wantCode)
	}
	return err == nil
}

// drawWorkspace draws from few values, so that they collide.
func drawWorkspace(t *rapid.T) workspace.Workspace {
	w := sample(0)
	w.ID = fmt.Sprintf("w%d", rapid.IntRange(1, 5).Draw(t, "id"))
	w.Name = rapid.SampledFrom([]string{"a", "b", "c", "ab", "d"}).Draw(t, "name")
	w.Owner = rapid.SampledFrom([]string{"uid:1", "uid:10", "wsd"}).Draw(t, "owner")
	w.State = rapid.SampledFrom(workspace.States()).Draw(t, "state")
	w.Port = rapid.SampledFrom([]int{0, 8000, 8001, 8255, 8256}).Draw(t, "port")
	w.Slot = rapid.IntRange(0, 5).Draw(t, "slot")
	return w
}

func (m *model) putWorkspace(t *rapid.T) {
	w := drawWorkspace(t)
	want := ""
	for _, o := range m.workspaces {
		switch {
		case o.ID == w.ID:
		case o.Name == w.Name:
			want = "name_taken"
		case want == "" && o.Port == w.Port && w.Port > 0:
			want = "port_taken"
		case want == "" && o.Slot == w.Slot && w.Slot > 0:
			want = "slot_taken"
		}
	}
	// Several may be taken at once, and by different ones: any of them is right.
	err := m.store.Update(func(tx *Tx) error { return tx.PutWorkspace(w) })
	switch {
	case (err == nil) != (want == ""):
		t.Fatalf("error is %v, want %q", err, want)
	case err == nil:
		m.workspaces[w.ID] = w
	case !fault.Is(err, fault.Conflict):
		t.Fatal(err)
	}
}

func (m *model) deleteWorkspace(t *rapid.T) {
	id := fmt.Sprintf("w%d", rapid.IntRange(1, 5).Draw(t, "id"))
	if _, busy := m.openOf(id); busy {
		t.Skip("it has an open job")
	}
	_, there := m.workspaces[id]
	want := ""
	switch {
	case there:
	case m.deleted[id]:
		want = "workspace_deleted"
	default:
		want = "workspace_not_found"
	}
	if m.update(t, want, func(tx *Tx) error { return tx.DeleteWorkspace(id) }) {
		delete(m.workspaces, id)
		m.deleted[id] = true
	}
}

func (m *model) openOf(ws string) (workspace.Job, bool) {
	for _, j := range m.open {
		if j.Workspace == ws {
			return j, true
		}
	}
	return workspace.Job{}, false
}

func drawJob(t *rapid.T) workspace.Job {
	j := sampleJob(rapid.IntRange(1, 6).Draw(t, "job"), sample(0))
	j.DueAt = epoch.Add(time.Duration(rapid.IntRange(-2, 2).Draw(t, "due")) * time.Nanosecond)
	return j
}

func (m *model) putJob(t *rapid.T) {
	if len(m.workspaces) == 0 {
		t.Skip("nobody to work for")
	}
	j := drawJob(t)
	j.Workspace = rapid.SampledFrom(slices.Sorted(maps.Keys(m.workspaces))).Draw(t, "workspace")
	j.State = rapid.SampledFrom([]workspace.JobState{workspace.JobWaiting, workspace.JobDelayed, workspace.JobActive}).Draw(t, "state")
	want := ""
	if _, ok := m.ended[j.ID]; ok {
		want = "job_ended"
	}
	if o, ok := m.openOf(j.Workspace); ok && o.ID != j.ID {
		want = "job_open"
	}
	if m.update(t, want, func(tx *Tx) error { return tx.PutJob(j) }) {
		m.open[j.ID] = j
	}
}

func (m *model) endJob(t *rapid.T) {
	j := drawJob(t)
	j.State = rapid.SampledFrom([]workspace.JobState{workspace.JobCompleted, workspace.JobFailed, workspace.JobCancelled}).Draw(t, "state")
	j.EndedAt = j.DueAt
	want := ""
	if _, ok := m.open[j.ID]; !ok {
		want = "job_not_found"
		if _, ok := m.ended[j.ID]; ok {
			want = "job_ended"
		}
	}
	if m.update(t, want, func(tx *Tx) error { return tx.EndJob(j) }) {
		delete(m.open, j.ID)
		m.ended[j.ID] = j
	}
}

func (m *model) dropJob(t *rapid.T) {
	j, want := drawJob(t), ""
	if _, ok := m.ended[j.ID]; !ok {
		want = "job_not_found"
	}
	m.update(t, want, func(tx *Tx) error { return tx.DropEndedJob(j.ID) })
	delete(m.ended, j.ID)
}

func drawDeadline(t *rapid.T) Deadline {
	at := rapid.SampledFrom([]time.Time{{}, time.Unix(-1, 0).UTC(), epoch, epoch.Add(1), epoch.Add(time.Hour)}).Draw(t, "at")
	kind := rapid.SampledFrom([]DeadlineKind{DeadlineLate, DeadlineTombstone}).Draw(t, "kind")
	return Deadline{at, kind, rapid.SampledFrom([]string{"w1", "w11", "x\x00w1"}).Draw(t, "key")}
}

func (m *model) putDeadline(t *rapid.T) {
	d := drawDeadline(t)
	m.update(t, "", func(tx *Tx) error { return tx.PutDeadline(d) })
	m.deadlines[d.rest()] = d
}

func (m *model) dropDeadline(t *rapid.T) {
	d := drawDeadline(t)
	m.update(t, "", func(tx *Tx) error { return tx.DropDeadline(d.Kind, d.Key) })
	delete(m.deadlines, d.rest())
}

// rollBack does much and then fails.
func (m *model) rollBack(t *rapid.T) {
	w, j, d := drawWorkspace(t), drawJob(t), drawDeadline(t)
	boom := errors.New("boom")
	err := m.store.Update(func(tx *Tx) error {
		j.Workspace = w.ID
		return errors.Join(tx.PutWorkspace(w), tx.PutJob(j), tx.PutDeadline(d), tx.DeleteWorkspace("w1"), boom)
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
}

// check compares every way to ask with the model.
func (m *model) check(t *rapid.T) {
	err := m.store.View(func(tx *Tx) error {
		m.checkWorkspaces(t, tx)
		m.checkLeases(t, tx)
		m.checkJobs(t, tx)
		m.checkDeadlines(t, tx)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (m *model) checkWorkspaces(t *rapid.T, tx *Tx) {
	ws := slices.Collect(maps.Values(m.workspaces))
	slices.SortFunc(ws, func(a, b workspace.Workspace) int { return cmp.Compare(a.Name, b.Name) })
	same(t, "by name", names(t, tx.Workspaces()), namesOf(ws, nil))
	for _, owner := range []string{"", "uid:1", "uid:10", "wsd", "nobody"} {
		counts := tx.CountByState(owner)
		for _, state := range workspace.States() {
			want := namesOf(ws, func(w workspace.Workspace) bool { return (owner == "" || w.Owner == owner) && w.State == state })
			got := names(t, tx.WorkspacesIn(owner, state))
			slices.Sort(got)
			same(t, fmt.Sprintf("%s of %q", state, owner), got, want)
			same(t, "count", counts[state], len(want))
		}
	}
	for id := range m.deleted {
		_, there := m.workspaces[id]
		if _, err := tx.Workspace(id); there != (err == nil) || !there && !fault.Is(err, fault.Gone) {
			t.Fatalf("deleted %s: %v", id, err)
		}
	}
}

func (m *model) checkLeases(t *rapid.T, tx *Tx) {
	ports, slots := map[int]string{}, map[int]bool{}
	for _, w := range m.workspaces {
		if w.Port > 0 {
			ports[w.Port] = w.ID
		}
		slots[w.Slot] = true
		got, err := tx.Resolve(w.Name)
		same(t, "resolved "+w.Name, got.ID, w.ID)
		same(t, "error", err, nil)
	}
	if !maps.Equal(tx.Ports(), ports) {
		t.Fatalf("ports are %v, want %v", tx.Ports(), ports)
	}
	free := 1
	for slots[free] {
		free++
	}
	got, ok := tx.FreeSlot(5)
	same(t, "a slot is free", ok, free <= 5)
	if ok {
		same(t, "slot", got, free)
	}
}

func (m *model) checkJobs(t *rapid.T, tx *Tx) {
	var due []workspace.Job
	for _, j := range m.open {
		got, ok, err := tx.OpenJob(j.Workspace)
		same(t, "open job", got, j)
		same(t, "ok", ok && err == nil, true)
		if j.State != workspace.JobActive && !j.DueAt.After(epoch) {
			due = append(due, j)
		}
	}
	slices.SortFunc(due, func(a, b workspace.Job) int { return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.ID, b.ID)) })
	got, err := tx.DueJobs(epoch, 0)
	same(t, "error", err, nil)
	if !slices.Equal(got, due) {
		t.Fatalf("due are %v, want %v", got, due)
	}
	all, err := tx.Jobs(nil, "")
	same(t, "error", err, nil)
	same(t, "jobs", len(all), len(m.open)+len(m.ended))
	for _, j := range m.ended {
		got, err := tx.Job(j.ID)
		same(t, "ended job", got, j)
		same(t, "error", err, nil)
	}
}

func (m *model) checkDeadlines(t *rapid.T, tx *Tx) {
	want := slices.Collect(maps.Values(m.deadlines))
	slices.SortFunc(want, func(a, b Deadline) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.rest(), b.rest())) })
	if next, ok := tx.NextDeadline(); ok != (len(want) > 0) || ok && !next.Equal(want[0].At) {
		t.Fatalf("next is %v, want %v", next, want)
	}
	want = slices.DeleteFunc(want, func(d Deadline) bool { return d.At.After(epoch) })
	got, err := tx.DueDeadlines(epoch, 0)
	same(t, "error", err, nil)
	if !slices.Equal(got, want) {
		t.Fatalf("due are %v, want %v", got, want)
	}
}

func same(t *rapid.T, what string, got, want any) {
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Fatalf("%s: got %s, want %s", what, g, w)
	}
}

func names(t *rapid.T, seq func(func(workspace.Workspace, error) bool)) []string {
	out := []string{}
	for w, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, w.Name)
	}
	return out
}

func namesOf(ws []workspace.Workspace, match func(workspace.Workspace) bool) []string {
	out := []string{}
	for _, w := range ws {
		if match == nil || match(w) {
			out = append(out, w.Name)
		}
	}
	return out
}
