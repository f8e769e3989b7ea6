package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/api"
)

// commands are the programs that the fake workspace has.
func commands() map[string]func(*fakeProcess) int {
	return map[string]func(*fakeProcess) int{
		"cat": func(p *fakeProcess) int { _, _ = io.Copy(p.out, p.in); return 0 },
		"wc": func(p *fakeProcess) int {
			b, _ := io.ReadAll(p.in)
			_, _ = p.out.Write([]byte{byte(len(b))})
			return 3
		},
		"both": func(p *fakeProcess) int {
			_, _ = p.out.Write([]byte("out"))
			_, _ = p.errOut.Write([]byte("err"))
			return 255
		},
		"env":   func(p *fakeProcess) int { _, _ = io.WriteString(p.out, strings.Join(p.spec.Env, "\n")); return 0 },
		"true":  func(*fakeProcess) int { return 0 },
		"sleep": func(p *fakeProcess) int { <-p.closed; return 0 },
		"yes": func(p *fakeProcess) int {
			for {
				if _, err := p.out.Write(bytes.Repeat([]byte("y\n"), 8<<10)); err != nil {
					return 1
				}
			}
		},
		"head": func(p *fakeProcess) int {
			_, _ = p.in.Read(make([]byte, 1))
			_ = p.in.Close()
			<-time.After(time.Second)
			return 0
		},
	}
}

// terminal is the client's end of an exec session.
type terminal struct {
	t    *testing.T
	ctx  context.Context
	conn *websocket.Conn
	out  [3]bytes.Buffer
}

func (r *rig) exec(start any) *terminal {
	r.t.Helper()
	conn, _, err := websocket.Dial(r.t.Context(), "http://wsd/v1/workspaces/one/exec",
		&websocket.DialOptions{HTTPClient: r.http, Subprotocols: []string{api.ExecProtocol}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.CloseNow() })
	term := &terminal{t: r.t, ctx: r.t.Context(), conn: conn}
	term.text(start)
	return term
}

func (x *terminal) text(v any) {
	x.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		x.t.Fatal(err)
	}
	if err := x.conn.Write(x.ctx, websocket.MessageText, b); err != nil {
		x.t.Fatal(err)
	}
}

func (x *terminal) input(p []byte) error {
	return x.conn.Write(x.ctx, websocket.MessageBinary, append([]byte{api.StreamStdin}, p...))
}

// end reads to the last message and the proper end behind it.
func (x *terminal) end() api.ExecControl {
	x.t.Helper()
	for {
		kind, data, err := x.conn.Read(x.ctx)
		if err != nil {
			x.t.Fatalf("the session broke off: %v", err)
		}
		if kind == websocket.MessageBinary {
			x.out[data[0]].Write(data[1:])
			continue
		}
		var m api.ExecControl
		if err := json.Unmarshal(data, &m); err != nil {
			x.t.Fatal(err)
		}
		if _, _, err := x.conn.Read(x.ctx); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
			x.t.Errorf("after the last message: %v", err)
		}
		return m
	}
}

func execRig(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, alice)
	r.fake.add("one", alice.ID)
	r.fake.commands = commands()
	return r
}

func TestExecCarriesBytesUnchanged(t *testing.T) {
	r := execRig(t)
	sent := make([]byte, 5<<20)
	_, _ = rand.Read(sent)
	x := r.exec(api.ExecStart{Command: []string{"cat"}, Stdin: true})
	go func() {
		for piece := range slices.Chunk(sent, 64<<10) {
			if x.input(piece) != nil {
				return
			}
		}
		x.text(api.ExecControl{Type: "eof"})
	}()
	if m := x.end(); m.Type != "exit" || m.Code != 0 {
		t.Errorf("got %+v", m)
	}
	if !bytes.Equal(x.out[api.StreamStdout].Bytes(), sent) {
		t.Errorf("%d bytes came back, or others", x.out[api.StreamStdout].Len())
	}
}

