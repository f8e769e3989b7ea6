package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
)

func TestBadFramesAreRefusedAndTheConnectionStands(t *testing.T) {
	r := newRig(t, Limits{Rooms: 1})
	r.fake.add("one", alice)
	r.fake.add("two", alice)
	p := r.dial(alice)
	p.join("one", api.Join{})
	long := strings.Repeat("x", 100)
	for _, tt := range []struct{ name, frame, code string }{
		{"no type", `{}`, "type_unknown"},
		{"a type that only wsd sends", `{"type":"snapshot","workspace":"one"}`, "type_unknown"},
		{"a type of the future", `{"type":"dance","workspace":"one"}`, "type_unknown"},
		{"another version", `{"v":2,"type":"ping"}`, "version_unknown"},
		{"join without a workspace", `{"type":"join"}`, "workspace_required"},
		{"join of what is not there", `{"type":"join","workspace":"none"}`, "workspace_not_found"},
		{"join of a very long name", `{"type":"join","workspace":"` + long + `"}`, "ref_invalid"},
		{"join of all without observing", `{"type":"join","workspace":"*"}`, "too_many_rooms"},
		{"join of one room too many", `{"type":"join","workspace":"two"}`, "too_many_rooms"},
		{"join with a word for a number", `{"type":"join","workspace":"one","payload":{"since":"x"}}`, "invalid_json"},
		{"leave of another room", `{"type":"leave","workspace":"two"}`, "not_joined"},
		{"leave of nothing", `{"type":"leave"}`, "not_joined"},
		{"evidence without a workspace", `{"type":"interaction"}`, "workspace_required"},
		{"evidence in another room", `{"type":"navigation","workspace":"two"}`, "not_joined"},
		{"a change of no files", `{"type":"file-change","workspace":"one","payload":{"paths":[]}}`, "file_change_invalid"},
		{"a change of an odd kind", `{"type":"file-change","workspace":"one","payload":{"paths":["a"],"kind":"eaten"}}`, "file_change_invalid"},
		{"a payload that is a list", `{"type":"visibility","workspace":"one","payload":[]}`, "invalid_json"},
		{"too many types", `{"type":"subscribe","workspace":"one","payload":{"types":["` + strings.Repeat(`a","`, 70) + `"]}}`, "types_too_many"},
	} {
		if err := p.conn.Write(p.ctx, websocket.MessageText, []byte(tt.frame)); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		f := p.next()
		if e := of[api.FrameProblem](t, f); f.Type != api.FrameError || e.Code != tt.code || e.Detail == "" {
			t.Errorf("%s: %s %s", tt.name, f.Type, f.Payload)
		}
	}
	p.send(api.FramePing, "", api.Ping{T: 42})
	if f := p.next(); of[api.Ping](t, f).T != 42 {
		t.Errorf("after all of them: %s %s", f.Type, f.Payload)
	}
}

func TestWhatIsNoFrameEndsTheConnection(t *testing.T) {
	r := newRig(t, Limits{MessageBytes: 1000})
	for _, tt := range []struct {
		name string
		kind websocket.MessageType
		data string
		code websocket.StatusCode
	}{
		{"no JSON", websocket.MessageText, "hello", api.CloseBadFrame},
		{"a list", websocket.MessageText, "[1]", api.CloseBadFrame},
		{"a number for the type", websocket.MessageText, `{"type":1}`, api.CloseBadFrame},
		{"a binary message", websocket.MessageBinary, `{"type":"ping"}`, api.CloseBadFrame},
		{"a very long one", websocket.MessageText, `{"type":"` + strings.Repeat("x", 2000) + `"}`, websocket.StatusMessageTooBig},
	} {
		p := r.dial(alice)
		if err := p.conn.Write(p.ctx, tt.kind, []byte(tt.data)); err != nil {
			t.Fatal(err)
		}
		last, code := p.gone()
		if code != tt.code {
			t.Errorf("%s: closed with %d", tt.name, code)
		}
		if tt.code == api.CloseBadFrame && (last.Type != api.FrameBye || of[api.Bye](t, last).Code != api.CloseBadFrame) {
			t.Errorf("%s: the last frame is %s %s", tt.name, last.Type, last.Payload)
		}
	}
}

