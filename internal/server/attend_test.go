package server

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// fakeLease keeps what a connection shows.
type fakeLease struct {
	visitor        activity.Visitor
	id             string
	kicked, closed chan struct{}
	once           sync.Once

	mu     sync.Mutex
	shown  []string
	trips  int
	missed int
	alive  int
}

func (l *fakeLease) ID() string { return l.id }

func (l *fakeLease) Engage(e activity.Evidence, what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shown = append(l.shown, string(e)+" "+what)
}

func (l *fakeLease) Alive() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alive++
}

func (l *fakeLease) Trip(time.Duration) activity.Quality {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trips++
	return activity.Stable
}

func (l *fakeLease) Missed() activity.Quality {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.missed++
	return activity.Unstable
}

func (l *fakeLease) Grace() time.Duration    { return time.Minute }
func (l *fakeLease) Kicked() <-chan struct{} { return l.kicked }
func (l *fakeLease) Close()                  { l.once.Do(func() { close(l.closed) }) }

func (l *fakeLease) story() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.visitor.Kind) + ": " + strings.Join(l.shown, ", ")
}

// seat waits for the session number n, which begins at 1.
func (f *fakeActivity) seat(t *testing.T, n int) *fakeLease {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		f.mu.Lock()
		if len(f.seats) >= n {
			seat := f.seats[n-1]
			f.mu.Unlock()
			return seat
		}
		f.mu.Unlock()
	}
	t.Fatal("nobody attends")
	return nil
}

// terminals is an Inside that has one terminal, which runs cat, and an ssh server that echoes.
type terminals struct {
	Inside
	starts []api.TerminalStart
	access []api.GitAccess
}

func (f *terminals) Terminal(_ context.Context, _ workspace.Actor, _, _ string, s api.TerminalStart) (runtime.Process, error) {
	f.starts = append(f.starts, s)
	return newFakeProcess(runtime.ExecSpec{Command: []string{"cat"}, Stdin: !s.View}, commands()["cat"]), nil
}

func (f *terminals) SSH(context.Context, workspace.Actor, string) (net.Conn, error) {
	a, b := net.Pipe()
	go func() { _, _ = io.Copy(b, b) }()
	return a, nil
}

func (f *terminals) LendAgent(ctx context.Context, a workspace.Actor, ref string) (net.Conn, error) {
	return f.SSH(ctx, a, ref)
}

func (f *terminals) GiveGitAccess(_ context.Context, _ workspace.Actor, ref string, g api.GitAccess) error {
	if ref == "none" {
		return fault.New(fault.Conflict, "git_access_unwanted", "nothing is cloned")
	}
	f.access = append(f.access, g)
	return nil
}

func (f *terminals) Forward(ctx context.Context, a workspace.Actor, ref string, _ int) (net.Conn, error) {
	return f.SSH(ctx, a, ref)
}

func attendRig(t *testing.T) (*rig, *terminals) {
	t.Helper()
	r, in := execRig(t), &terminals{}
	r.fake.Inside = in
	return r, in
}

// socket upgrades path and returns the client's end.
func (r *rig) socket(path, protocol string) *terminal {
	r.t.Helper()
	conn, _, err := websocket.Dial(r.t.Context(), "http://wsd/v1/workspaces/one"+path, &websocket.DialOptions{HTTPClient: r.http, Subprotocols: []string{protocol}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.CloseNow() })
	return &terminal{t: r.t, ctx: r.t.Context(), conn: conn}
}

// said reads the next control message; output before it is dropped.
func (x *terminal) said() (m api.ExecControl) {
	x.t.Helper()
	for {
		kind, data, err := x.conn.Read(x.ctx)
		if err != nil {
			x.t.Fatal(err)
		}
		if kind == websocket.MessageText {
			if err := json.Unmarshal(data, &m); err != nil {
				x.t.Fatal(err)
			}
			return m
		}
	}
}

// echoed sends input and waits until it comes back.
func (x *terminal) echoed(p string) {
	x.t.Helper()
	if err := x.input([]byte(p)); err != nil {
		x.t.Fatal(err)
	}
	for n := 0; n < len(p); {
		kind, data, err := x.conn.Read(x.ctx)
		if err != nil {
			x.t.Fatal(err)
		}
		if kind == websocket.MessageBinary {
			n += len(data) - 1
		}
	}
}

