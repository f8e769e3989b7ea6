package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

const savedSchema1 = "testdata/schema-1.db"

// writeSchema1 writes rows as schema 1 had them: without workspace.state.
func writeSchema1(tx *Tx) error {
	for i := 1; i <= 4; i++ {
		w := sample(i)
		if err := tx.put(bWorkspace, []byte(w.ID), w); err != nil {
			return err
		}
		for _, e := range workspaceEntries(w) {
			if e.bucket == bState {
				continue
			}
			if err := tx.putEntry(e); err != nil {
				return err
			}
		}
		if _, err := tx.Append(event.Event{Time: epoch, Kind: event.WorkspaceCreated, Actor: w.Owner, Workspace: w.ID}); err != nil {
			return err
		}
	}
	ended := sampleJob(2, sample(2))
	if err := tx.PutJob(ended); err != nil {
		return err
	}
	ended.State, ended.EndedAt = workspace.JobCompleted, epoch.Add(1e9)
	return errors.Join(tx.EndJob(ended), tx.PutJob(sampleJob(1, sample(1))), tx.SetMeta("engine", "abc"),
		tx.PutDeadline(Deadline{epoch, DeadlineTombstone, "w0"}), tx.put(bTombstone, []byte("w0"), tombstone{"old"}),
		tx.KeepIdempotent("uid:1", "k", Kept{"h", "w1", epoch}))
}