func TestWhoTalksTooMuchIsSentAway(t *testing.T) {
	r := newRig(t, Limits{PerSecond: 1, Burst: 20})
	p := r.dial(alice)
	for range 30 {
		if p.conn.Write(p.ctx, websocket.MessageText, []byte(`{"type":"pong"}`)) != nil {
			break
		}
	}
	last, code := p.gone()
	if b := of[api.Bye](t, last); code != api.CloseRate || b.Code != api.CloseRate || b.RetryAfterMS < 1000 {
		t.Errorf("closed with %d after %s", code, last.Payload)
	}
}

func TestATokenBucketGivesItsBurstAndThenItsRate(t *testing.T) {
	now := time.Unix(0, 0)
	b := newBucket(10, 3, now)
	var got []bool
	for _, ms := range []int{0, 0, 0, 0, 100, 100, 50, 10_000, 0, 0, 0} {
		now = now.Add(time.Duration(ms) * time.Millisecond)
		got = append(got, b.spend(now))
	}
	want := []bool{true, true, true, false, true, true, false, true, true, true, false}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestOnlyWhatAPersonDidIsEvidence(t *testing.T) {
	r := newRig(t, Limits{})
	r.fake.add("one", alice)
	for _, tt := range []struct {
		name, typ string
		payload   any
		want      string
	}{
		{"an interaction", api.FrameInteraction, api.Interaction{What: "key"}, "visible key"},
		{"a navigation", api.FrameNavigation, api.Navigation{Path: "/a\x1b]0;b"}, "navigation /a]0;b"},
		{"a saved file", api.FrameFileChange, api.FileChange{Paths: []string{"a.go", "b.go"}}, "file_saved a.go"},
		{"a deleted file", api.FrameFileChange, api.FileChange{Paths: []string{"a.go"}, Kind: "deleted"}, ""},
		{"somebody looks and acts", api.FrameVisibility, api.Visibility{Visible: true, InputAgeMS: 800}, "visible page"},
		{"somebody looks, and acted long ago", api.FrameVisibility, api.Visibility{Visible: true, InputAgeMS: 61_000}, ""},
		{"somebody looks, and never acted", api.FrameVisibility, api.Visibility{Visible: true, InputAgeMS: -1}, ""},
		{"a number too large for a time", api.FrameVisibility, api.Visibility{Visible: true, InputAgeMS: 1 << 62}, ""},
		{"nobody looks", api.FrameVisibility, api.Visibility{InputAgeMS: 5}, ""},
		{"a ping", api.FramePing, api.Ping{T: 1}, ""},
		{"a pong", api.FramePong, api.Ping{T: 1}, ""},
		{"a hello", api.FrameHello, api.Hello{Client: "test"}, ""},
		{"a cursor", api.FrameCursor, api.Cursor{Line: 1}, ""},
		{"a subscription", api.FrameSubscribe, api.Subscribe{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := r.dial(alice)
			n := len(r.fake.leases)
			p.join("one", api.Join{})
			p.send(tt.typ, "one", tt.payload)
			p.send(api.FramePing, "", api.Ping{T: 99})
			for of[api.Ping](t, p.until(api.FramePong)).T != 99 {
			}
			r.fake.lease(n).read(func(l *lease) {
				if got := strings.Join(l.engaged, "; "); got != tt.want {
					t.Errorf("evidence: %q, want %q", got, tt.want)
				}
			})
			_ = p.conn.CloseNow()
		})
	}
}

func TestASubscriptionLeavesOutOtherTypes(t *testing.T) {
	r := newRig(t, Limits{})
	w := r.fake.add("one", alice)
	p := r.dial(alice)
	p.send(api.FrameJoin, "one", api.Join{Types: []string{api.FrameReload}})
	p.until(api.FrameSnapshot)
	r.fill(w.ID, 2)
	eventually(t, "the room was told of both", func() bool { return r.seq(w.ID) == 2 })
	if err := r.hub.Publish(w.ID, api.FrameReload, json.RawMessage(`{}`)); err != nil {
		t.Fatal(err)
	}
	if f := p.next(); f.Type != api.FrameReload || f.Seq != 3 {
		t.Errorf("first comes %s %d", f.Type, f.Seq)
	}
	p.send(api.FrameSubscribe, "one", api.Subscribe{})
	p.send(api.FramePing, "", nil)
	p.until(api.FramePong)
	r.fill(w.ID, 1)
	if f := p.next(); f.Type != api.FrameUpdated || f.Seq != 4 {
		t.Errorf("with everything comes %s %d", f.Type, f.Seq)
	}
}

func (r *rig) seq(id string) uint64 {
	r.hub.mu.Lock()
	room := r.hub.rooms[id]
	r.hub.mu.Unlock()
	if room == nil {
		return 0
	}
	room.mu.Lock()
	defer room.mu.Unlock()
	return room.seq
}

func TestPongsTellTheRoundTrip(t *testing.T) {
	r := newRig(t, Limits{Ping: 40 * time.Millisecond, Pong: time.Hour})
	r.fake.add("one", alice)
	p := r.dial(alice)
	p.join("one", api.Join{})
	for range 3 {
		ping := of[api.Ping](t, p.until(api.FramePing))
		p.send(api.FramePong, "", api.Ping{T: ping.T})
		p.send(api.FramePong, "", api.Ping{T: ping.T})     // a second time
		p.send(api.FramePong, "", api.Ping{T: ping.T - 1}) // another one
	}
	p.send(api.FramePing, "", nil)
	p.until(api.FramePong) // all of them were taken
	r.fake.lease(0).read(func(l *lease) {
		if len(l.trips) != 3 || l.missed != 0 {
			t.Errorf("3 pings were answered: %d missed, round trips %v", l.missed, l.trips)
		}
	})
}

func TestWhoDoesNotAnswerPingsIsLetGo(t *testing.T) {
	t.Parallel() // it mostly waits
	r := newRig(t, Limits{Ping: 2 * time.Second, Hurry: time.Millisecond, Pong: time.Second})
	r.fake.add("one", alice)
	p := r.dial(alice)
	p.join("one", api.Join{})
	if _, code := p.gone(); code != api.CloseSilent {
		t.Errorf("it is closed with %d", code)
	}
	r.fake.lease(0).read(func(l *lease) {
		if l.missed == 0 || len(l.trips) != 0 {
			t.Errorf("%d missed, round trips %v", l.missed, l.trips)
		}
	})
}

func TestAHiddenPageMayLeavePingsUnanswered(t *testing.T) {
	t.Parallel() // it mostly waits
	r := newRig(t, Limits{Ping: time.Second, Pong: 500 * time.Millisecond})
	r.fake.add("one", alice)
	p := r.dial(alice)
	p.join("one", api.Join{})
	p.send(api.FrameVisibility, "one", api.Visibility{Visible: false, InputAgeMS: -1})
	for range 5 {
		p.until(api.FramePing) // and is not answered
	}
	r.fake.lease(0).read(func(l *lease) {
		if l.missed < 3 || l.closed {
			t.Errorf("%d missed, closed: %v", l.missed, l.closed)
		}
	})
}

func TestAConnectionInNoRoomEnds(t *testing.T) {
	r := newRig(t, Limits{Idle: 10 * time.Millisecond})
	p := r.dial(alice)
	if last, code := p.gone(); code != api.CloseIdle || last.Type != api.FrameBye {
		t.Errorf("closed with %d after %s", code, last.Type)
	}
}

func TestAPanicEndsOneClientAlone(t *testing.T) {
	r := newRig(t, Limits{})
	p, other := r.dial(alice), r.dial(alice)
	p.send(api.FrameJoin, "panic", nil)
	if last, code := p.gone(); code != websocket.StatusInternalError || last.Type != api.FrameBye {
		t.Errorf("closed with %d after %s", code, last.Type)
	}
	other.send(api.FramePing, "", nil)
	other.until(api.FramePong)
}

// FuzzFrame: whatever a client sends, wsd neither panics nor tells others anything that a
// terminal could act on, and only the verbs of a person are evidence.
func FuzzFrame(f *testing.F) {
	for _, seed := range []string{
		`{"type":"join","workspace":"one","payload":{"since":18446744073709551615,"epoch":"x"}}`,
		`{"type":"join","workspace":"*","payload":{"observe":true}}`, `{"type":"leave","workspace":"one"}`,
		`{"type":"cursor","workspace":"one","payload":{"file":"\u001b[2J\u202e","line":-1}}`,
		`{"type":"visibility","workspace":"w-one","payload":{"visible":true,"input_age_ms":-9223372036854775808}}`,
		`{"type":"file-change","workspace":"one","payload":{"paths":["\u0000"]}}`, `{"type":"navigation","workspace":"one","payload":{"path":"\ud800"}}`,
		`{"type":"subscribe","workspace":"one","payload":{"types":["state"]}}`, `{"type":"pong","payload":{"t":-1}}`, `{"type":"samples","workspace":"one","payload":{"workspaces":["w-one"]}}`, `null`, `[]`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	fake := newFake()
	fake.add("one", alice)
	h := NewHub(Options{Engine: fake, Decode: strict, Problem: problem})
	ctx, cancel := context.WithCancel(f.Context())
	f.Cleanup(cancel)
	go h.Run(ctx)
	f.Fuzz(func(t *testing.T, data []byte) {
		now := time.Now()
		c := deaf(t.Context(), h)
		defer c.leaveAll()
		if err := c.join(api.Frame{Workspace: "one"}); err != nil {
			t.Fatal(err)
		}
		if err := c.handle(data, now); err == nil && !json.Valid(data) {
			t.Fatalf("%q is taken for a frame", data)
		}
		for {
			frame, _ := c.queue.take()
			if frame == nil {
				return
			}
			var got api.Frame
			if json.Unmarshal(frame.data, &got) != nil || !utf8.Valid(frame.data) {
				t.Fatalf("told %q", frame.data)
			}
		}
	})
}

// deaf is a connection whose client reads nothing: what it sends is handled by the test.
func deaf(ctx context.Context, h *Hub) *conn {
	c := &conn{hub: h, ctx: ctx, cancel: func(error) {}, actor: alice, seats: map[string]*seat{}, rate: newBucket(1, 1, time.Now())}
	c.queue = newQueue(h.limits, c.tooSlow)
	c.beat, c.idle = time.NewTimer(time.Hour), time.NewTimer(time.Hour)
	c.ended = true // nobody comes back
	return c
}

func TestTameTextHasNothingThatATerminalActsOn(t *testing.T) {
	for in, want := range map[string]string{
		"plain ü":        "plain ü",
		"\x1b[2Jx":       "[2Jx",
		"a\u202eb\u2028": "ab",
		"\xff\xfe":       "",
		"line\nfeed\r":   "linefeed",
		"123456789":      "12345678",
	} {
		got := tame(in, 8)
		if got != want || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q becomes %q", in, got)
		}
	}
}

func TestAClientOfAnotherProtocolIsTurnedAway(t *testing.T) {
	r := &http.Request{Header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Protocol": {api.ExecProtocol},
	}}
	if err := CheckUpgrade(r, api.GatewayProtocol); codeOf(err) != "subprotocol_required" {
		t.Errorf("got %v", err)
	}
	_ = activity.Gateway
}
