package server

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/auth"
	"github.com/wsctl/wsctl/internal/workspace"
)

var update = flag.Bool("update", false, "write golden files anew")

// pipes is a listener in memory: it works inside a synctest bubble.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

var (
	root   = workspace.UserActor(0, true)
	alice  = workspace.UserActor(1000, false)
	mallet = workspace.UserActor(1001, false)
)

// rig is a server over a fake backend, reached through memory.
type rig struct {
	t       *testing.T
	fake    *fake
	server  *Server
	pipes   *pipes
	http    *http.Client
	stop    context.CancelFunc
	stopped chan error
	log     *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newRig starts a server whose peers are all a. It ends with the test.
func newRig(t *testing.T, a workspace.Actor, change ...func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, fake: newFake(), pipes: newPipes(), stopped: make(chan error, 1), log: &syncBuffer{}}
	o := Options{
		Backend: r.fake, Templates: catalogue{}, Version: "test",
		Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&o)
	}
	r.server = New(o)
	transport := &http.Transport{DialContext: r.pipes.dial, DisableCompression: true}
	r.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	go func() { r.stopped <- r.server.Serve(ctx, auth.As(r.pipes, a)) }()
	t.Cleanup(func() {
		r.stop()
		transport.CloseIdleConnections()
		if err := <-r.stopped; err != nil {
			t.Errorf("Serve ended with %v", err)
		}
	})
	return r
}

// waitStopped ends the server and returns how long that took.
func (r *rig) waitStopped() time.Duration {
	begun := time.Now()
	r.stop()
	err := <-r.stopped
	r.stopped <- err
	return time.Since(begun)
}

// answerOf is a response that was read to its end.
type answerOf struct {
	status  int
	header  http.Header
	body    []byte
	problem api.Problem // of an error
}

// do sends a request; head are lines "Name: value".
func (r *rig) do(method, path, body string, head ...string) answerOf {
	r.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, "http://wsd"+path, reader)
	if err != nil {
		r.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, line := range head {
		name, value, _ := strings.Cut(line, ": ")
		if value == "" {
			req.Header.Del(name)
		} else {
			req.Header.Set(name, value)
		}
	}
	resp, err := r.http.Do(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r.read(resp)
}

func (r *rig) read(resp *http.Response) answerOf {
	r.t.Helper()
	defer resp.Body.Close()
	a := answerOf{status: resp.StatusCode, header: resp.Header}
	var err error
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		r.t.Fatalf("reading the answer: %v", err)
	}
	if resp.StatusCode >= 400 && resp.Request.Method != http.MethodHead {
		r.wantProblem(&a)
	}
	return a
}

// wantProblem checks what holds for every error.
func (r *rig) wantProblem(a *answerOf) {
	r.t.Helper()
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		r.t.Errorf("status %d has Content-Type %q: %.200s", a.status, got, a.body)
	}
	if err := json.Unmarshal(a.body, &a.problem); err != nil {
		r.t.Fatalf("status %d is not a problem: %.200s", a.status, a.body)
	}
	p := a.problem
	if p.Status != a.status || p.Code == "" || p.Title == "" || p.Detail == "" || p.Kind == "" ||
		p.Type != "https://wsctl.dev/errors/"+p.Code || p.RequestID == "" || p.RequestID != a.header.Get(api.HeaderRequestID) {
		r.t.Errorf("incomplete problem %s", a.body)
	}
}

func (r *rig) decode(a answerOf, v any) {
	r.t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		r.t.Fatalf("cannot decode %.300s: %v", a.body, err)
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the code gives; run go test with -update and look at the difference", path)
	}
}
