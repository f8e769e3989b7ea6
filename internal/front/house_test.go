package front

import (
	"context"
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
	ports []int                // that were asked for inside
	lag   func() time.Duration // of the way inside; nil: none
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
	if i.lag != nil {
		time.Sleep(i.lag())
	}
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
