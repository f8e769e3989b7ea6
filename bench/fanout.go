package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/gateway"
	"github.com/wsctl/wsctl/internal/workspace"
)

// measureFanout compares what the gateway takes to tell many clients with a loop that
// writes the same frames, ready made, to as many TCP sockets. Both kinds of sockets are
// read by the same code, in processes of its own.
func measureFanout(ctx context.Context, s settings) (rows []Row, err error) {
	for _, f := range []struct{ clients, frames int }{{100, 200}, {1000, 20}, {5000, 4}} {
		found, err := fanout(ctx, s, f.clients, f.frames)
		if err != nil {
			return rows, fmt.Errorf("%d clients: %w", f.clients, err)
		}
		rows = append(rows, found...)
	}
	return rows, nil
}

// fanout measures one number of clients.
func fanout(ctx context.Context, s settings, clients, frames int) (rows []Row, err error) {
	h, err := newHall(clients)
	if err != nil {
		return nil, err
	}
	defer h.close()
	plain, err := newRaw()
	if err != nil {
		return nil, err
	}
	defer plain.close()
	accepted := make(chan error, 1)
	go func() { accepted <- plain.accept(clients) }()
	rawReaders, err := startReaders(ctx, "raw", plain.ln.Addr().String(), clients)
	if err != nil {
		return nil, err
	}
	defer rawReaders.end()
	if err := <-accepted; err != nil {
		return nil, err
	}
	if err := h.warm(ctx); err != nil {
		return nil, err
	}
	before, err := settled()
	if err != nil {
		return nil, err
	}
	readers, err := startReaders(ctx, "gateway", h.ln.Addr().String(), clients)
	if err != nil {
		return nil, err
	}
	defer readers.end()
	frame := wireFrame()
	found, err := interleave(ctx, s.count,
		act{before: readers.expect(frames), timed: readers.told(func() error { return h.publish(frames) }), after: rest(20 * time.Millisecond)},
		act{before: rawReaders.expect(frames), timed: rawReaders.told(func() error { return plain.write(frame, frames) }), after: rest(20 * time.Millisecond)})
	if err != nil {
		return nil, err
	}
	after, err := settled()
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("%d frames to %d clients of the gateway / to as many TCP sockets", frames, clients)
	rows = append(rows, against(what, found[0], found[1], 1/0.9))
	if clients >= 1000 { // of few, what the process itself takes would be told as theirs
		each := figure("KB", []float64{(after - before) * 1e3 / float64(clients)})
		rows = append(rows, below(fmt.Sprintf("resident memory of a client of the gateway, of %d", clients), each, 36))
	}
	return rows, nil
}

// settled is the resident memory of this process in MB once garbage is given back.
func settled() (float64, error) {
	debug.FreeOSMemory()
	return residentOf(os.Getpid())
}

// tool is what the frames carry: as a line of a console.
var tool = json.RawMessage(`{"text":"` + strings.Repeat("x", 150) + `"}`)

// wireFrame is a frame as it is on the wire, made once.
func wireFrame() []byte {
	data, err := json.Marshal(api.Frame{
		V: 1, Type: api.FrameConsole, Workspace: benchRoom, Epoch: "ABCDEFGHIJKL", Seq: 1000, Time: time.Now(), Payload: tool,
	})
	if err != nil {
		panic("bench: a frame cannot fail to marshal: " + err.Error())
	}
	head := []byte{0x81, 126, byte(len(data) >> 8), byte(len(data))} // RFC 6455, 5.2
	return append(head, data...)
}

// benchRoom is the one workspace.
const benchRoom = "waaaaaaaaaaaa"

// hall is a gateway over an engine that has nothing to tell.
type hall struct {
	hub  *gateway.Hub
	ln   net.Listener
	srv  *http.Server
	stop context.CancelFunc
	done chan struct{}
}

