package front

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
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

func TestBytesGoBothWays(t *testing.T) {
	h := open(t, 10, echo).run()
	c := h.dial()
	h.exchange(c, "hello")
	h.exchange(c, "again")
	if n := h.behind.dialled(); n != 1 {
		t.Errorf("the inside was dialled %d times", n)
	}
}

func TestAClientMayEndItsHalfFirst(t *testing.T) {
	sent := make([]byte, 300<<10)
	_, _ = rand.Read(sent)
	h := open(t, 10, func(c *net.TCPConn) {
		all, _ := io.ReadAll(c) // ends only with the client's half
		_, _ = c.Write(all)
	}).run()
	c := h.dial()
	if _, err := c.Write(sent); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("of %d bytes %d came back, %v", len(sent), len(got), err)
	}
}

func TestAServerMayEndItsHalfFirst(t *testing.T) {
	heard := make(chan string, 1)
	h := open(t, 10, func(c *net.TCPConn) {
		_, _ = c.Write([]byte("bye"))
		_ = c.CloseWrite()
		rest, _ := io.ReadAll(c)
		heard <- string(rest)
	}).run()
	c := h.dial()
	if got, err := io.ReadAll(c); err != nil || string(got) != "bye" {
		t.Fatalf("got %q, %v", got, err)
	}
	_, _ = c.Write([]byte("but listen"))
	_ = c.CloseWrite()
	select {
	case got := <-heard:
		if got != "but listen" {
			t.Errorf("the server heard %q", got)
		}
	case <-time.After(patience):
		t.Error("the server heard nothing")
	}
}

func TestManyConnectionsKeepTheirBytesApart(t *testing.T) {
	const many = 100
	h := open(t, many, echo).run()
	var group sync.WaitGroup
	for range many {
		c := h.dial()
		group.Go(func() {
			sent := make([]byte, 200<<10)
			_, _ = rand.Read(sent)
			go func() { _, _ = c.Write(sent); _ = c.CloseWrite() }()
			if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("of %d bytes %d came back equal: %t, %v", len(sent), len(got), bytes.Equal(got, sent), err)
			}
		})
	}
	group.Wait()
}

func TestAClientThatBreaksOffTakesTheInsideAlong(t *testing.T) {
	ended := make(chan error, 1)
	h := open(t, 10, func(c *net.TCPConn) {
		_, err := io.Copy(io.Discard, c)
		ended <- err
	}).run()
	c := h.dial()
	h.eventually("it is carried", func() bool { return h.carried() == 1 })
	_ = c.SetLinger(0) // a reset, not an end
	_ = c.Close()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the inside is not told")
	}
	h.eventually("nothing is carried", func() bool { return h.carried() == 0 })
}

func TestAServerThatBreaksOffIsNotTakenForItsEnd(t *testing.T) {
	h := open(t, 10, func(c *net.TCPConn) {
		_, _ = c.Read(make([]byte, 1))
		_ = c.SetLinger(0)
		_ = c.Close()
	}).run()
	c := h.dial()
	_, _ = c.Write([]byte("x"))
	if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client is told %v", err)
	}
}

// A server that does not mind the end of its client must not keep the connection.
func TestAClientThatIsGoneIsForgottenInTime(t *testing.T) {
	release := make(chan struct{})
	h := open(t, 10, func(*net.TCPConn) { <-release })
	defer close(release)
	h.linger = 20 * time.Millisecond
	h.run()
	c := h.dial()
	h.eventually("it is carried", func() bool { return h.carried() == 1 })
	_ = c.Close()
	h.eventually("nothing is carried", func() bool { return h.carried() == 0 })
}

func TestASlowReaderHoldsUpOnlyItself(t *testing.T) {
	h := open(t, 10, func(c *net.TCPConn) {
		line := make([]byte, 1)
		if _, err := io.ReadFull(c, line); err != nil {
			return
		}
		if line[0] == 'f' {
			_, _ = io.CopyN(c, zeros{}, 64<<20)
			return
		}
		_, _ = c.Write(line)
	}).run()
	slow := h.dial()
	_, _ = slow.Write([]byte("f")) // and reads nothing
	h.exchange(h.dial(), "q")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// The daemon counts on it: without a file left it could not even answer.
func TestAConnectionHoldsNoMoreFilesThanIsSaid(t *testing.T) {
	n := openNames(t, upgrading)
	pipes := func() (count int) {
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range all {
			if to, _ := os.Readlink("/proc/self/fd/" + one.Name()); strings.HasPrefix(to, "pipe:") {
				count++
			}
		}
		return count
	}
	before := pipes()
	const sockets = 10
	for range sockets {
		k := n.call()
		k.send("GET / HTTP/1.1\r\nHost: demo.localhost\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		if res, err := http.ReadResponse(k.r, nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("%v %v", res, err)
		}
		k.send("ping\n")
		if said, err := k.r.ReadString('\n'); said != "ping\n" {
			t.Fatalf("%q %v", said, err)
		}
	}
	if more := pipes() - before; more > sockets*(Descriptors-2) {
		t.Errorf("%d connections hold %d files beside their ends", sockets, more)
	}
}