// schema1 returns a copy of the saved file; with -update it is made anew.
func schema1(t *testing.T) string {
	t.Helper()
	if *update {
		temp := filepath.Join(t.TempDir(), "state.db")
		if err := create(temp, 1); err != nil {
			t.Fatal(err)
		}
		s, err := openWritable(temp, bbolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		err = errors.Join(s.Update(writeSchema1), s.Backup(&b), s.Close(), os.WriteFile(savedSchema1, b.Bytes(), 0o644))
		if err != nil {
			t.Fatal(err)
		}
	}
	return writeTemp(t, readFile(t, savedSchema1))
}

const savedSchema2 = "testdata/schema-2.db"

// schema2 is schema1 with the index of that schema.
func schema2(t *testing.T) string {
	t.Helper()
	if *update {
		temp := filepath.Join(t.TempDir(), "state.db")
		if err := create(temp, 2); err != nil {
			t.Fatal(err)
		}
		s, err := openWritable(temp, bbolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		err = errors.Join(s.Update(writeSchema1), s.Update(addStateIndex), s.Backup(&b), s.Close(), os.WriteFile(savedSchema2, b.Bytes(), 0o644))
		if err != nil {
			t.Fatal(err)
		}
	}
	return writeTemp(t, readFile(t, savedSchema2))
}

func TestAFileOfSchema2IsMigrated(t *testing.T) {
	path := schema2(t)
	if r := mustBeSound(t, path); r.Schema != 2 || r.Workspaces != 4 {
		t.Errorf("before: %+v", r)
	}
	s := openStore(t, path)
	checkMigrated(t, s)
	secret := Secret{Owner: "uid:1", Name: "TOKEN", Size: 3, ChangedAt: epoch, Sealed: []byte("sealed")}
	mustUpdate(t, s, func(tx *Tx) error { return tx.PutSecret(secret) })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	mustBeSound(t, path)
}

const savedSchema3 = "testdata/schema-3.db"

// schema3 is schema2 with a secret.
func schema3(t *testing.T) string {
	t.Helper()
	if *update {
		temp := filepath.Join(t.TempDir(), "state.db")
		if err := create(temp, 3); err != nil {
			t.Fatal(err)
		}
		s, err := openWritable(temp, bbolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		secret := func(tx *Tx) error { return tx.PutSecret(Secret{Owner: "uid:1", Name: "TOKEN", Size: 3}) }
		err = errors.Join(s.Update(writeSchema1), s.Update(addStateIndex), s.Update(secret), s.Backup(&b), s.Close(),
			os.WriteFile(savedSchema3, b.Bytes(), 0o644))
		if err != nil {
			t.Fatal(err)
		}
	}
	return writeTemp(t, readFile(t, savedSchema3))
}

func TestAFileOfSchema3IsMigrated(t *testing.T) {
	path := schema3(t)
	if r := mustBeSound(t, path); r.Schema != 3 || r.Workspaces != 4 {
		t.Errorf("before: %+v", r)
	}
	s := openStore(t, path)
	checkMigrated(t, s)
	mustUpdate(t, s, func(tx *Tx) error {
		return tx.PutActivity(activity.Record{Workspace: sample(1).ID, Level: activity.Idle})
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	mustBeSound(t, path)
}

func TestSecretsAreTheirOwners(t *testing.T) {
	s := newStore(t)
	mustUpdate(t, s, func(tx *Tx) error {
		return errors.Join(tx.PutSecret(Secret{Owner: "uid:1", Name: "B"}), tx.PutSecret(Secret{Owner: "uid:1", Name: "A", Size: 1}),
			tx.PutSecret(Secret{Owner: "uid:10", Name: "C"}), tx.PutSecret(Secret{Owner: "uid:1", Name: "A", Size: 2}))
	})
	mustView(t, s, func(tx *Tx) error {
		list, err := tx.Secrets("uid:1")
		if len(list) != 2 || list[0].Name != "A" || list[0].Size != 2 || list[1].Name != "B" {
			t.Errorf("got %+v", list)
		}
		_, there, err2 := tx.Secret("uid:1", "C")
		if there {
			t.Error("it finds another's")
		}
		return errors.Join(err, err2)
	})
	mustUpdate(t, s, func(tx *Tx) error { return errors.Join(tx.DropSecret("uid:1", "A"), tx.DropSecret("uid:1", "none")) })
	mustView(t, s, func(tx *Tx) error {
		if list, _ := tx.Secrets("uid:1"); len(list) != 1 {
			t.Errorf("got %+v", list)
		}
		return nil
	})
	if err := s.Update(func(tx *Tx) error { return tx.PutSecret(Secret{Owner: "a\x00b", Name: "x"}) }); err == nil {
		t.Error("an owner with a NUL is taken")
	}
}

func checkMigrated(t *testing.T, s *Store) {
	t.Helper()
	mustView(t, s, func(tx *Tx) error {
		n, err := schemaOf(tx.bolt, s)
		if n != currentSchema() || sum(tx.CountByState("")) != 4 {
			t.Errorf("schema %d, counts %v", n, tx.CountByState(""))
		}
		for i := 1; i <= 4; i++ {
			found := 0
			for w, err := range tx.WorkspacesIn(sample(i).Owner, sample(i).State) {
				if err == nil && w.Name == sample(i).Name {
					found++
				}
			}
			if found != 1 {
				t.Errorf("%s is listed %d times by owner and state", sample(i).Name, found)
			}
		}
		_, errJob := tx.Job(sampleJob(2, sample(2)).ID)
		if tx.LastSeq() != 4 || tx.Meta("engine") != "abc" {
			t.Errorf("last event %d, setting %q", tx.LastSeq(), tx.Meta("engine"))
		}
		return errors.Join(err, errJob)
	})
}

func TestAFileOfSchema1IsSavedAndMigrated(t *testing.T) {
	path := schema1(t)
	before := readFile(t, path)
	if r := mustBeSound(t, path); r.Schema != 1 || r.Workspaces != 4 || r.Jobs != 2 || r.Events != 4 {
		t.Errorf("before: %+v", r)
	}
	if !bytes.Equal(before, readFile(t, path)) {
		t.Fatal("Verify changed the old file")
	}
	if err := os.WriteFile(path+".schema-1.new", []byte("of a try that was cut off"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, path)
	if s.Fresh() || s.Instance() == "" {
		t.Errorf("fresh %v, instance %q", s.Fresh(), s.Instance())
	}
	checkMigrated(t, s)
	mustUpdate(t, s, func(tx *Tx) error { return tx.PutWorkspace(sample(5)) })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if r := mustBeSound(t, path); r.Schema != currentSchema() || r.Workspaces != 5 {
		t.Errorf("after: %+v", r)
	}
	if names := entries(t, filepath.Dir(path)); !slices.Equal(names, []string{"state.db", "state.db.schema-1"}) {
		t.Errorf("the directory holds %q", names)
	}
	saved := path + ".schema-1"
	if r := mustBeSound(t, saved); r.Schema != 1 || r.Workspaces != 4 {
		t.Errorf("the saved copy: %+v", r)
	}
	if info, err := os.Stat(saved); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
	if err := os.Remove(saved); err != nil {
		t.Fatal(err)
	}
	_ = openStore(t, path).Close()
	if _, err := os.Stat(saved); !errors.Is(err, os.ErrNotExist) {
		t.Error("a file of the current schema was migrated again")
	}
}

func TestABackupOfSchema1Restores(t *testing.T) {
	target := filepath.Join(t.TempDir(), "state.db")
	if err := Restore(schema1(t), target, false); err != nil {
		t.Fatal(err)
	}
	checkMigrated(t, openStore(t, target))
}

func TestADamagedWorkspaceDoesNotHinderAMigration(t *testing.T) {
	content := readFile(t, schema1(t))
	content[bytes.Index(content, []byte(`"name":"ws-3"`))] ^= 1
	path := writeTemp(t, content)
	if r, err := Verify(path); err != nil || len(r.Problems) != 1 {
		t.Errorf("Verify: %v, %q", err, r.Problems)
	}
	s := openStore(t, path)
	mustView(t, s, func(tx *Tx) error {
		if n := sum(tx.CountByState("")); n != 3 {
			t.Errorf("%d in the new index", n)
		}
		return nil
	})
	mustUpdate(t, s, func(tx *Tx) error { return tx.DeleteWorkspace(sample(3).ID) })
	_ = s.Close()
	mustBeSound(t, path)
}

func TestAFailedMigrationLeavesTheOldFile(t *testing.T) {
	path := schema1(t)
	before := readFile(t, path)
	if err := os.Mkdir(path+".schema-1", 0o700); err != nil { // so that no copy can be saved
		t.Fatal(err)
	}
	if s, err := Open(path); err == nil {
		_ = s.Close()
		t.Fatal("migrated without a copy")
	}
	if !bytes.Equal(before, readFile(t, path)) {
		t.Error("the file was changed")
	}
}

func TestANewFileAndAMigratedOneHaveOneShape(t *testing.T) {
	shape := func(s *Store) (names []string) {
		mustView(t, s, func(tx *Tx) error {
			return tx.bolt.ForEach(func(name []byte, _ *bbolt.Bucket) error {
				names = append(names, string(name))
				return nil
			})
		})
		return names
	}
	fresh, migrated := shape(newStore(t)), shape(openStore(t, schema1(t)))
	want := slices.Sorted(slices.Values(buckets))
	if !slices.Equal(fresh, want) || !slices.Equal(migrated, want) {
		t.Errorf("new %q, migrated %q, want %q", fresh, migrated, want)
	}
	for i, m := range migrations {
		if m.to != firstSchema+1+i || m.why == "" || m.run == nil {
			t.Errorf("migration %d leads to schema %d", i, m.to)
		}
	}
}

func TestAFirstStartThatWasCutOffIsDoneAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	for _, left := range [][]byte{nil, []byte("half a file")} {
		if err := os.WriteFile(path+".new", left, 0o600); err != nil {
			t.Fatal(err)
		}
		s := openStore(t, path)
		if !s.Fresh() {
			t.Error("it is not fresh")
		}
		_ = s.Close()
		if names := entries(t, filepath.Dir(path)); !slices.Equal(names, []string{"state.db"}) {
			t.Errorf("the directory holds %q", names)
		}
		_ = os.Remove(path)
	}
}
