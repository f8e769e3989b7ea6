package front

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// patience bounds every wait of these tests; none is meant to take long.
const patience = 10 * time.Second

// faulty is the image of a workspace whose look-up panics.
const faulty = "faulty"

// inside is what is behind the door: one workspace with a server of its own, or an error.
type inside struct {
	early bool // what initializes answers already
	mu    sync.Mutex
	addr  string
	err   error // of every way in
	dials int
	wakes []string      // their causes
	slow  chan struct{} // a start waits for it, if it is there
	row   workspace.Workspace
	ports []int // that were asked for inside
	news  event.Bus[api.Message]
	book
}

func (i *inside) DialPort(ctx context.Context, _ int) (net.Conn, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.dials++
	return i.connect(ctx)
}

func (i *inside) connect(ctx context.Context) (net.Conn, error) {
	if i.err != nil {
		return nil, i.err
	}
	if i.row.State != workspace.Running && !(i.row.State == workspace.Initializing && i.early) {
		return nil, fault.New(fault.Conflict, "not_running", "workspace %s is %s", i.row.Name, i.row.State)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp4", i.addr)
}

func (i *inside) Reach(ctx context.Context, id, run string, port int) (net.Conn, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ports = append(i.ports, port)
	if id != i.row.ID || run != i.row.Run {
		return nil, fault.New(fault.Conflict, "not_running", "it is another run")
	}
	return i.connect(ctx)
}

func (i *inside) Leased(int) (workspace.Workspace, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.row.Spec.Image == faulty {
		panic("a fault of the door's own")
	}
	return i.row, nil
}

func (i *inside) Named(name string) (workspace.Workspace, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.row.Spec.Image == faulty {
		panic("a fault of the door's own")
	}
	if name != i.row.Name {
		return workspace.Workspace{}, fault.New(fault.NotFound, "workspace_not_found", "there is no workspace %q", name)
	}
	return i.row, nil
}

func (i *inside) Wake(ctx context.Context, _, cause string) (workspace.Workspace, error) {
	i.mu.Lock()
	i.wakes = append(i.wakes, cause)
	slow := i.slow
	i.mu.Unlock()
	if slow != nil {
		select {
		case <-slow:
		case <-ctx.Done():
			return workspace.Workspace{}, ctx.Err()
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.row.State, i.row.Run = workspace.Running, i.row.Run+"+"
	return i.row, i.err
}

func (i *inside) Offers(context.Context, string) []api.Listening {
	return []api.Listening{{Port: 5173, Process: "<vite>", URL: "http://5173.demo.localhost/"}}
}

// become changes the workspace, and tells who watches it.
func (i *inside) become(change func(w *workspace.Workspace)) {
	i.mu.Lock()
	change(&i.row)
	row := i.row
	i.mu.Unlock()
	i.news.Publish(api.Message{Type: "event", Event: &event.Event{Kind: event.WorkspaceState}, Workspace: &row})
}

func (i *inside) Watch(ctx context.Context, _ workspace.Actor, _ int64, _ string, yield func(api.Message) error) error {
	ch, cancel := i.news.Subscribe(10)
	defer cancel()
	i.mu.Lock()
	row := i.row
	i.mu.Unlock()
	for _, m := range []api.Message{{Type: "hello"}, {Type: "snapshot", Workspaces: []workspace.Workspace{row}}} {
		if err := yield(m); err != nil {
			return err
		}
	}
	for {
		select {
		case m := <-ch:
			if err := yield(m); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (i *inside) Uses(ids ...string) map[string]api.Activity {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.row.State != workspace.Running {
		return nil
	}
	return map[string]api.Activity{ids[0]: {Level: activity.Idle, StopAt: time.Unix(1<<33, 0).UTC()}}
}

func (i *inside) woken() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.wakes)
}

func (i *inside) fail(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.err = err
}

func (i *inside) dialled() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.dials
}

// house is a door that runs, with one open port and a server behind it.
type house struct {
	*Door
	t      testing.TB
	port   int
	behind *inside
	stop   func() // ends Run and waits for it
}

// open runs a door before a server that handles each connection with serve.
func open(t testing.TB, connections int, serve func(*net.TCPConn)) *house {
	t.Helper()
	server := listen(t, "127.0.0.1:0")
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c.(*net.TCPConn))
			}()
		}
	}()
	h := &house{Door: New(slog.New(slog.DiscardHandler), connections, nil), t: t, behind: &inside{addr: server.Addr().String(), row: demo()}}
	h.port = freePort(t)
	if err := h.Open(h.port); err != nil {
		t.Fatal(err)
	}
	return h
}

// demo is a workspace that runs.
func demo() workspace.Workspace {
	return workspace.Workspace{
		ID: "wdemo", Name: "demo", Owner: "uid:1", State: workspace.Running, Desired: workspace.WantRunning, Run: "r1",
		Spec: workspace.Spec{Port: 8080},
	}
}

