package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsctl/wsctl/internal/fault"
)

// LockName is the file inside the state directory that a daemon holds locked. It
// is never removed: a lock on a removed file is a lock on nothing.
const LockName = "wsd.lock"

// A holder that was just killed is alive for some more milliseconds, and a loser may
// read before the winner has written who it is; hence several looks.
const (
	lockReads = 20
	lockPause = 10 * time.Millisecond
)

// LockFile is a held lock. The kernel frees it when the process dies.
type LockFile struct{ file *os.File }

// Lock makes dir (0700) if it is not there and locks it for this process, before
// anything in it is touched. holder is a word for people, such as "wsd". If
// another process holds it: Conflict "already_running" with its pid, within 0.5 s.
func Lock(dir, holder string) (*LockFile, error) {
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, LockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fileFault(err, "open the lock")
	}
	if err := awaitLock(f); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, alreadyRunning(f, dir)
		}
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	if err := writeHolder(f, holder); err != nil {
		_ = f.Close()
		return nil, err
	}
	return &LockFile{f}, nil
}

// awaitLock asks several times while another process holds the lock.
func awaitLock(f *os.File) error {
	for range lockReads {
		if err := tryLock(f); !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		time.Sleep(lockPause)
	}
	return tryLock(f)
}

func tryLock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func writeHolder(f *os.File, holder string) error {
	if err := f.Chmod(0o600); err != nil {
		return fmt.Errorf("cannot protect the lock: %w", err)
	}
	text := fmt.Sprintf("%d %s\n", os.Getpid(), strings.ReplaceAll(holder, "\n", " "))
	err := f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(text), 0)
	}
	// A full disk must not keep the daemon from starting: the lock is held, only
	// its holder stays unnamed.
	if err != nil && spaceFault(err) == nil {
		return fmt.Errorf("cannot write the lock: %w", err)
	}
	return nil
}

// alreadyRunning names the holder. What is read may be left over from a dead one
// while the new one has not written yet, hence the second look.
func alreadyRunning(f *os.File, dir string) error {
	e := fault.New(fault.Conflict, "already_running", "another program already works on %s", dir)
	for range lockReads {
		if pid, holder := readHolder(f); alive(pid) {
			e.Text = fmt.Sprintf("%s is already running on %s with pid %d", holder, dir, pid)
			return e.WithHint("use it, or stop it first: wsctl daemon stop")
		}
		time.Sleep(lockPause)
	}
	return e
}

// Holder is the word for whoever holds the lock of dir, as it was given to Lock; "" where
// nobody is named, as in the moments in which it comes and goes. It tells something only
// right after Lock has failed with "already_running".
func Holder(dir string) string {
	f, err := os.Open(filepath.Join(dir, LockName))
	if err != nil {
		return ""
	}
	defer f.Close()
	pid, holder := readHolder(f)
	if pid == 0 {
		return ""
	}
	return holder
}

func readHolder(f *os.File) (pid int, holder string) {
	buf := make([]byte, 256)
	n, _ := f.ReadAt(buf, 0)
	first, rest, _ := strings.Cut(strings.TrimSpace(string(buf[:n])), " ")
	pid, _ = strconv.Atoi(first)
	if rest == "" {
		rest = "another program"
	}
	return pid, rest
}

func alive(pid int) bool {
	if pid <= 0 {
		return false
	}
	err := unix.Kill(pid, 0)
	return err == nil || errors.Is(err, unix.EPERM)
}

// Release frees the lock. The file stays, empty.
func (l *LockFile) Release() error {
	_ = l.file.Truncate(0) // so that nobody is named who is gone
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("cannot release the lock: %w", err)
	}
	return nil
}

// makeDir makes dir with mode 0700 whatever the umask says. A directory that is
// there already keeps its mode: it may not be ours alone.
func makeDir(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return fileFault(err, "make the state directory")
	}
	switch err := os.Mkdir(dir, 0o700); {
	case errors.Is(err, os.ErrExist):
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return fault.New(fault.Invalid, "state_dir_invalid", "%s is not a directory", dir)
		}
		return nil
	case err != nil:
		return fileFault(err, "make the state directory")
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("cannot protect the state directory: %w", err)
	}
	return syncPath(filepath.Dir(dir))
}
