package serve

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// socketPair returns two ends of a connection; theirs goes to another process.
func socketPair() (mine *net.UnixConn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	f := os.NewFile(uintptr(fds[0]), "ssh") //nolint:gosec // a file descriptor
	theirs = os.NewFile(uintptr(fds[1]), "ssh")
	conn, err := net.FileConn(f) // has a descriptor of its own
	_ = f.Close()
	if err != nil {
		_ = theirs.Close()
		return nil, nil, err
	}
	return conn.(*net.UnixConn), theirs, nil
}
