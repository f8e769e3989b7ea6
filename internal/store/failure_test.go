package store

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/wsctl/wsctl/internal/fault"
)

// disk is a store whose file descriptor can be made to lead elsewhere: to a device
// that is always full, to one that swallows what it is given and cannot sync, or to
// the same file without the right to write.
type disk struct {
	t     *testing.T
	store *Store
	fd    int
	real  int // a second descriptor of the file itself
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	d := &disk{t: t}
	opened := func(name string, flag int, mode os.FileMode) (*os.File, error) {
		f, err := os.OpenFile(name, flag, mode)
		if err == nil {
			d.fd = int(f.Fd())
			d.real, err = unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		}
		return f, err
	}
	s, err := open(filepath.Join(t.TempDir(), "state.db"), bbolt.Options{OpenFile: opened})
	if err != nil {
		t.Fatal(err)
	}
	d.store = s
	t.Cleanup(func() {
		d.mend()
		_ = s.Close()
		_ = unix.Close(d.real)
	})
	fill(t, s, 5)
	for n := 10; n < 60; n++ { // leaves free pages, so that the next commits need not grow the file
		mustUpdate(t, s, func(tx *Tx) error { return tx.PutWorkspace(sample(n)) })
	}
	for n := 10; n < 60; n++ {
		mustUpdate(t, s, func(tx *Tx) error {
			return errors.Join(tx.DeleteWorkspace(sample(n).ID), tx.DropTombstone(sample(n).ID))
		})
	}
	return d
}

func (d *disk) become(path string, flag int) {
	d.t.Helper()
	other, err := unix.Open(path, flag|unix.O_CLOEXEC, 0)
	if err == nil {
		err = errors.Join(unix.Dup3(other, d.fd, unix.O_CLOEXEC), unix.Close(other))
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *disk) mend() {
	d.t.Helper()
	if err := unix.Dup3(d.real, d.fd, unix.O_CLOEXEC); err != nil {
		d.t.Fatal(err)
	}
}

func (d *disk) put(n int) error {
	return d.store.Update(func(tx *Tx) error { return tx.PutWorkspace(sample(n)) })
}

func (d *disk) wantWorkspaces(n int) {
	d.t.Helper()
	mustView(d.t, d.store, func(tx *Tx) error {
		if got := len(tx.ids(bName, nil)); got != n {
			d.t.Errorf("%d workspaces, want %d", got, n)
		}
		return nil
	})
}

func TestAFullDiskRefusesWritesUntilThereIsSpace(t *testing.T) {
	d := newDisk(t)
	d.become("/dev/full", unix.O_RDWR)
	for n := 10; n < 15; n++ {
		f := wantCode(t, d.put(n), fault.StorageFull, "storage_full")
		if f.Hint == "" || !errors.Is(f, unix.ENOSPC) {
			t.Errorf("hint %q, cause %v", f.Hint, f.Err)
		}
		d.wantWorkspaces(5) // reads go on
	}
	d.mend()
	for n := 10; n < 40; n++ {
		if err := d.put(n); err != nil {
			t.Fatalf("with space again: %v", err)
		}
	}
	d.wantWorkspaces(35)
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	mustBeSound(t, d.store.path)
}

func TestAFailedSyncIsTheEndOfWriting(t *testing.T) {
	d := newDisk(t)
	d.become("/dev/null", unix.O_RDWR) // writes vanish, syncing is an error
	f := wantCode(t, d.put(10), fault.Unavailable, "store_failed")
	if !errors.Is(f, unix.EINVAL) {
		t.Errorf("cause is %v, want that of the sync", f.Err)
	}
	d.mend()
	for n := 11; n < 14; n++ { // the disk is well, but nobody knows what it has lost
		wantCode(t, d.put(n), fault.Unavailable, "store_failed")
	}
	wantCode(t, d.store.Update(func(*Tx) error {
		t.Error("a function was run that cannot be committed")
		return nil
	}), fault.Unavailable, "store_failed")
	d.wantWorkspaces(5)
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	mustBeSound(t, d.store.path)
	again := openStore(t, d.store.path)
	mustUpdate(t, again, func(tx *Tx) error { return tx.PutWorkspace(sample(10)) })
}

func TestAFailedWriteForAnyOtherReasonIsTheEndOfWriting(t *testing.T) {
	d := newDisk(t)
	d.become(d.store.path, unix.O_RDONLY) // EBADF
	wantCode(t, d.put(10), fault.Unavailable, "store_failed")
	d.mend()
	wantCode(t, d.put(11), fault.Unavailable, "store_failed")
	d.wantWorkspaces(5)
}

func TestWritesThatFailAreTold(t *testing.T) {
	write := func(e error) error { return &os.PathError{Op: "write", Path: "x", Err: e} }
	for name, c := range map[string]struct {
		err  error
		code string
	}{
		"no space":                {write(unix.ENOSPC), "storage_full"},
		"over quota":              {write(unix.EDQUOT), "storage_full"},
		"file size limit":         {write(unix.EFBIG), "storage_full"},
		"read-only":               {write(unix.EROFS), "storage_readonly"},
		"input/output error":      {write(unix.EIO), "store_failed"},
		"no space found by sync":  {unix.ENOSPC, "store_failed"},
		"no space found by fsync": {&os.PathError{Op: "sync", Path: "x", Err: unix.ENOSPC}, "store_failed"},
		"anything else":           {errors.New("else"), "store_failed"},
	} {
		if got := commitFault(c.err); got.Code != c.code {
			t.Errorf("%s: %s, want %s", name, got.Code, c.code)
		}
	}
}

func TestAFullDiskAtTheFirstStartLeavesNothing(t *testing.T) {
	if _, err := createPrivate("/dev/full/x"); err == nil {
		t.Fatal("made a file below a device")
	}
	dir := t.TempDir()
	err := writeFile(filepath.Join(dir, "a.new"), filepath.Join(dir, "a"), func(w io.Writer) error {
		return &os.PathError{Op: "write", Path: "a", Err: unix.ENOSPC}
	})
	wantCode(t, err, fault.StorageFull, "storage_full")
	if names := entries(t, dir); len(names) != 0 {
		t.Errorf("the directory holds %q", names)
	}
}