func newHall(clients int) (*hall, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &hall{ln: ln, done: make(chan struct{})}
	h.hub = gateway.NewHub(gateway.Options{
		Engine: still{}, Decode: json.Unmarshal, Problem: func(err error) api.Problem { return api.Problem{Detail: err.Error()} },
		Limits: gateway.Limits{Connections: clients + 10, PerUser: clients + 10, PerRoom: clients + 10},
	})
	ctx, cancel := context.WithCancel(context.Background())
	h.stop = cancel
	go func() {
		defer close(h.done)
		h.hub.Run(ctx)
	}()
	h.srv = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := workspace.UserActor(1, false)
		leave, err := h.hub.Admit(a)
		if err != nil {
			http.Error(w, err.Error(), http.StatusTooManyRequests)
			return
		}
		h.hub.Serve(ctx, nil, w, r, a, leave)
	})}
	go func() { _ = h.srv.Serve(ln) }()
	return h, nil
}

func (h *hall) publish(frames int) error {
	for range frames {
		if err := h.hub.Publish(benchRoom, api.FrameConsole, tool); err != nil {
			return err
		}
	}
	return nil
}

// warm tells a few clients something, so that what is paid once is paid before memory is
// looked at.
func (h *hall) warm(ctx context.Context) error {
	r, err := startReaders(ctx, "gateway", h.ln.Addr().String(), 10)
	if err != nil {
		return err
	}
	defer r.end()
	if err := r.expect(100)(ctx); err != nil {
		return err
	}
	return r.told(func() error { return h.publish(100) })(ctx)
}

func (h *hall) close() {
	h.stop()
	_ = h.srv.Close()
	<-h.done
}

// still is an engine with one workspace in which nothing happens.
type still struct{}

func (still) Workspace(_ context.Context, _ workspace.Actor, ref string) (workspace.Workspace, error) {
	return workspace.Workspace{ID: ref, Name: "bench", State: workspace.Running}, nil
}

func (still) Workspaces(context.Context, workspace.Actor, api.Filter) ([]workspace.Workspace, error) {
	return nil, nil
}

func (still) Watch(ctx context.Context, _ workspace.Actor, _ int64, _ string, yield func(api.Message) error) error {
	if err := yield(api.Message{Type: "snapshot"}); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

func (still) Attend(context.Context, workspace.Actor, string, activity.Visitor) (activity.Lease, error) {
	return nil, fault.New(fault.Conflict, "not_running", "nobody attends")
}

func (still) Usage(context.Context, workspace.Actor, string) (workspace.Usage, error) {
	return workspace.Usage{}, nil
}

func (still) Uses(...string) map[string]api.Activity { return nil }

// raw is the loop that the gateway is compared with.
type raw struct {
	ln    net.Listener
	conns []net.Conn
}

func newRaw() (*raw, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	return &raw{ln: ln}, err
}

func (r *raw) accept(clients int) error {
	for len(r.conns) < clients {
		c, err := r.ln.Accept()
		if err != nil {
			return err
		}
		r.conns = append(r.conns, c)
	}
	return nil
}

func (r *raw) write(frame []byte, frames int) error {
	for range frames {
		for _, c := range r.conns {
			if _, err := c.Write(frame); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *raw) close() {
	_ = r.ln.Close()
	for _, c := range r.conns {
		_ = c.Close()
	}
}

// readers is a process that reads sockets.
type readers struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startReaders(ctx context.Context, kind, address string, clients int) (*readers, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r := &readers{cmd: exec.CommandContext(ctx, self, kind, address, strconv.Itoa(clients))}
	r.cmd.Env, r.cmd.Stderr = append(os.Environ(), readerEnv+"=1"), os.Stderr
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	r.out = bufio.NewReader(out)
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	if err := r.answer("ready"); err != nil {
		r.end()
		return nil, err
	}
	return r, nil
}

func (r *readers) answer(want string) error {
	got, err := r.out.ReadString('\n')
	if err == nil && strings.TrimSpace(got) != want {
		err = fmt.Errorf("the readers say %q instead of %q", got, want)
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("the readers have ended")
	}
	return err
}

// expect tells the readers how many frames each socket will get.
func (r *readers) expect(frames int) func(context.Context) error {
	return func(context.Context) error {
		if _, err := fmt.Fprintln(r.in, frames); err != nil {
			return err
		}
		return r.answer("waiting")
	}
}

// told is the time until the last socket has its last frame.
func (r *readers) told(send func() error) func(context.Context) error {
	return func(context.Context) error {
		if err := send(); err != nil {
			return err
		}
		return r.answer("done")
	}
}

func (r *readers) end() {
	_ = r.in.Close()
	_ = r.cmd.Wait()
}
