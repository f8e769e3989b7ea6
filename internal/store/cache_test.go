package store

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/wsctl/wsctl/internal/workspace"
)

// rich has something in every member that is a map, a slice or a pointer.
func rich(n int) workspace.Workspace {
	w := sample(n)
	now := time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC)
	w.Labels = map[string]string{"team": "web"}
	w.Conditions = []workspace.Condition{{Type: workspace.Ready, Status: true, Time: now}}
	w.Stop = &workspace.Stop{Reason: workspace.StoppedByUser, Time: now}
	w.Death = &workspace.Death{ExitCode: 1, Log: []string{"last words"}, Time: now}
	w.Spec.Command = []string{"httpd"}
	w.Spec.PreStop = []string{"sync"}
	w.Spec.Env = map[string]string{"A": "1"}
	w.Spec.Files = []workspace.File{{Path: "a", Content: "b"}}
	w.Spec.RemoteEnv = map[string]string{"B": "2"}
	w.Spec.Ports = []workspace.Port{{Port: 5173}}
	w.Spec.Hooks = []workspace.Hook{{Phase: workspace.PostCreate, Command: []string{"make"}}}
	w.Spec.Secrets = []workspace.SecretWant{{Name: "TOKEN"}}
	w.Spec.Mounts = []workspace.Mount{{Kind: "tmpfs", Target: "/cache"}}
	w.Spec.Source = &workspace.Source{Kind: "git", URL: "https://example.org/a.git"}
	w.Spec.Build = &workspace.Build{Dockerfile: "Dockerfile", Args: map[string]string{"V": "1"}}
	w.Spec.Health = []string{"true"}
	w.Spec.IdleProbe = []string{"false"}
	w.Spec.Notes = []workspace.Note{{Key: "init", Reason: "always so"}}
	return w
}

func read(t *testing.T, s *Store, id string) (w workspace.Workspace) {
	t.Helper()
	mustView(t, s, func(tx *Tx) (err error) {
		w, err = tx.Workspace(id)
		return err
	})
	return w
}

