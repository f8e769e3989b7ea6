package client

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
)

// hall is a gateway whose connections follow a script, one step each.
type hall struct {
	mu     sync.Mutex
	script []func(ctx context.Context, c *websocket.Conn)
	joins  []api.Join
	asked  int
	tag    string
	fresh  int // answers with a body
	refuse bool
}

func (h *hall) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/ws" {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.asked++
		w.Header().Set("ETag", h.tag)
		if r.Header.Get("If-None-Match") == h.tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		h.fresh++
		answer(w, api.LiveList{Workspaces: []api.Live{}})
		return
	}
	h.mu.Lock()
	no, step := h.refuse, h.script
	if len(h.script) > 0 {
		h.script = h.script[1:]
	}
	h.mu.Unlock()
	if no || len(step) == 0 {
		refuse(w, http.StatusNotFound, "path_not_found")
		return
	}
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{api.GatewayProtocol}})
	if err != nil {
		return
	}
	defer c.CloseNow()
	ctx := context.WithoutCancel(r.Context())
	_, data, err := c.Read(ctx)
	var f api.Frame
	var j api.Join
	if err != nil || json.Unmarshal(data, &f) != nil || f.Type != api.FrameJoin || json.Unmarshal(f.Payload, &j) != nil {
		return
	}
	h.mu.Lock()
	h.joins = append(h.joins, j)
	h.mu.Unlock()
	step[0](ctx, c)
}

func say(ctx context.Context, c *websocket.Conn, frames ...string) {
	for _, f := range frames {
		_ = c.Write(ctx, websocket.MessageText, []byte(f))
	}
}

const (
	joinedNew   = `{"v":1,"type":"joined","workspace":"w1","epoch":"e1","payload":{"session":"s1","seq":3,"recovered":false}}`
	joinedAgain = `{"v":1,"type":"joined","workspace":"w1","epoch":"e1","payload":{"session":"s1","seq":5,"recovered":true}}`
	snapshot3   = `{"v":1,"type":"snapshot","workspace":"w1","epoch":"e1","seq":3,"payload":{}}`
)

func numbered(n int) string {
	return fmt.Sprintf(`{"v":1,"type":"state","workspace":"w1","epoch":"e1","seq":%d,"payload":{}}`, n)
}

// told runs a subscription to its end, or to n updates, and writes down what it yields.
func told(t *testing.T, c *Client, o SubscribeOptions, n int) (list []string, err error) {
	t.Helper()
	for u, e := range c.Subscribe(t.Context(), o) {
		if e != nil {
			return list, e
		}
		word := string(u.Link)
		if u.Frame != nil {
			word = fmt.Sprintf("%s %d", u.Frame.Type, u.Frame.Seq)
		}
		if list = append(list, word); len(list) == n {
			break
		}
	}
	return list, nil
}

func TestASubscriptionResumesAndTellsEachFrameOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hall{script: []func(context.Context, *websocket.Conn){
			func(ctx context.Context, c *websocket.Conn) {
				say(ctx, c, `{"v":1,"type":"hello"}`, joinedNew, snapshot3, numbered(4), numbered(5), `{"v":1,"type":"dance","workspace":"w1"}`)
			},
			func(ctx context.Context, c *websocket.Conn) {
				say(ctx, c, joinedAgain, numbered(5), numbered(6), `{"v":1,"type":"resync"}`, `{"v":1,"type":"bye","payload":{"code":4008,"reason":"too slow"}}`)
				_ = c.Close(api.CloseSlow, "")
			},
			func(ctx context.Context, c *websocket.Conn) {
				say(ctx, c, joinedNew, snapshot3, `{"v":1,"type":"left","workspace":"w1","payload":{"reason":"deleted"}}`)
			},
		}}
		c, _ := serve(t, h)
		list, err := told(t, c, SubscribeOptions{Workspace: "one"}, 0)
		want := []string{"live", "snapshot 3", "state 4", "state 5", "dance 0", "lost", "live", "state 6", "lost", "live", "snapshot 3", "left 0"}
		if !slices.Equal(list, want) || !fault.HasCode(err, "workspace_deleted") {
			t.Errorf("told %v\nwant %v\nthen %v", list, want, err)
		}
		if j := h.joins[1]; j.Epoch != "e1" || j.Since != 5 || j.Session != "s1" {
			t.Errorf("it came back with %+v", j)
		}
		if j := h.joins[2]; j.Epoch != "" || j.Since != 0 || j.Session != "s1" {
			t.Errorf("after resync it came back with %+v", j)
		}
	})
}

