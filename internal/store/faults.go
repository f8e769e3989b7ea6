package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"github.com/wsctl/wsctl/internal/fault"
)

// storeDamaged says that the file as a whole cannot be used.
func storeDamaged(path string, cause error) *fault.Error {
	return fault.New(fault.Internal, "store_damaged", "the state file %s is damaged; it was not changed", path).
		WithHint("keep a copy, then restore a backup over it: wsctl admin restore BACKUP --force").WithCause(cause)
}

func recordDamaged(bucket string, key []byte, cause error) *fault.Error {
	return fault.New(fault.Internal, "record_damaged", "the record %s is damaged", recordName(bucket, key)).
		WithHint("other records are not affected; see wsctl admin verify, and restore a backup").WithCause(cause)
}

func isDamagedRecord(err error) bool { return fault.HasCode(err, "record_damaged") }

// recordName names a row for people: text as it is, anything else in hexadecimal.
func recordName(bucket string, key []byte) string {
	if strings.ContainsFunc(string(key), func(r rune) bool { return r < ' ' || r > '~' }) {
		return fmt.Sprintf("%s/%x", bucket, key)
	}
	return fmt.Sprintf("%s/%s", bucket, key)
}

// openFault explains why bbolt or the kernel would not open path.
func openFault(path string, err error) error {
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return fault.New(fault.Conflict, "store_busy", "another program uses the state file %s", path).
			WithHint("stop the daemon first, or work on a backup").WithCause(err)
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.NotFound, "store_missing", "there is no state file %s", path).WithCause(err)
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Denied, "store_denied", "the state file %s may not be opened by this user", path).WithCause(err)
	case errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrVersionMismatch), errors.Is(err, bbolterrors.ErrChecksum):
		return storeDamaged(path, err)
	}
	return fileFault(err, "open %s", path)
}

// Refused explains an operation on a file beside the store that was refused for lack of space,
// or because nothing may be written; it is nil for anything else.
func Refused(err error) *fault.Error { return spaceFault(err) }

// spaceFault explains a call that was refused as a whole for lack of space, or
// because nothing may be written; it is nil for anything else.
func spaceFault(err error) *fault.Error {
	var call *fs.PathError
	if !errors.As(err, &call) || call.Op == "sync" {
		return nil // a failed sync is never harmless, whatever its reason
	}
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT), errors.Is(err, unix.EFBIG):
		return storageFull(err)
	case errors.Is(err, unix.EROFS):
		return fault.New(fault.Unavailable, "storage_readonly", "the daemon's state is on a file system that cannot be written").
			WithHint("make it writable again; a disk that fails is made read-only by the system, see `dmesg`").WithCause(err)
	}
	return nil
}

// commitFault explains a failed commit. After spaceFault the store is usable:
// bbolt has rolled back, and the pages written so far are free ones. After a
// failed sync nobody knows what is on the disk.
func commitFault(err error) *fault.Error {
	if f := spaceFault(err); f != nil {
		return f
	}
	if errors.Is(err, bbolterrors.ErrDatabaseNotOpen) {
		return fault.New(fault.Unavailable, "store_closed", "the daemon's state is closed").WithCause(err)
	}
	return storeFailed(err)
}

// fileFault is `cannot X: %w`, or spaceFault where that is the reason.
func fileFault(err error, format string, args ...any) error {
	if f := spaceFault(err); f != nil {
		return f
	}
	return fmt.Errorf("cannot %s: %w", fmt.Sprintf(format, args...), err)
}

func storeFailed(cause error) *fault.Error {
	return fault.New(fault.Unavailable, "store_failed", "writing the daemon's state has failed; nothing more is written until wsd is started again").
		WithHint("check the disk, then run: wsctl daemon stop && wsctl daemon start").WithCause(cause)
}

// guard runs fn and turns a panic of bbolt, or a fault in mapped memory, into
// "store_damaged". Any other panic is the caller's and goes on.
func guard(path string, fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if !isDamage(r) {
				panic(r)
			}
			err = storeDamaged(path, fmt.Errorf("cannot read a page: %v", r))
		}
	}()
	return fn()
}

// isDamage must be called by a deferred function while r is being recovered.
func isDamage(r any) bool {
	if _, ok := r.(interface{ Addr() uintptr }); ok {
		return true // a memory fault at an address: a page that is not there
	}
	pc := make([]uintptr, 32)
	frames := runtime.CallersFrames(pc[:runtime.Callers(1, pc)])
	panicking := false
	for {
		f, more := frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			panicking = true
		case panicking && !strings.HasPrefix(f.Function, "runtime."):
			return strings.HasPrefix(f.Function, "go.etcd.io/bbolt")
		}
		if !more {
			return false
		}
	}
}

// openBolt opens an existing file and never makes one. The file is returned too,
// because a panic of bbolt.Open would leak its lock.
func openBolt(path string, o bbolt.Options) (db *bbolt.DB, file *os.File, err error) {
	open := o.OpenFile
	if open == nil {
		open = os.OpenFile
	}
	o.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		f, err := open(name, flag&^os.O_CREATE, mode)
		file = f
		return f, err
	}
	o.Timeout = lockWait
	err = guard(path, func() error {
		db, err = bbolt.Open(path, 0o600, &o)
		return err
	})
	if err != nil {
		if file != nil {
			_ = file.Close() // a second close is harmless
		}
		return nil, nil, err
	}
	return db, file, nil
}