func TestAChangedRowIsNeverAnsweredFromTheCache(t *testing.T) {
	s := newStore(t)
	w := rich(1)
	mustUpdate(t, s, func(tx *Tx) error { return tx.PutWorkspace(w) })
	read(t, s, w.ID)
	boom := errors.New("boom")
	err := s.Update(func(tx *Tx) error {
		changed := w
		changed.Name = "changed"
		if err := tx.PutWorkspace(changed); err != nil {
			return err
		}
		if got, err := tx.Workspace(w.ID); err != nil || got.Name != "changed" {
			t.Errorf("inside its own transaction the change reads as %q, %v", got.Name, err)
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if got := read(t, s, w.ID); got.Name != w.Name {
		t.Errorf("a change that was rolled back is read: %q", got.Name)
	}
	w.Name = "kept"
	mustUpdate(t, s, func(tx *Tx) error { return tx.PutWorkspace(w) })
	if got := read(t, s, w.ID); got.Name != "kept" {
		t.Errorf("got %q", got.Name)
	}
	mustUpdate(t, s, func(tx *Tx) error { return tx.DeleteWorkspace(w.ID) })
	if err := s.View(func(tx *Tx) error { _, err := tx.Workspace(w.ID); return err }); err == nil {
		t.Error("a deleted workspace is still read")
	}
	if len(s.cache.rows) != 0 {
		t.Errorf("%d rows are kept of a deleted workspace", len(s.cache.rows))
	}
}

func TestDamageOfACachedRowIsFound(t *testing.T) {
	s := newStore(t)
	w, other := rich(1), rich(2)
	mustUpdate(t, s, func(tx *Tx) error { return errors.Join(tx.PutWorkspace(w), tx.PutWorkspace(other)) })
	read(t, s, w.ID)
	read(t, s, other.ID)
	for name, damage := range map[string]func(row, foreign []byte) []byte{
		"a flipped bit of the text":     func(row, _ []byte) []byte { row[len(row)-3] ^= 1; return row },
		"a flipped bit of the checksum": func(row, _ []byte) []byte { row[2] ^= 1; return row },
		"a row of another workspace":    func(_, foreign []byte) []byte { return foreign },
	} {
		t.Run(name, func(t *testing.T) {
			var whole []byte
			raw(t, s, func(b *bbolt.Tx) error {
				bucket := b.Bucket([]byte(bWorkspace))
				whole = bytes.Clone(bucket.Get([]byte(w.ID)))
				return bucket.Put([]byte(w.ID), damage(bytes.Clone(whole), bytes.Clone(bucket.Get([]byte(other.ID)))))
			})
			if err := s.View(func(tx *Tx) error { _, err := tx.Workspace(w.ID); return err }); !isDamagedRecord(err) {
				t.Errorf("got %v", err)
			}
			raw(t, s, func(b *bbolt.Tx) error { return b.Bucket([]byte(bWorkspace)).Put([]byte(w.ID), whole) })
			read(t, s, w.ID)
		})
	}
}

func TestWhatIsReadSharesNothingWithTheNextReader(t *testing.T) {
	s := newStore(t)
	w := rich(1)
	mustUpdate(t, s, func(tx *Tx) error { return tx.PutWorkspace(w) })
	first := read(t, s, w.ID)
	if second := read(t, s, w.ID); !reflect.DeepEqual(first, second) {
		t.Fatalf("decoded and cached differ:\n%+v\n%+v", first, second)
	}
	third, fourth := read(t, s, w.ID), read(t, s, w.ID)
	apart(t, "first read and cache", reflect.ValueOf(first), reflect.ValueOf(third))
	apart(t, "two from the cache", reflect.ValueOf(third), reflect.ValueOf(fourth))
}

func TestWhoOnlyLooksGetsNoCopies(t *testing.T) {
	s := newStore(t)
	good, bad := rich(1), rich(2)
	mustUpdate(t, s, func(tx *Tx) error { return errors.Join(tx.PutWorkspace(good), tx.PutWorkspace(bad)) })
	raw(t, s, func(b *bbolt.Tx) error { return b.Bucket([]byte(bWorkspace)).Put([]byte(bad.ID), []byte("damage")) })
	look := func() (seen *workspace.Workspace) {
		damaged := 0
		err := s.View(func(tx *Tx) error {
			for w, err := range tx.SharedWorkspaces() {
				switch {
				case err == nil:
					seen = w
				case w != nil || !isDamagedRecord(err):
					t.Errorf("got %v, %v", w, err)
				default:
					damaged++
				}
			}
			return nil
		})
		if err != nil || damaged != 1 {
			t.Errorf("%d are damaged, %v", damaged, err)
		}
		return seen
	}
	first := look()
	if want := read(t, s, good.ID); first == nil || !reflect.DeepEqual(*first, want) {
		t.Fatalf("got %+v\nwant %+v", first, want)
	}
	if look() != first {
		t.Error("the second look was given a copy")
	}
	mustUpdate(t, s, func(tx *Tx) error { w := good; w.Revision++; return tx.PutWorkspace(w) })
	if again := look(); again == first || again.Revision != good.Revision+1 || first.Revision != good.Revision {
		t.Error("a look after a change did not see it, or changed what was seen before")
	}
}

// apart fails where a and b share memory, or have a member with nothing in it that
// could be shared: then rich does not know it.
func apart(t *testing.T, what string, a, b reflect.Value) {
	t.Helper()
	switch a.Kind() {
	case reflect.Struct:
		if a.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range a.NumField() {
			apart(t, what+" "+a.Type().Field(i).Name, a.Field(i), b.Field(i))
		}
	case reflect.Map, reflect.Slice, reflect.Pointer:
		if a.IsNil() || a.Pointer() == b.Pointer() {
			t.Errorf("%s: shared, or empty in the sample", what)
		}
		if a.Kind() == reflect.Pointer {
			apart(t, what, a.Elem(), b.Elem())
		}
		for i := 0; a.Kind() == reflect.Slice && i < a.Len(); i++ {
			apart(t, what, a.Index(i), b.Index(i))
		}
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	c := newCache()
	for i := range maxCached + 10 {
		c.put(fmt.Sprint(i), uint64(i), &workspace.Workspace{})
		c.put(fmt.Sprint(i), uint64(i), &workspace.Workspace{}) // a second time takes no room
	}
	if len(c.rows) != maxCached {
		t.Errorf("%d rows are kept", len(c.rows))
	}
}

// Many readers and a writer: each reader sees the state of its transaction, never
// what the cache had of an earlier one. Meant for the race detector too.
func TestReadersOfTheCacheSeeTheirOwnTransaction(t *testing.T) {
	s := newStore(t)
	w := rich(1)
	mustUpdate(t, s, func(tx *Tx) error { return tx.PutWorkspace(w) })
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 200 {
				err := s.View(func(tx *Tx) error {
					first, err1 := tx.Workspace(w.ID)
					second, err2 := tx.Workspace(w.ID)
					if first.Revision != second.Revision || first.Labels["n"] != fmt.Sprint(first.Revision) && first.Revision != w.Revision {
						t.Errorf("revision %d, then %d, label %s", first.Revision, second.Revision, first.Labels["n"])
					}
					first.Labels["n"] = "changed by its reader"
					return errors.Join(err1, err2)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 50 {
		next := rich(1)
		next.Revision += uint64(i) + 1
		next.Labels["n"] = fmt.Sprint(next.Revision)
		mustUpdate(t, s, func(tx *Tx) error { return tx.PutWorkspace(next) })
	}
	readers.Wait()
}
