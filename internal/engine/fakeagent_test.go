package engine

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/agentapi"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/runtime/memory"
)

// fakeAgent answers for the agents of all containers, over pipes, in the way of the
// contract. What commands do is the test's.
type fakeAgent struct {
	exec func(agentapi.ExecStart) (output string, status int) // nil: nothing, with success

	conns chan net.Conn

	mu      sync.Mutex
	gone    bool // there is nothing to connect to
	late    int  // so many connections more find it starting
	hung    bool // it answers no hello
	drips   bool // it tells the next report byte for byte, ever so slowly
	dripped int  // bytes that were taken
	hello   agentapi.Hello
	report  agentapi.Report
	reports int           // that were asked for one by one
	changed chan struct{} // closed when report has
	ran     []agentapi.ExecStart
	begun   int
	secrets []map[string][]byte
	trees   []string
	watched int                   // who watches files now
	files   chan agentapi.Changes // what is told to who watches; nil ends the watch
}

// withAgent is a driver whose containers have an agent.
type withAgent struct {
	rt.Driver
	agent *fakeAgent
}

// DialAgent implements rt.Driver.
func (d withAgent) DialAgent(ctx context.Context, r rt.Ref) (net.Conn, error) {
	if _, err := d.Driver.DialAgent(ctx, r); err != rt.ErrNoAgent { //nolint:errorlint // the memory driver's own
		return nil, err
	}
	d.agent.mu.Lock()
	gone, late := d.agent.gone, d.agent.late > 0
	if late {
		d.agent.late--
	}
	d.agent.mu.Unlock()
	if late {
		return nil, rt.ErrAgentStarting
	}
	if gone {
		return nil, rt.ErrNoAgent
	}
	mine, theirs := net.Pipe()
	select {
	case d.agent.conns <- theirs:
		return mine, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept, Close and Addr implement net.Listener.
func (a *fakeAgent) Accept() (net.Conn, error) {
	if c, ok := <-a.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (a *fakeAgent) Close() error   { close(a.conns); return nil }
func (a *fakeAgent) Addr() net.Addr { return &net.UnixAddr{} }

func (a *fakeAgent) mux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+agentapi.PathHello, func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.hung {
			a.mu.Unlock()
			<-r.Context().Done()
			a.mu.Lock()
			return
		}
		_ = json.NewEncoder(w).Encode(a.hello)
	})
	mux.HandleFunc("GET "+agentapi.PathReport, a.follow)
	mux.HandleFunc("POST "+agentapi.PathExec, a.execute)
	mux.HandleFunc("GET "+agentapi.PathWatch, a.watch)
	mux.HandleFunc("POST "+agentapi.PathBegin, func(http.ResponseWriter, *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.begun++
	})
	mux.HandleFunc("PUT "+agentapi.PathSecrets, func(_ http.ResponseWriter, r *http.Request) {
		var values map[string][]byte
		_ = json.NewDecoder(r.Body).Decode(&values)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.secrets = append(a.secrets, values)
	})
	mux.HandleFunc("PUT "+agentapi.PathTree, func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.trees = append(a.trees, r.URL.Query().Get("path")+": "+string(b))
	})
	return mux
}

// follow tells the report now and after each change, until the one who asked is gone or
// the agent is.
func (a *fakeAgent) follow(w http.ResponseWriter, r *http.Request) {
	for {
		a.mu.Lock()
		report, changed, gone, drips := a.report, a.changed, a.gone, a.drips
		if r.URL.Query().Get("follow") == "" {
			a.reports++
		}
		a.mu.Unlock()
		if drips {
			a.drip(r.Context(), w)
			return
		}
		if gone || json.NewEncoder(w).Encode(report) != nil || http.NewResponseController(w).Flush() != nil || r.URL.Query().Get("follow") == "" {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// drip tells a thousand bytes in a second, and no end of a report, to who takes them.
func (a *fakeAgent) drip(ctx context.Context, w http.ResponseWriter) {
	for ctx.Err() == nil {
		if _, err := io.WriteString(w, "x"); err != nil || http.NewResponseController(w).Flush() != nil {
			return
		}
		a.mu.Lock()
		a.dripped++
		a.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
}

// watch tells what the test gives it.
func (a *fakeAgent) watch(w http.ResponseWriter, r *http.Request) {
	count := func(n int) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.watched += n
	}
	count(1)
	defer count(-1)
	for c := (agentapi.Changes{}); ; {
		if json.NewEncoder(w).Encode(c) != nil || http.NewResponseController(w).Flush() != nil {
			return
		}
		var open bool
		select {
		case c, open = <-a.files:
		case <-r.Context().Done():
		}
		if !open {
			return
		}
	}
}

func (a *fakeAgent) execute(w http.ResponseWriter, _ *http.Request) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+agentapi.UpgradeFrames+"\r\n\r\n")
	_, b, err := agentapi.NewReader(buf).Next()
	var start agentapi.ExecStart
	if err != nil || json.Unmarshal(b, &start) != nil || agentapi.WriteControl(conn, agentapi.Control{Type: "started", PID: 7}) != nil {
		return
	}
	a.mu.Lock()
	a.ran = append(a.ran, start)
	do := a.exec
	a.mu.Unlock()
	output, status := "", 0
	if do != nil {
		output, status = do(start)
	}
	_ = agentapi.WriteFrame(conn, agentapi.Stdout, []byte(output))
	_ = agentapi.WriteControl(conn, agentapi.Control{Type: "exit", Code: status})
}

// tell changes what the agent says.
func (a *fakeAgent) tell(change func(a *fakeAgent)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(a)
	close(a.changed)
	a.changed = make(chan struct{})
}

// runs sets what becomes of commands from now on.
func (a *fakeAgent) runs(do func(agentapi.ExecStart) (output string, status int)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.exec = do
}

// commands are those that were run, in the order of their start.
func (a *fakeAgent) commands() [][]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out [][]string
	for _, s := range a.ran {
		out = append(out, slices.Clone(s.Command))
	}
	return out
}

// inAgentBubble is inBubble where containers have an agent.
func inAgentBubble(t *testing.T, test func(r *rig, a *fakeAgent)) {
	t.Helper()
	path := filepath.Join(memoryFolder(t), "wsd.db")
	synctest.Test(t, func(t *testing.T) {
		a := &fakeAgent{
			conns: make(chan net.Conn), changed: make(chan struct{}),
			hello: agentapi.Hello{Version: agentapi.Version},
		}
		r := &rig{t: t, path: path, box: memory.NewEngine(), door: &doors{open: map[int]bool{}, foreign: map[int]bool{}}}
		r.tweak = func(c *Config) { c.Driver = withAgent{c.Driver, a} }
		server := &http.Server{Handler: a.mux()} //nolint:gosec // pipes
		served := make(chan struct{})
		go func() { defer close(served); _ = server.Serve(a) }()
		r.start()
		test(r, a)
		r.shutdown()
		_ = server.Close()
		<-served
	})
}
