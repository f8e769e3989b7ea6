package client

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/api"
)

// samplesOf reads what a client says up to whose samples it wants; ok is false at the end.
func samplesOf(ctx context.Context, c *websocket.Conn) (ids []string, ok bool) {
	for {
		_, data, err := c.Read(ctx)
		if err != nil {
			return nil, false
		}
		var f api.Frame
		var p api.Samples
		if json.Unmarshal(data, &f) == nil && f.Type == api.FrameSamples && json.Unmarshal(f.Payload, &p) == nil {
			return p.Workspaces, true
		}
	}
}

// heard reads what a client says until it wants samples of these workspaces.
func heard(ctx context.Context, c *websocket.Conn, want ...string) {
	for {
		if ids, ok := samplesOf(ctx, c); !ok || slices.Equal(ids, want) {
			return
		}
	}
}

func TestAnInterestIsToldAgainAfterEachConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := NewInterest()
		i.Set([]string{"w1"})
		const sample = `{"v":1,"type":"sample","workspace":"*","payload":{"workspace":"w1","usage":{}}}`
		h := &hall{script: []func(context.Context, *websocket.Conn){
			func(ctx context.Context, c *websocket.Conn) {
				say(ctx, c, joinedNew, snapshot3)
				heard(ctx, c, "w1")
				say(ctx, c, sample)
				heard(ctx, c, "w1", "w2")
				say(ctx, c, `{"v":1,"type":"resync","workspace":"w1"}`, joinedNew, snapshot3)
				heard(ctx, c, "w1", "w2")
			},
			func(ctx context.Context, c *websocket.Conn) {
				say(ctx, c, joinedAgain)
				heard(ctx, c, "w1", "w2")
				say(ctx, c, sample)
				heard(ctx, c)
				say(ctx, c, `{"v":1,"type":"left","workspace":"*","payload":{"reason":"denied"}}`)
			},
		}}
		c, _ := serve(t, h)
		var seen []string
		var end error
		for u, err := range c.Subscribe(t.Context(), SubscribeOptions{Samples: i}) {
			if end = err; err != nil {
				break
			}
			if u.Frame == nil || u.Frame.Type != api.FrameSample {
				continue
			}
			seen = append(seen, u.Frame.Type)
			if len(seen) == 1 {
				i.Set([]string{"w1", "w2"})
			} else {
				i.Set(nil)
			}
		}
		if len(seen) != 2 || len(h.script) != 0 {
			t.Errorf("%v, %d connections were not made, %v", seen, len(h.script), end)
		}
	})
}

func TestTheSameInterestIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan []string, 9)
		h := &hall{script: []func(context.Context, *websocket.Conn){func(ctx context.Context, c *websocket.Conn) {
			say(ctx, c, joinedNew, snapshot3)
			for ids, ok := samplesOf(ctx, c); ok; ids, ok = samplesOf(ctx, c) {
				told <- ids
			}
		}}}
		c, _ := serve(t, h)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		i := NewInterest()
		go func() {
			for range c.Subscribe(ctx, SubscribeOptions{Samples: i}) {
			}
		}()
		for _, ids := range [][]string{nil, {"w1"}, {"w1"}, {"w2", "w1"}, {"w2", "w1"}, nil, nil} {
			i.Set(ids)
			time.Sleep(time.Second)
		}
		var got []string
		for len(told) > 0 {
			got = append(got, strings.Join(<-told, " "))
		}
		if want := []string{"w1", "w2 w1", ""}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}