func (h *house) run(names ...string) *house {
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx, h.behind, strings.Join(names, "")) }()
	var once sync.Once
	h.stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					h.t.Error(err)
				}
			case <-time.After(patience):
				h.t.Error("the door does not end")
			}
		})
	}
	h.t.Cleanup(h.stop)
	return h
}

func listen(t testing.TB, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// freePort returns a port that nobody listens on now.
func freePort(t testing.TB) int {
	t.Helper()
	l := listen(t, "127.0.0.1:0")
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (h *house) dial() *net.TCPConn {
	h.t.Helper()
	c, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", h.port))
	if err != nil {
		h.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	h.t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

func echo(c *net.TCPConn) { _, _ = io.Copy(c, c); _ = c.CloseWrite() }

// exchange sends a line and wants it back.
func (h *house) exchange(c net.Conn, line string) {
	h.t.Helper()
	got := make([]byte, len(line))
	if _, err := c.Write([]byte(line)); err != nil {
		h.t.Fatal(err)
	}
	if _, err := io.ReadFull(c, got); err != nil || string(got) != line {
		h.t.Fatalf("got %q, %v", got, err)
	}
}

// wantEnd wants the connection to be over, at once or after what is still sent.
func (h *house) wantEnd(c net.Conn) {
	h.t.Helper()
	_, err := io.Copy(io.Discard, c)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		h.t.Errorf("it ends with %v", err)
	}
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

func TestAWorkspaceThatDoesNotRunClosesAtOnce(t *testing.T) {
	h := open(t, 10, echo).run()
	h.behind.fail(errors.New("it is stopped"))
	c := h.dial()
	_, _ = c.Write([]byte("x"))
	h.wantEnd(c)
	h.behind.fail(nil)
	h.exchange(h.dial(), "now it runs")
}

func TestClosingGivesThePortBackAndLeavesConnectionsAlone(t *testing.T) {
	h := open(t, 10, echo).run()
	c := h.dial()
	h.exchange(c, "before")
	h.Close(h.port)
	if h.Holds(h.port) {
		t.Error("it says that it holds the port still")
	}
	other := listen(t, fmt.Sprintf("127.0.0.1:%d", h.port))
	h.exchange(c, "after")
	if err := h.Open(h.port); err == nil {
		t.Error("it opens a port that another program holds")
	}
	_ = other.Close()
	if err := h.Open(h.port); err != nil || !h.Holds(h.port) {
		t.Fatalf("it does not take the port back: %v", err)
	}
	h.exchange(h.dial(), "again")
	h.Close(h.port)
	h.Close(h.port) // does nothing
}

func TestAPortOfAnotherProgramIsRefused(t *testing.T) {
	other := listen(t, "127.0.0.1:0")
	port := other.Addr().(*net.TCPAddr).Port
	d := New(slog.New(slog.DiscardHandler), 10, nil)
	if err := d.Open(port); !errors.Is(err, syscall.EADDRINUSE) || d.Holds(port) {
		t.Errorf("got %v, held: %t", err, d.Holds(port))
	}
}

func TestOpeningTwiceIsFine(t *testing.T) {
	h := open(t, 10, echo).run()
	if err := h.Open(h.port); err != nil {
		t.Error(err)
	}
	h.exchange(h.dial(), "hello")
}

func TestWhoComesBeforeRunIsCarriedFromThenOn(t *testing.T) {
	h := open(t, 10, echo)
	c := h.dial()
	if _, err := c.Write([]byte("early")); err != nil {
		t.Fatal(err)
	}
	h.run()
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "early" {
		t.Errorf("got %q, %v", got, err)
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

func TestTheEndClosesPortsAndConnections(t *testing.T) {
	h := open(t, 10, echo).run()
	c := h.dial()
	h.exchange(c, "hello")
	h.stop()
	h.wantEnd(c)
	_ = listen(t, fmt.Sprintf("127.0.0.1:%d", h.port))
	if err := h.Open(freePort(t)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a door that has ended opens: %v", err)
	}
}

func TestOneMoreThanItCarriesIsClosedAtOnce(t *testing.T) {
	h := open(t, 2, echo).run()
	first, second := h.dial(), h.dial()
	h.exchange(first, "a")
	h.exchange(second, "b")
	h.wantEnd(h.dial())
	h.exchange(second, "undisturbed")
	_ = first.Close()
	h.eventually("a place is free again", func() bool {
		c := h.dial()
		_, _ = c.Write([]byte("x"))
		_, err := io.ReadFull(c, make([]byte, 1))
		return err == nil
	})
}

// eventually polls a real condition.
func (h *house) eventually(what string, holds func() bool) {
	h.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

func (h *house) carried() int { return len(h.places) }

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
