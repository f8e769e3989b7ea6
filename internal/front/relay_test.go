package front

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// twoHalves is a connection in memory of which each side can end its half, as of TCP.
func twoHalves() (a, b net.Conn) {
	toA, fromB := net.Pipe()
	fromA, toB := net.Pipe()
	return duplex{toA, fromA}, duplex{toB, fromB}
}

// duplex reads from one pipe and writes to another.
type duplex struct {
	net.Conn // to read from
	out      net.Conn
}

func (d duplex) Write(p []byte) (int, error) { return d.out.Write(p) }
func (d duplex) CloseWrite() error           { return d.out.Close() }
func (d duplex) Close() error                { return errors.Join(d.Conn.Close(), d.out.Close()) }

// While the half that is left says something it may take as long as it likes.
func TestAHalfThatIsInUseIsNotCutOff(t *testing.T) {
	const lines = 40
	for what, row := range map[string]struct {
		pause time.Duration
		came  int
	}{
		"it says something now and then": {halfOpen * 9 / 10, lines},
		"it is silent for too long":      {halfOpen * 21 / 10, 1},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, outer := twoHalves()
				inner, server := twoHalves()
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					_, _ = io.Copy(io.Discard, server) // until the client has ended its half
					for range lines {
						if _, err := server.Write([]byte("x")); err != nil {
							break
						}
						time.Sleep(row.pause)
					}
					_ = server.Close()
				}()
				go relay(outer, inner, nil, halfOpen)
				_ = client.(duplex).CloseWrite()
				if got, err := io.ReadAll(client); len(got) != row.came {
					t.Errorf("of %d bytes %d came, %v", lines, len(got), err)
				}
				<-ended
			})
		})
	}
}

// Over TCP the kernel copies by itself, and the deadline ends a copy that has moved something.
func TestADeadlineThatPassesWhileSomethingIsSaidIsMovedOn(t *testing.T) {
	for range 40 { // the deadline is seen while the copy waits, or a moment later
		near, src := tcpPair(t)
		dst, far := tcpPair(t)
		ended := make(chan error, 1)
		go func() { ended <- copyHalf(dst, src, time.Hour) }()
		says := func() {
			t.Helper()
			if _, err := near.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(far, make([]byte, 1)); err != nil {
				t.Fatalf("cut off: %v", err)
			}
		}
		_ = far.SetReadDeadline(time.Now().Add(patience))
		says()
		if err := src.SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		says()
		_ = near.CloseWrite()
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the end is told as %v", err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// tcpPair is the two ends of a connection.
func tcpPair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = dialled.Close(), accepted.Close() })
	return dialled.(*net.TCPConn), accepted.(*net.TCPConn)
}
