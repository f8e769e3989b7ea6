package server

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsctl/wsctl/internal/fault"
)

// maxSocketPath is the longest path of a unix socket in bytes: sun_path of unix(7)
// without its final NUL.
const maxSocketPath = 107

// Listen makes the daemon's socket: mode 0600, in a folder of ours (made with mode
// 0700 where it is missing) that nobody else can write to. What a dead daemon left at
// the path is replaced if it is a socket of ours; anything else there is refused and
// left alone. The caller holds the store's lock, so no other daemon of the same state
// can be doing this.
func Listen(path string) (*Socket, error) {
	ln, err := listen(path)
	if err != nil {
		return nil, err
	}
	return &Socket{path: path, ln: ln}, nil
}

func listen(path string) (*net.UnixListener, error) {
	if err := checkSocketPath(path); err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, socketFault("socket_dir", "cannot make the folder %s of the socket", dir).WithCause(err)
	}
	if err := checkSocketDir(dir); err != nil {
		return nil, err
	}
	if err := clearSocket(path); err != nil {
		return nil, err
	}
	ln, err := bind(path)
	if err != nil {
		return nil, socketFault("socket_bind", "cannot listen on %s", path).WithCause(err)
	}
	if err := checkSocketMode(path); err != nil {
		_ = ln.Close()
		return nil, err
	}
	return ln, nil
}

// bind listens on path. The mode is set on the socket before it gets a name (the
// kernel takes it for the file, less the umask), so there is no moment in which
// others could connect.
func bind(path string) (*net.UnixListener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var chmodErr error
		if err := raw.Control(func(fd uintptr) { chmodErr = unix.Fchmod(int(fd), 0o600) }); err != nil {
			return err
		}
		return chmodErr
	}}
	ln, err := lc.Listen(context.Background(), "unix", path) // does not block
	if err != nil {
		return nil, err
	}
	return ln.(*net.UnixListener), nil //nolint:forcetypeassert // what net promises of "unix"
}

func socketFault(code, format string, args ...any) *fault.Error {
	return fault.New(fault.Usage, code, format, args...)
}

func checkSocketPath(path string) error {
	switch {
	case path == "":
		return socketFault("socket_path", "the path of the socket is empty")
	case path[0] == '@' || strings.ContainsRune(path, 0):
		return socketFault("socket_abstract", "%.80q is an abstract socket, which has no permissions", path).
			WithHint("give the path of a file, in a folder of your own")
	case len(path) > maxSocketPath:
		return socketFault("socket_too_long", "the socket's path has %d bytes, the system allows %d", len(path), maxSocketPath).
			WithHint("set socket to a shorter path, such as one in $XDG_RUNTIME_DIR")
	case !filepath.IsAbs(path):
		return socketFault("socket_path", "%.80q is not an absolute path", path).WithHint("begin it with /")
	}
	return nil
}

// checkSocketDir wants the folder to be ours and closed to others, and no way for
// others to put another folder in its place.
func checkSocketDir(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return socketFault("socket_dir", "cannot look at %s", dir).WithCause(err)
	}
	if !info.IsDir() {
		return socketFault("socket_dir", "%s is not a folder", dir).WithHint("a symbolic link is not followed; name its target")
	}
	if uid := ownerOf(info); uid != os.Geteuid() {
		return socketFault("socket_dir_owner", "%s belongs to user %d", dir, uid).WithHint("put the socket into a folder of your own")
	}
	if info.Mode().Perm()&0o022 != 0 {
		return socketFault("socket_dir_open", "others can write to %s", dir).
			WithHint("run `chmod go-w %s`, or put the socket into a folder of its own", dir)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return socketFault("socket_dir", "cannot look at %s", dir).WithCause(err)
	}
	return checkAncestors(filepath.Dir(real))
}

// checkAncestors refuses folders above in which everybody could rename ours. A sticky
// one, such as /tmp, lets only owners do that.
func checkAncestors(dir string) error {
	for {
		info, err := os.Lstat(dir)
		if err != nil {
			return socketFault("socket_dir", "cannot look at %s", dir).WithCause(err)
		}
		if info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
			return socketFault("socket_dir_open", "everybody can write to %s, above the socket", dir).
				WithHint("run `chmod o-w %s`, or put the socket elsewhere", dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
		dir = filepath.Dir(dir)
	}
}

// clearSocket removes a dead socket of ours at path.
func clearSocket(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return socketFault("socket_path", "cannot look at %s", path).WithCause(err)
	case info.Mode().Type() != fs.ModeSocket:
		return socketFault("socket_taken", "%s exists and is not a socket", path).WithHint("move it away, or set socket to another path")
	case ownerOf(info) != os.Geteuid():
		return socketFault("socket_taken", "the socket %s belongs to user %d", path, ownerOf(info)).WithHint("set socket to another path")
	case Listening(path):
		return fault.New(fault.Conflict, "socket_in_use", "a program answers on %s already", path).
			WithHint("it may be a daemon with another state folder; stop it, or set socket to another path")
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return socketFault("socket_path", "cannot remove the dead socket %s", path).WithCause(err)
	}
	return nil
}

// Listening reports whether somebody listens on the socket at path. Only a refusal proves
// that nobody does; a queue that is full proves that somebody did.
func Listening(path string) bool {
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = c.Close()
		return true
	}
	return !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist)
}

// checkSocketMode makes sure of what the kernel should have done.
func checkSocketMode(path string) error {
	if err := os.Chmod(path, 0o600); err != nil {
		return socketFault("socket_mode", "cannot close %s to others", path).WithCause(err)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		return socketFault("socket_mode", "the socket %s is not closed to others", path).WithCause(err)
	}
	return nil
}

func ownerOf(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}
