package front

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// halfOpen is how long a connection may be silent after one side has said that it
// sends no more. A client that is gone altogether looks the same from here; without an
// end a server that does not mind would keep the connection for ever.
const halfOpen = 5 * time.Minute

// relay copies both ways until both sides have ended, one has failed, or one has ended
// and the other is silent for longer than linger. What comes passes g, if there is one; who is
// refused by it is left to be answered, on a connection that stands. What nobody looks at is
// moved by the kernel alone, where it can.
func relay(a, b net.Conn, g *gate, linger time.Duration) {
	ends := make(chan error, 2)
	oneWay := func(dst, src net.Conn) {
		err := copyHalf(dst, src, linger)
		if err == nil {
			// The other direction goes on, but not for ever.
			err = dst.SetReadDeadline(time.Now().Add(linger))
		}
		if err != nil {
			abort(b)
		}
		if err != nil && !errors.Is(err, errRefused) {
			abort(a)
		}
		ends <- err
	}
	fromA, fromB := a, b
	if g != nil {
		fromA, fromB = clientSide{a, g}, serverSide{b, g}
	}
	go oneWay(a, fromB)
	oneWay(b, fromA)
	_, _ = <-ends, <-ends
}

// abort closes c so that the other side learns that something failed, and does not take
// what it has for all there is.
func abort(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

// copyHalf copies until src ends, then ends that direction of dst, so that protocols
// that half-close work. Once src has a deadline to read by, silence until then is an
// error; whatever was said before it moves it on by linger.
func copyHalf(dst, src net.Conn, linger time.Duration) error {
	for {
		n, err := io.Copy(dst, src)
		if err == nil {
			break
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 {
			return err
		}
		if err := src.SetReadDeadline(time.Now().Add(linger)); err != nil {
			return err
		}
	}
	if c, ok := dst.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return dst.Close()
}