func TestASubscriptionComesBackAsWsdAsksFor(t *testing.T) {
	for _, tt := range []struct {
		name    string
		code    websocket.StatusCode
		bye     string
		stop    string // code of the error that ends it
		atLeast time.Duration
	}{
		{"wsd asks for a rest", api.CloseRate, `{"code":4029,"reason":"x","retry_after_ms":5000}`, "", 5 * time.Second},
		{"wsd goes away", websocket.StatusGoingAway, `{"code":1001,"reason":"x","retry_after_ms":1000}`, "", time.Second},
		{"somebody kicked it", api.CloseKicked, `{"code":4403,"reason":"x"}`, "session_kicked", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &hall{script: []func(context.Context, *websocket.Conn){
					func(ctx context.Context, c *websocket.Conn) {
						say(ctx, c, joinedNew, snapshot3, `{"v":1,"type":"bye","payload":`+tt.bye+`}`)
						_ = c.Close(tt.code, "")
					},
					func(ctx context.Context, c *websocket.Conn) { say(ctx, c, joinedAgain, numbered(4)) },
				}}
				c, _ := serve(t, h)
				begun := time.Now()
				list, err := told(t, c, SubscribeOptions{Workspace: "one"}, 5)
				if tt.stop != "" {
					if !fault.HasCode(err, tt.stop) || len(h.joins) != 1 {
						t.Errorf("told %v, then %v; it joined %d times", list, err, len(h.joins))
					}
					return
				}
				if took := time.Since(begun); took < tt.atLeast || took > tt.atLeast+gatewayFirst {
					t.Errorf("it came back after %v: %v %v", took, list, err)
				}
			})
		})
	}
}

func TestDelaysAreDrawnFromARangeThatDoublesUpToItsEnd(t *testing.T) {
	broken := &endedError{code: -1, cause: errResync}
	for attempt, ceiling := range map[int]time.Duration{0: 250 * time.Millisecond, 3: 2 * time.Second, 9: 20 * time.Second, 1000: 20 * time.Second} {
		low, high := false, false
		for range 2000 {
			d := reconnectIn(broken, attempt)
			if d < 0 || d > ceiling {
				t.Fatalf("attempt %d waits %v", attempt, d)
			}
			low, high = low || d < ceiling/4, high || d > ceiling*3/4
		}
		if !low || !high {
			t.Errorf("attempt %d does not use its whole range", attempt)
		}
	}
	if d := reconnectIn(&endedError{code: websocket.StatusGoingAway, cause: errResync}, 0); d != 0 {
		t.Errorf("a wsd that is restarted is asked after %v", d)
	}
}

func TestWhereTheSocketIsRefusedTheStateIsAskedForAndOnlyChangesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hall{tag: `"1"`, refuse: true}
		c, p := serve(t, h)
		ctx, cancel := context.WithCancel(t.Context())
		var list []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			for u, err := range c.Subscribe(ctx, SubscribeOptions{}) {
				switch {
				case err != nil:
					return
				case u.Frame != nil:
					list = append(list, u.Frame.Type)
				default:
					list = append(list, string(u.Link))
				}
			}
		}()
		settle := func(d time.Duration) { time.Sleep(d); synctest.Wait() } //nolint:forbidigo // virtual time
		settle(21 * time.Second)
		if got := strings.Join(list, " "); got != "polling snapshot" || h.asked != 5 || h.fresh != 1 {
			t.Errorf("told %s; asked %d times, answered in full %d times", got, h.asked, h.fresh)
		}
		h.mu.Lock()
		h.tag = `"2"`
		h.mu.Unlock()
		settle(5 * time.Second)
		p.set(true)
		settle(8 * time.Second)
		p.set(false)
		settle(60 * time.Second)
		h.mu.Lock()
		h.refuse = false
		h.script = []func(context.Context, *websocket.Conn){func(ctx context.Context, c *websocket.Conn) { say(ctx, c, joinedNew, snapshot3); _, _, _ = c.Read(ctx) }}
		h.mu.Unlock()
		settle(40 * time.Second)
		cancel()
		<-done
		if got := strings.Join(list, " "); !strings.HasPrefix(got, "polling snapshot snapshot lost polling") || !strings.HasSuffix(got, "live snapshot") {
			t.Errorf("told %s", got)
		}
	})
}

