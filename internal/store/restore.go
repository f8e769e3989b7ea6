package store

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/wsctl/wsctl/internal/fault"
)

// Restore puts a copy of backup in the place of the state file at path. The
// caller holds Lock on its directory; no daemon may run.
//
// The copy is verified (see Verify, which is why this belongs into a process of
// its own) before anything changes: "backup_damaged" if it is not sound. A file
// that is there and not empty is "store_exists" unless force; then it is kept as
// PATH.before-restore, in place of an earlier one. At every moment path is either
// the old file or the new one. The instance is that of the backup.
func Restore(backup, path string, force bool) error {
	path, fresh, err := locate(path)
	if err != nil && !fault.HasCode(err, "store_damaged") {
		return err
	}
	if !fresh {
		if err := mayReplace(backup, path, force); err != nil {
			return err
		}
	}
	temp := path + ".restore"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot remove an unfinished restore: %w", err)
	}
	defer os.Remove(temp) // gone already when all went well
	if err := copyFile(backup, temp); err != nil {
		return err
	}
	if err := sound(backup, temp); err != nil {
		return err
	}
	if !fresh {
		if err := keepOld(path); err != nil {
			return err
		}
	}
	return install(temp, path)
}

// mayReplace refuses a target that is in use, is the backup itself, or would be
// lost.
func mayReplace(backup, path string, force bool) error {
	f, err := os.Open(path)
	if err != nil {
		return openFault(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return fault.New(fault.Invalid, "state_file_invalid", "%s is not a regular file", path).WithCause(err)
	}
	if source, err := os.Stat(backup); err == nil && os.SameFile(source, info) {
		return fault.New(fault.Invalid, "backup_invalid", "%s is the state file itself", backup)
	}
	if info.Size() > 0 && !force {
		return fault.New(fault.Conflict, "store_exists", "there is a state file at %s", path).
			WithHint("with --force it is replaced, and kept as %s.before-restore", path)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fault.New(fault.Conflict, "store_busy", "another program uses the state file %s", path).
			WithHint("stop it first: wsctl daemon stop").WithCause(err)
	}
	return nil
}

func copyFile(from, to string) error {
	info, err := os.Stat(from)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		return fault.New(fault.Invalid, "backup_invalid", "the backup %s cannot be read", from).WithCause(err)
	}
	in, err := os.Open(from)
	if err != nil {
		return fault.New(fault.Invalid, "backup_invalid", "the backup %s cannot be read", from).WithCause(err)
	}
	defer in.Close()
	out, err := createPrivate(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return fileFault(err, "copy %s", from)
	}
	return nil
}

// sound verifies the copy, but speaks of the backup.
func sound(backup, copied string) error {
	r, err := Verify(copied)
	bad := fault.New(fault.Invalid, "backup_damaged", "the backup %s is damaged; nothing was changed", backup).
		WithHint("try an earlier backup")
	switch {
	case fault.HasCode(err, "schema_newer"):
		return fault.New(fault.Unsupported, "schema_newer", "the backup %s was made by a newer wsd (schema %d; this one knows %d)", backup, r.Schema, currentSchema())
	case fault.HasCode(err, "store_damaged"):
		return bad.WithCause(err)
	case err != nil:
		return err
	case len(r.Problems) > 0:
		return bad.WithCause(fmt.Errorf("%d problems, the first: %s", len(r.Problems), r.Problems[0]))
	}
	return nil
}

// keepOld gives the old file a second name, so that path never names nothing.
func keepOld(path string) error {
	kept := path + ".before-restore"
	if err := os.Remove(kept); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot remove %s: %w", kept, err)
	}
	if err := os.Link(path, kept); err == nil {
		return os.Chmod(kept, 0o600)
	}
	return copyFile(path, kept) // a file system without hard links
}