func TestWhatIsTypedIntoATerminalShowsAPerson(t *testing.T) {
	r, _ := attendRig(t)
	x := r.socket("/terminals/main", api.ExecProtocol)
	x.text(api.TerminalStart{ExecStart: api.ExecStart{TTY: true, Stdin: true}})
	if m := x.said(); m.Type != "session" || m.Session != "s1" {
		t.Errorf("first came %+v", m)
	}
	l := r.fake.seat(t, 1)
	x.echoed("\x1b[12;40R\x1b[I")
	if got := l.story(); got != "terminal: command shell" {
		t.Errorf("what the terminal answers: %s", got)
	}
	x.echoed("ls\r")
	if got := l.story(); got != "terminal: command shell, input terminal main" {
		t.Errorf("what is typed: %s", got)
	}
	if l.visitor.Peer != "unix" || !l.visitor.Vouched {
		t.Errorf("%+v", l.visitor)
	}
	_ = x.conn.CloseNow()
	<-l.closed
}

func TestATerminalComesBackAsTheSameSession(t *testing.T) {
	r, in := attendRig(t)
	x := r.socket("/terminals/main", api.ExecProtocol)
	x.text(api.TerminalStart{Resume: "s0"})
	x.said()
	l := r.fake.seat(t, 1)
	if got := l.visitor.Resume; got != "s0" || in.starts[0].Resume != "s0" {
		t.Errorf("it resumes %q", got)
	}
	if got := l.story(); got != "terminal: " {
		t.Errorf("a connection that is made again shows a person: %s", got)
	}
}

func TestACommandShowsAPersonWhenItBegins(t *testing.T) {
	for _, c := range []struct {
		name  string
		start api.ExecStart
		want  string
	}{
		{"with a pipe", api.ExecStart{Command: []string{"cat"}, Stdin: true}, "exec: exec cat"},
		{"with a terminal", api.ExecStart{Command: []string{"cat"}, Stdin: true, TTY: true}, "exec: exec cat, input exec"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _ := attendRig(t)
			x := r.exec(c.start)
			x.echoed("typed")
			if got := r.fake.seat(t, 1).story(); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestConnectionsAreSessionsOfTheirKind(t *testing.T) {
	const click = "GET /page HTTP/1.1\r\nHost: x\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\n\r\n"
	for _, c := range []struct{ path, bytes, want string }{
		{"/ssh", "SSH-2.0-x\r\n", "ssh: exec ssh"},
		{"/forward/80", "\x16\x03", "tcp: "},
		{"/forward/80", click, "tcp: navigation GET /page"},
	} {
		r, _ := attendRig(t)
		x := r.socket(c.path, api.RawProtocol)
		if err := x.conn.Write(x.ctx, websocket.MessageBinary, []byte(c.bytes)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := x.conn.Read(x.ctx); err != nil {
			t.Fatal(err)
		}
		if got := r.fake.seat(t, 1).story(); got != c.want {
			t.Errorf("%s %q: %s, want %s", c.path, c.bytes, got, c.want)
		}
	}
}

func TestWhoIsKickedIsTold(t *testing.T) {
	r, _ := attendRig(t)
	x := r.socket("/terminals/main", api.ExecProtocol)
	x.text(api.TerminalStart{})
	x.said()
	close(r.fake.seat(t, 1).kicked)
	if m := x.said(); m.Type != "detached" || m.Problem == nil || m.Problem.Code != "kicked" {
		t.Errorf("a terminal: %+v", m)
	}
	e := r.exec(api.ExecStart{Command: []string{"sleep"}})
	close(r.fake.seat(t, 2).kicked)
	if m := e.said(); m.Type != "error" || m.Problem == nil || m.Problem.Code != "kicked" {
		t.Errorf("a command: %+v", m)
	}
	raw := r.socket("/ssh", api.RawProtocol)
	close(r.fake.seat(t, 3).kicked)
	if _, _, err := raw.conn.Read(raw.ctx); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("a connection: %v", err)
	}
}

func TestFollowingTheOutputIsASessionThatShowsNothing(t *testing.T) {
	r, _ := attendRig(t)
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://wsd/v1/workspaces/one/logs?follow=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := r.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	l := r.fake.seat(t, 1)
	close(l.kicked)
	if b, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(b), `"code":"kicked"`) {
		t.Errorf("who is kicked reads %q %v", b, err)
	}
	<-l.closed
	if got := l.story(); got != "logs: " {
		t.Errorf("%s", got)
	}
}

func TestPingsMeasureTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := attendRig(t)
		x := r.exec(api.ExecStart{Command: []string{"sleep"}})
		ctx := x.conn.CloseRead(t.Context())
		time.Sleep(time.Minute + 2*time.Second)
		l := r.fake.seat(t, 1)
		l.mu.Lock()
		trips := l.trips
		l.mu.Unlock()
		if trips != 4 || ctx.Err() != nil {
			t.Errorf("%d round trips in a minute", trips)
		}
		_ = x.conn.CloseNow()
		synctest.Wait()
	})
}