func TestExecEnds(t *testing.T) {
	for _, tt := range []struct {
		name     string
		start    any
		eof      bool
		kind     string
		code     int
		problem  string
		out, err string
	}{
		{name: "with the command's status", start: api.ExecStart{Command: []string{"both"}}, kind: "exit", code: 255, out: "out", err: "err"},
		{name: "with status 0", start: api.ExecStart{Command: []string{"true"}}, kind: "exit"},
		{name: "after its input", start: api.ExecStart{Command: []string{"wc"}, Stdin: true}, eof: true, kind: "exit", code: 3, out: "\x05"},
		{name: "with its variables in order", start: api.ExecStart{Command: []string{"env"}, Env: map[string]string{"B": "2", "A": "1=1"}}, kind: "exit", out: "A=1=1\nB=2"},
		{name: "when there is no such command", start: api.ExecStart{Command: []string{"nothing"}}, kind: "error", problem: "command_not_found"},
		{name: "when there is no command", start: api.ExecStart{}, kind: "error", problem: "command_required"},
		{name: "when a word has a NUL", start: api.ExecStart{Command: []string{"a\x00b"}}, kind: "error", problem: "command_invalid"},
		{name: "when a variable is none", start: api.ExecStart{Command: []string{"env"}, Env: map[string]string{"A-B": ""}}, kind: "error", problem: "env_invalid"},
		{name: "when the folder is relative", start: api.ExecStart{Command: []string{"env"}, Dir: "x"}, kind: "error", problem: "dir_invalid"},
		{name: "when a member is unknown", start: map[string]any{"command": []string{"env"}, "user": "root"}, kind: "error", problem: "unknown_field"},
		{name: "when the start is no object", start: []string{"env"}, kind: "error", problem: "wrong_type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := execRig(t).exec(tt.start)
			if tt.eof {
				if err := x.input([]byte("12345")); err != nil {
					t.Fatal(err)
				}
				x.text(api.ExecControl{Type: "eof"})
			}
			m := x.end()
			if m.Type != tt.kind || m.Code != tt.code || (m.Problem != nil) != (tt.problem != "") || (m.Problem != nil && m.Problem.Code != tt.problem) {
				t.Errorf("got %+v %+v", m, m.Problem)
			}
			if got := x.out[api.StreamStdout].String(); got != tt.out {
				t.Errorf("output %q", got)
			}
			if got := x.out[api.StreamStderr].String(); got != tt.err {
				t.Errorf("error output %q", got)
			}
		})
	}
}

func TestExecBeforeTheUpgrade(t *testing.T) {
	r := execRig(t)
	for name, options := range map[string]*websocket.DialOptions{
		"no such workspace":   {HTTPClient: r.http, Subprotocols: []string{api.ExecProtocol}},
		"an origin":           {HTTPClient: r.http, Subprotocols: []string{api.ExecProtocol}, HTTPHeader: http.Header{"Origin": {"http://wsd"}}},
		"another subprotocol": {HTTPClient: r.http, Subprotocols: []string{"chat"}},
	} {
		path, want := "one", map[string]int{"no such workspace": 404, "an origin": 403, "another subprotocol": 426}[name]
		if name == "no such workspace" {
			path = "two"
		}
		_, resp, err := websocket.Dial(t.Context(), "http://wsd/v1/workspaces/"+path+"/exec", options)
		if err == nil || resp == nil || resp.StatusCode != want || resp.Header.Get("Content-Type") != problemType {
			t.Errorf("%s: %v, %v", name, resp, err)
		}
	}
}

func TestExecPeersThatBreakTheProtocol(t *testing.T) {
	for _, tt := range []struct {
		name string
		kind websocket.MessageType
		data string
		code websocket.StatusCode
	}{
		{"56 a text message of 32 KiB and a byte", websocket.MessageText, `{"type":"` + strings.Repeat("a", 32<<10) + `"}`, websocket.StatusMessageTooBig},
		{"56 a binary message that is too long", websocket.MessageBinary, strings.Repeat("\x00", 64<<10+2), websocket.StatusMessageTooBig},
		{"an unknown control message", websocket.MessageText, `{"type":"kill"}`, websocket.StatusPolicyViolation},
		{"a size of nothing", websocket.MessageText, `{"type":"resize"}`, websocket.StatusPolicyViolation},
		{"a control message that is no JSON", websocket.MessageText, `{`, websocket.StatusPolicyViolation},
		{"bytes for standard output", websocket.MessageBinary, "\x01x", websocket.StatusPolicyViolation},
		{"no byte at all", websocket.MessageBinary, "", websocket.StatusPolicyViolation},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := execRig(t)
			closed := make(chan struct{})
			r.fake.commands["sleep"] = func(p *fakeProcess) int { <-p.closed; close(closed); return 0 }
			x := r.exec(api.ExecStart{Command: []string{"sleep"}, Stdin: true})
			if err := x.conn.Write(x.ctx, tt.kind, []byte(tt.data)); err != nil {
				t.Fatal(err)
			}
			if _, _, err := x.conn.Read(x.ctx); websocket.CloseStatus(err) != tt.code {
				t.Errorf("got %v, want %d", err, tt.code)
			}
			<-closed
		})
	}
}

func TestExecResizes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := execRig(t)
		procs := make(chan *fakeProcess, 1)
		r.fake.commands["sleep"] = func(p *fakeProcess) int { procs <- p; <-p.closed; return 0 }
		x := r.exec(api.ExecStart{Command: []string{"sleep"}, TTY: true, Cols: 80, Rows: 24})
		p := <-procs
		if c, l := p.size(); c != 80 || l != 24 {
			t.Errorf("it begins with %dx%d", c, l)
		}
		x.text(api.ExecControl{Type: "resize", Cols: 100, Rows: 50})
		synctest.Wait()
		if c, l := p.size(); c != 100 || l != 50 {
			t.Errorf("it has %dx%d", c, l)
		}
		_ = x.conn.CloseNow()
		synctest.Wait()
	})
}
