package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wsctl/wsctl/internal/fault"
)

func TestABackupTakenWhileWritingIsSoundAndRestores(t *testing.T) {
	s := newStore(t)
	fill(t, s, 200)
	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		for i := 1000; ; i++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if err := s.Update(func(tx *Tx) error { return tx.PutWorkspace(sample(i)) }); err != nil {
				stopped <- err
				return
			}
		}
	}()
	dir := t.TempDir()
	var last string
	for i := range 5 {
		last = filepath.Join(dir, fmt.Sprint("backup-", i))
		f, err := os.Create(last)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Backup(f), f.Close()); err != nil {
			t.Fatal(err)
		}
		if r := mustBeSound(t, last); r.Workspaces < 200 {
			t.Errorf("backup %d has %d workspaces", i, r.Workspaces)
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(dir, "new", "state.db")
	if err := Restore(last, target, false); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	restored := openStore(t, target)
	if restored.Instance() != s.Instance() || restored.Fresh() {
		t.Errorf("instance %s, want %s; fresh %v", restored.Instance(), s.Instance(), restored.Fresh())
	}
	mustUpdate(t, restored, func(tx *Tx) error { return tx.PutWorkspace(sample(500)) })
	if info, err := os.Stat(target); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
}

func TestRestoreRefusesToReplaceAStoreUnlessForced(t *testing.T) {
	backup, target := closedStore(t, 3), closedStore(t, 7)
	before := readFile(t, target)
	err := Restore(backup, target, false)
	wantCode(t, err, fault.Conflict, "store_exists")
	if !bytes.Equal(readFile(t, target), before) {
		t.Fatal("the target was changed")
	}
	if err := os.WriteFile(target+".before-restore", []byte("of an earlier time"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Restore(backup, target, true); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readFile(t, target), readFile(t, backup)) || !bytes.Equal(readFile(t, target+".before-restore"), before) {
		t.Error("the files are not in their places")
	}
	if names := entries(t, filepath.Dir(target)); !slices.Equal(names, []string{"state.db", "state.db.before-restore"}) {
		t.Errorf("the directory holds %q", names)
	}
}

func TestRestoreRefusesWhatCannotBeRight(t *testing.T) {
	s := newStore(t)
	fill(t, s, 3)
	mustUpdate(t, s, func(tx *Tx) error { return tx.put(bMeta, []byte(metaSchema), currentSchema()+1) })
	_ = s.Close()
	inUse := newStore(t)
	good := closedStore(t, 3)
	bad := bytes.Clone(readFile(t, good))
	bad[bytes.Index(bad, []byte(`"debian:12"`))] ^= 2 // one bit of a row
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		backup, target string
		kind           fault.Kind
		code           string
	}{
		"one wrong bit":         {writeTemp(t, bad), empty, fault.Invalid, "backup_damaged"},
		"an empty backup":       {empty, filepath.Join(t.TempDir(), "x"), fault.Invalid, "backup_damaged"},
		"a text":                {writeTemp(t, []byte("hello")), empty, fault.Invalid, "backup_damaged"},
		"a newer schema":        {s.path, empty, fault.Unsupported, "schema_newer"},
		"no backup":             {good + "-not", empty, fault.Invalid, "backup_invalid"},
		"the store itself":      {good, good, fault.Invalid, "backup_invalid"},
		"a store in use":        {good, inUse.path, fault.Conflict, "store_busy"},
		"a folder as a target":  {good, t.TempDir(), fault.Invalid, "state_file_invalid"},
		"a folder as a backup":  {t.TempDir(), empty, fault.Invalid, "backup_invalid"},
		"the backup is in use ": {inUse.path, inUse.path, fault.Invalid, "backup_invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Dir(c.target)
			names := entries(t, dir)
			wantCode(t, Restore(c.backup, c.target, true), c.kind, c.code)
			if got := entries(t, dir); !slices.Equal(got, names) {
				t.Errorf("the directory holds %q, before %q", got, names)
			}
		})
	}
	if err := Restore(good, empty, false); err != nil { // an empty file holds nothing to lose
		t.Error(err)
	}
}

func TestATornBackupIsRefusedAtEveryLength(t *testing.T) {
	whole := backupOf(t, 60)
	step := 512
	if testing.Short() {
		step = 4096
	}
	lengths := []int{1, 15, 16, 63, 64, 80, len(whole) - 1, len(whole) - 2}
	for n := 0; n < len(whole); n += step {
		lengths = append(lengths, n)
	}
	dir := t.TempDir()
	backup, target := filepath.Join(dir, "backup"), filepath.Join(dir, "state.db")
	for _, n := range lengths {
		if err := os.WriteFile(backup, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		wantCode(t, Restore(backup, target, false), fault.Invalid, "backup_damaged")
		if names := entries(t, dir); !slices.Equal(names, []string{"backup"}) {
			t.Fatalf("after %d bytes the directory holds %q", n, names)
		}
	}
	t.Logf("%d lengths of %d bytes", len(lengths), len(whole))
	if err := os.WriteFile(backup, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Restore(backup, target, false); err != nil {
		t.Error(err)
	}
}

func TestCopiesArePrivateWhateverTheUmask(t *testing.T) {
	backup, target := closedStore(t, 1), closedStore(t, 2)
	old := unix.Umask(0o277)
	err := Restore(backup, target, true)
	unix.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{target, target + ".before-restore"} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s is %v (%v)", path, info.Mode(), err)
		}
	}
}
