package store

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

var update = flag.Bool("update", false, "write the files in testdata anew")

// epoch is the time that tests count from.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestMain(m *testing.M) {
	if child := os.Getenv(childEnv); child != "" {
		os.Exit(runChild(child))
	}
	os.Exit(m.Run())
}

func newStore(t testing.TB) *Store {
	t.Helper()
	return openStore(t, filepath.Join(t.TempDir(), "state.db"))
}

func openStore(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func mustUpdate(t testing.TB, s *Store, fn func(*Tx) error) {
	t.Helper()
	if err := s.Update(fn); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func mustView(t testing.TB, s *Store, fn func(*Tx) error) {
	t.Helper()
	if err := s.View(fn); err != nil {
		t.Fatalf("View: %v", err)
	}
}

func wantCode(t testing.TB, err error, kind fault.Kind, code string) *fault.Error {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != kind || f.Code != code {
		t.Fatalf("error is %v, want %s %q", err, kind, code)
	}
	return f
}

// sample is workspace number n.
func sample(n int) workspace.Workspace {
	return workspace.Workspace{
		ID: fmt.Sprintf("w%012d", n), Name: fmt.Sprintf("ws-%d", n), Owner: fmt.Sprintf("uid:%d", 1000+n%3),
		State: workspace.States()[n%len(workspace.States())], Desired: workspace.WantRunning, Generation: 1,
		Slot: n, Port: 8000 + n, Labels: map[string]string{"n": fmt.Sprint(n)},
		Spec: workspace.Spec{
			Image: "debian:12", Command: []string{"sleep", "1"}, Port: 80, Ready: workspace.ReadyPort, Profile: workspace.Strict,
			Limits:   workspace.Limits{CPUs: 1, Memory: 1 << 30, Pids: 256},
			Timeouts: workspace.Timeouts{Create: workspace.Duration(time.Minute), Stop: workspace.Duration(10 * time.Second)},
		},
		CreatedAt: epoch, UpdatedAt: epoch.Add(time.Duration(n) * time.Second),
	}
}

func sampleJob(n int, w workspace.Workspace) workspace.Job {
	return workspace.Job{
		ID: fmt.Sprintf("j%012d", n), Kind: workspace.JobStart, Workspace: w.ID, Name: w.Name, Actor: w.Owner,
		State: workspace.JobWaiting, Attempts: 3, DueAt: epoch.Add(time.Duration(n) * time.Second), CreatedAt: epoch,
	}
}

// fill writes n workspaces, each with an event, every other with a job.
func fill(t testing.TB, s *Store, n int) {
	t.Helper()
	mustUpdate(t, s, func(tx *Tx) error {
		for i := 1; i <= n; i++ {
			w := sample(i)
			_, err := tx.Append(event.Event{Time: w.UpdatedAt, Kind: event.WorkspaceCreated, Actor: w.Owner, Workspace: w.ID, Name: w.Name})
			err = errors.Join(err, tx.PutWorkspace(w))
			if i%2 == 0 {
				err = errors.Join(err, tx.PutJob(sampleJob(i, w)))
			}
			err = errors.Join(err, tx.PutDeadline(Deadline{At: w.UpdatedAt, Kind: DeadlineLate, Key: w.ID}),
				tx.KeepIdempotent(w.Owner, w.Name, Kept{Hash: "h", Workspace: w.ID, At: epoch}))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func mustBeSound(t testing.TB, path string) Report {
	t.Helper()
	r, err := Verify(path)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	if len(r.Problems) > 0 {
		t.Fatalf("Verify found: %q", r.Problems)
	}
	return r
}

func TestAStoreKeepsItsInstanceAndItsRowsWhenOpenedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "state.db")
	first := openStore(t, path)
	if !first.Fresh() {
		t.Error("the first Open is not fresh")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if first = openStore(t, path); !first.Fresh() {
		t.Error("what was never used is not fresh")
	}
	fill(t, first, 3)
	mustUpdate(t, first, func(tx *Tx) error { return tx.SetMeta("engine", "abc") })
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := openStore(t, path)
	if second.Fresh() || second.Instance() != first.Instance() || second.Instance() == "" {
		t.Errorf("fresh %v, instance %q after %q", second.Fresh(), second.Instance(), first.Instance())
	}
	mustView(t, second, func(tx *Tx) error {
		if got := tx.Meta("engine"); got != "abc" {
			t.Errorf("setting is %q", got)
		}
		w, err := tx.Workspace(sample(2).ID)
		if w.Name != "ws-2" || w.Spec.Timeouts.Create.Std() != time.Minute || !w.UpdatedAt.Equal(sample(2).UpdatedAt) {
			t.Errorf("workspace came back as %+v", w)
		}
		return err
	})
	other := newStore(t)
	if other.Instance() == first.Instance() {
		t.Error("two files have one instance")
	}
}

func TestAFailedUpdateChangesNothing(t *testing.T) {
	s := newStore(t)
	boom := errors.New("boom")
	err := s.Update(func(tx *Tx) error { return errors.Join(tx.PutWorkspace(sample(1)), boom) })
	if !errors.Is(err, boom) {
		t.Fatalf("Update returned %v", err)
	}
	mustView(t, s, func(tx *Tx) error {
		_, err := tx.Workspace(sample(1).ID)
		wantCode(t, err, fault.NotFound, "workspace_not_found")
		return nil
	})
}

func TestAPanicOfTheCallerGoesOnAndTheStoreToo(t *testing.T) {
	s := newStore(t)
	for name, run := range map[string]func(func(*Tx) error) error{"view": s.View, "update": s.Update} {
		func() {
			defer func() {
				if r := recover(); r != "mine" {
					t.Errorf("%s: recovered %v", name, r)
				}
			}()
			_ = run(func(*Tx) error { panic("mine") })
		}()
	}
	mustUpdate(t, s, func(tx *Tx) error { return tx.PutWorkspace(sample(1)) })
}

func TestWritesCountsRowsAndNothingIsWrittenTwice(t *testing.T) {
	s := newStore(t)
	var first, again, refused int
	mustUpdate(t, s, func(tx *Tx) error {
		err := tx.PutWorkspace(sample(1))
		first = tx.Writes()
		return err
	})
	mustUpdate(t, s, func(tx *Tx) error {
		if err := tx.PutWorkspace(sample(1)); err != nil {
			return err
		}
		again = tx.Writes()
		clash := sample(2)
		clash.Port, clash.Owner = sample(1).Port, "uid:9"
		wantCode(t, tx.PutWorkspace(clash), fault.Conflict, "port_taken")
		refused = tx.Writes()
		return nil
	})
	if first != 5 || again != 0 || refused != 0 { // row, name, state, port, slot
		t.Errorf("writes %d, then %d, refused %d", first, again, refused)
	}
}

func TestFilesArePrivateWhateverTheUmask(t *testing.T) {
	for _, mask := range []int{0, 0o777} {
		dir := filepath.Join(t.TempDir(), "state")
		old := unix.Umask(mask)
		l, err := Lock(dir, "wsd")
		if err != nil {
			unix.Umask(old)
			t.Fatal(err)
		}
		s, err := Open(filepath.Join(dir, "state.db"))
		unix.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]os.FileMode{dir: 0o700, dir + "/state.db": 0o600, dir + "/wsd.lock": 0o600} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
				t.Errorf("umask %o: %s is %v (%v), want %v", mask, path, info.Mode(), err, want)
			}
		}
		if err := errors.Join(s.Close(), l.Release()); err != nil {
			t.Error(err)
		}
		if names := entries(t, dir); !slices.Equal(names, []string{"state.db", "wsd.lock"}) {
			t.Errorf("the directory holds %q", names)
		}
	}
}

func entries(t testing.TB, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestAClosedStoreSaysSo(t *testing.T) {
	s := newStore(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.View(func(*Tx) error { return nil }), fault.Unavailable, "store_closed")
	wantCode(t, s.Update(func(*Tx) error { return nil }), fault.Unavailable, "store_closed")
	wantCode(t, s.Backup(&bytes.Buffer{}), fault.Unavailable, "store_closed")
}

func TestASecondOpenIsRefusedWhileTheFileIsInUse(t *testing.T) {
	s := newStore(t)
	_, err := Open(s.path)
	wantCode(t, err, fault.Conflict, "store_busy")
	_, err = Verify(s.path)
	wantCode(t, err, fault.Conflict, "store_busy")
}

func TestReadersAndAWriterWorkAtOnce(t *testing.T) {
	s := newStore(t)
	fill(t, s, 20)
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				err := s.View(func(tx *Tx) error {
					n := 0
					for _, err := range tx.Workspaces() {
						if n++; err != nil {
							return err
						}
					}
					if total := sum(tx.CountByState("")); n != total || n < 20 {
						return fmt.Errorf("%d listed, %d counted", n, total)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := 21; i <= 120; i++ {
		mustUpdate(t, s, func(tx *Tx) error { return tx.PutWorkspace(sample(i)) })
	}
	close(stop)
	readers.Wait()
}

func sum(m map[workspace.State]int) int {
	n := 0
	for _, v := range m {
		n += v
	}
	return n
}

// raw changes the file underneath the types.
func raw(t testing.TB, s *Store, fn func(*bbolt.Tx) error) {
	t.Helper()
	if err := s.db.Update(fn); err != nil {
		t.Fatal(err)
	}
}