// A peer that writes may be unable to answer pings all the time: what it writes shows that it
// is there.
func TestAPeerThatWritesIsThereWithoutPongs(t *testing.T) {
	for _, path := range []string{"/exec", "/forward/80"} {
		t.Run(path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, _ := attendRig(t)
				protocol := map[bool]string{true: api.ExecProtocol, false: api.RawProtocol}[path == "/exec"]
				conn, _, err := websocket.Dial(t.Context(), "http://wsd/v1/workspaces/one"+path, &websocket.DialOptions{
					HTTPClient: r.http, Subprotocols: []string{protocol}, OnPingReceived: func(context.Context, []byte) bool { return false },
				})
				if err != nil {
					t.Fatal(err)
				}
				defer conn.CloseNow()
				x := &terminal{t: t, ctx: t.Context(), conn: conn}
				if path == "/exec" {
					x.text(api.ExecStart{Command: []string{"cat"}, Stdin: true})
				}
				for range DefaultTimes().Exec/(5*time.Second) + 12 {
					if err := conn.Write(t.Context(), websocket.MessageBinary, []byte("\x00x")); err != nil {
						t.Fatal(err)
					}
					if _, _, err := conn.Read(t.Context()); err != nil {
						t.Fatal(err)
					}
					time.Sleep(5 * time.Second)
				}
				l := r.fake.seat(t, 1)
				l.mu.Lock()
				defer l.mu.Unlock()
				if l.missed > 0 {
					t.Errorf("it has missed %d pings", l.missed)
				}
			})
		})
	}
}

func TestAWarningReachesTheTerminal(t *testing.T) {
	r, _ := attendRig(t)
	x := r.socket("/terminals/main", api.ExecProtocol)
	x.text(api.TerminalStart{View: true})
	x.said()
	r.fake.seat(t, 1)
	one := r.fake.workspaces[0]
	for r.fake.watching() == 0 {
		time.Sleep(time.Millisecond)
	}
	_ = r.fake.tell(t.Context(), api.Message{Type: "event", Seq: 9, Workspace: &one, Event: &event.Event{
		Seq: 9, Kind: event.ActivityWarning, Workspace: one.ID, Detail: map[string]string{"left": "5m0s", "cause": "engagement"},
	}})
	want := "one stops in 5 min: nobody has used it for a while. Press a key to stay, or run: wsctl extend one"
	if m := x.said(); m.Type != "notice" || m.Text != want {
		t.Errorf("%+v", m)
	}
	if got := r.fake.seat(t, 1).story(); got != "terminal: " {
		t.Errorf("a warning shows a person: %s", got)
	}
}

func TestWhatACloneMayUseIsTakenAndNeverSaid(t *testing.T) {
	r, f := attendRig(t)
	a := r.do("PUT", "/v1/workspaces/one/git-access", `{"credential":{"username":"u","password":"hush"},"ssh_agent":true}`)
	if a.status != 204 || len(a.body) > 0 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if len(f.access) != 1 || *f.access[0].Credential != (api.GitCredential{Username: "u", Password: "hush"}) || !f.access[0].SSHAgent {
		t.Errorf("the backend got %+v", f.access)
	}
	for body, status := range map[string]int{`{}`: 204, `{"pass":"x"}`: 400, `{"Credential":null}`: 400} {
		if a := r.do("PUT", "/v1/workspaces/one/git-access", body); a.status != status {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if a := r.do("PUT", "/v1/workspaces/none/git-access", `{}`); a.status != 409 {
		t.Errorf("where nothing is cloned: %d %s", a.status, a.body)
	}
}

// A clone that asks for a key is no person at work.
func TestAnSSHAgentThatIsLentShowsNobody(t *testing.T) {
	r, _ := attendRig(t)
	x := r.socket("/ssh-agent", api.RawProtocol)
	if err := x.conn.Write(x.ctx, websocket.MessageBinary, []byte("ask")); err != nil {
		t.Fatal(err)
	}
	if _, p, err := x.conn.Read(x.ctx); err != nil || string(p) != "ask" {
		t.Errorf("it carries %q, %v", p, err)
	}
	r.fake.mu.Lock()
	defer r.fake.mu.Unlock()
	if n := len(r.fake.seats); n != 0 {
		t.Errorf("%d sessions", n)
	}
}