func TestASubscriptionThatDoesNotPollWaitsForTheSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hall{tag: `"1"`, refuse: true}
		c, _ := serve(t, h)
		time.AfterFunc(time.Minute, func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.refuse = false
			h.script = []func(context.Context, *websocket.Conn){func(ctx context.Context, c *websocket.Conn) { say(ctx, c, joinedNew, snapshot3) }}
		})
		list, err := told(t, c, SubscribeOptions{NoPoll: true}, 3)
		if want := []string{"lost", "live", "snapshot 3"}; !slices.Equal(list, want) || h.asked > 0 {
			t.Errorf("told %v, want %v; asked %d times, %v", list, want, h.asked, err)
		}
	})
}

func TestOnlyAPauseThatPeopleCanWaitForIsObeyed(t *testing.T) {
	for given, want := range map[int64]time.Duration{
		0: 0, 1500: 1500 * time.Millisecond, 3_600_000: time.Hour, 3_600_001: 0, -1: 0, 1 << 62: 0, 9_223_372_036_854_775_807: 0,
	} {
		w := &wire{}
		payload, _ := json.Marshal(api.Bye{RetryAfterMS: given})
		if err := new(subscription).take(w, api.Frame{Type: api.FrameBye, Payload: payload}); err != nil || w.retry != want {
			t.Errorf("%d ms are %v, %v; want %v", given, w.retry, err, want)
		}
	}
}

// What comes alone is told at once, and what comes while a reader rests is told together.
func TestAReaderWithAPaceIsNotWokenFrameByFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const every, pace = 20 * time.Millisecond, 150 * time.Millisecond
		begun := time.Now()
		h := &hall{script: []func(context.Context, *websocket.Conn){func(ctx context.Context, c *websocket.Conn) {
			say(ctx, c, joinedNew, snapshot3)
			time.Sleep(time.Second - time.Since(begun))
			var writes sync.WaitGroup
			for n := 4; n < 14; n++ {
				writes.Go(func() { say(ctx, c, numbered(n)) })
				time.Sleep(every)
			}
			writes.Wait()
			say(ctx, c, `{"v":1,"type":"left","workspace":"w1","payload":{"reason":"deleted"}}`)
		}}}
		c, _ := serve(t, h)
		at := map[uint64]time.Duration{}
		for u := range c.Subscribe(t.Context(), SubscribeOptions{Workspace: "one", Pace: pace}) {
			if u.Frame != nil && u.Frame.Type == api.FrameState {
				at[u.Frame.Seq] = time.Since(begun) - time.Second
			}
		}
		want := map[uint64]time.Duration{4: 0, 5: pace, 6: pace, 7: pace, 8: pace, 9: pace, 10: pace, 11: pace, 12: 8 * every, 13: 8*every + pace}
		if !maps.Equal(at, want) {
			t.Errorf("told at %v, want %v", at, want)
		}
	})
}

// What a reader does not see keeps nothing from it that it does.
func TestFramesOfTheProtocolAloneMakeNoPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const every = 20 * time.Millisecond
		begun := time.Now()
		h := &hall{script: []func(context.Context, *websocket.Conn){func(ctx context.Context, c *websocket.Conn) {
			go func() { _, _, _ = c.Read(ctx) }() // the pong
			for _, f := range []string{`{"v":1,"type":"hello"}`, joinedNew, `{"v":1,"type":"ping","payload":{"t":1}}`, snapshot3, `{"v":1,"type":"left","workspace":"w1","payload":{"reason":"deleted"}}`} {
				time.Sleep(every)
				say(ctx, c, f)
			}
		}}}
		c, _ := serve(t, h)
		var at time.Duration
		for u := range c.Subscribe(t.Context(), SubscribeOptions{Workspace: "one", Pace: time.Second}) {
			if u.Frame != nil && u.Frame.Type == api.FrameSnapshot {
				at = time.Since(begun)
			}
		}
		if at != 4*every {
			t.Errorf("the snapshot was told after %v, want %v", at, 4*every)
		}
	})
}
