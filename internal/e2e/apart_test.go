package e2e_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// apart is a network namespace with nothing but a loopback interface. Chromium drops requests
// that wait for a connection (ERR_NETWORK_CHANGED) whenever the host has an address more or
// less, and the engine adds and removes some with each network: in the host's own namespace a
// page would be disturbed by the workspaces of the tests beside it.
type apart struct{ do chan func() }

// newApart returns a namespace that lasts until the test ends; nil where none may be made.
func newApart(t *testing.T) *apart {
	t.Helper()
	a := &apart{make(chan func())}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		made <- unshared()
		for f := range a.do {
			f()
		}
	}()
	t.Cleanup(func() { close(a.do) })
	switch err := <-made; {
	case errors.Is(err, unix.EPERM):
		t.Log("no network namespace may be made here: networks that come and go can disturb the page")
		return nil
	case err != nil:
		t.Fatal(err)
	}
	return a
}

// unshared gives the thread a namespace of its own.
func unshared() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// in runs f in the namespace, that of the host where a is nil. A process or a socket that f
// makes belongs there.
func (a *apart) in(f func()) {
	if a == nil {
		f()
		return
	}
	done := make(chan struct{})
	a.do <- func() { defer close(done); f() }
	<-done
}

// dial connects to what listens in the namespace.
func (a *apart) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	a.in(func() { conn, err = new(net.Dialer).DialContext(ctx, network, address) })
	return conn, err
}

// lead has a port of the loopback address lead to that of the host.
func (a *apart) lead(t *testing.T, port string) {
	t.Helper()
	if a == nil {
		return
	}
	address := net.JoinHostPort("127.0.0.1", port)
	var l net.Listener
	var err error
	a.in(func() { l, err = net.Listen("tcp", address) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go through(conn, address)
		}
	}()
}

// through carries a connection on to address.
func through(from net.Conn, address string) {
	defer from.Close()
	to, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer to.Close()
	ends := make(chan error, 2)
	half := func(dst, src net.Conn) {
		_, err := io.Copy(dst, src)
		ends <- errors.Join(err, dst.(*net.TCPConn).CloseWrite())
	}
	go half(to, from)
	go half(from, to)
	if <-ends == nil {
		<-ends
	}
}
