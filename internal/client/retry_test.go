package client

import (
	"context"
	"net/http"
	"path"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// flaky answers with the given status (and Retry-After) until the attempt good.
type flaky struct {
	good, seen int
	status     int
	after      string
	keys       []string
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.seen++
	f.keys = append(f.keys, r.Header.Get(api.HeaderIdempotencyKey))
	if f.seen < f.good {
		if f.after != "" {
			w.Header().Set("Retry-After", f.after)
		}
		refuse(w, f.status, "engine_unreachable")
		return
	}
	answer(w, workspace.Workspace{ID: "w1", State: workspace.Running})
}

func TestRetry(t *testing.T) {
	get := func(ctx context.Context, c *Client) error { _, err := c.Workspace(ctx, "demo"); return err }
	start := func(ctx context.Context, c *Client) error { _, err := c.Command(ctx, "demo", api.Start); return err }
	create := func(ctx context.Context, c *Client) error { _, err := c.Create(ctx, api.Create{}, ""); return err }
	tests := []struct {
		name   string
		server flaky
		call   func(context.Context, *Client) error
		tries  int
		ok     bool
		least  time.Duration // that the call took
		most   time.Duration
	}{
		{"a read is repeated after 503", flaky{good: 3, status: 503}, get, 3, true, 0, 600 * time.Millisecond},
		{"a read is given up after four attempts", flaky{good: 9, status: 503}, get, 4, false, 0, 1400 * time.Millisecond},
		{"a quota does not go away", flaky{good: 9, status: 429}, get, 1, false, 0, 0},
		{"Retry-After is waited for", flaky{good: 2, status: 429, after: "1"}, get, 2, true, time.Second, time.Second},
		{"a long Retry-After is handed to the caller at once", flaky{good: 2, status: 503, after: "30"}, get, 1, false, 0, 0},
		{"500 is not repeated", flaky{good: 2, status: 500}, get, 1, false, 0, 0},
		{"a command without a key is not repeated", flaky{good: 2, status: 503}, start, 1, false, 0, 0},
		{"a create carries one key through every attempt", flaky{good: 3, status: 503}, create, 3, true, 0, 600 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _ := serve(t, &tt.server)
				begin := time.Now()
				err := tt.call(t.Context(), c)
				took := time.Since(begin)
				if (err == nil) != tt.ok || tt.server.seen != tt.tries {
					t.Errorf("err %v after %d attempts, want ok=%v after %d", err, tt.server.seen, tt.ok, tt.tries)
				}
				if took < tt.least || took > tt.most {
					t.Errorf("took %s, want %s to %s", took, tt.least, tt.most)
				}
				for _, k := range tt.server.keys {
					if k != tt.server.keys[0] {
						t.Errorf("keys differ: %q", tt.server.keys)
					}
				}
			})
		})
	}
}

func TestRetryAfterLostConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &flaky{good: 1}
		c, p := serve(t, server)
		p.refuse(DefaultRetry.Attempts - 1)
		// A command may be repeated here: the dial failed, so it was never sent.
		if _, err := c.Command(t.Context(), "demo", api.Restart); err != nil {
			t.Fatal(err)
		}
		if server.seen != 1 {
			t.Errorf("the server saw %d requests, want 1", server.seen)
		}
	})
}

func TestDelaysAreFullJitter(t *testing.T) {
	p := RetryPolicy{Attempts: 9, First: 100 * time.Millisecond, Max: 400 * time.Millisecond}
	ceilings := []time.Duration{100, 200, 400, 400}
	low, high := make([]time.Duration, 4), make([]time.Duration, 4)
	for range 2000 {
		b := p.backOff()
		for i := range ceilings {
			d := b.NextBackOff()
			if d < 0 || d > ceilings[i]*time.Millisecond+time.Millisecond {
				t.Fatalf("delay %d is %s, want at most %s", i, d, ceilings[i]*time.Millisecond)
			}
			if low[i] == 0 || d < low[i] {
				low[i] = d
			}
			high[i] = max(high[i], d)
		}
	}
	for i, c := range ceilings {
		if low[i] > c*time.Millisecond/10 || high[i] < c*time.Millisecond*9/10 {
			t.Errorf("delay %d was between %s and %s, want nearly 0 to %s", i, low[i], high[i], c*time.Millisecond)
		}
	}
}

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &flaky{good: 1}
		c, p := serve(t, server)
		p.set(true)
		for range 2 { // 4 attempts each: the fifth failure in a row opens it
			if _, err := c.Status(t.Context()); !fault.Is(err, fault.Unavailable) {
				t.Fatalf("got %v, want unavailable", err)
			}
		}
		begin := time.Now()
		_, err := c.Status(t.Context())
		if !fault.HasCode(err, "daemon_unreachable") || time.Since(begin) != 0 {
			t.Errorf("an open breaker let the call wait %s: %v", time.Since(begin), err)
		}
		p.set(false)
		if _, err := c.Status(t.Context()); err == nil {
			t.Error("the breaker was closed before its pause was over")
		}
		time.Sleep(breakerPause + time.Millisecond)
		if _, err := c.Status(t.Context()); err != nil {
			t.Errorf("after the pause: %v", err)
		}
	})
}

func TestBreakerCountsNoAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &flaky{good: 1 << 30, status: 503, after: "30"}
		c, _ := serve(t, server)
		for range 3 * breakerFailures {
			_, _ = c.Workspace(t.Context(), "demo")
		}
		if server.seen != 3*breakerFailures {
			t.Errorf("the server saw %d requests, want %d: 503 is an answer", server.seen, 3*breakerFailures)
		}
	})
}

func TestCancelledCallEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := serve(t, &flaky{good: 1})
		p.set(true)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		begin := time.Now()
		_, err := c.Status(ctx)
		if time.Since(begin) > 10*time.Millisecond || err == nil {
			t.Errorf("ended after %s with %v", time.Since(begin), err)
		}
	})
}

func TestARepeatedDeleteSparesANamesake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		there, deletes := "waaaaaaaaaaaa", 0 // the id that has the name
		c, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ref := path.Base(r.URL.Path)
			switch {
			case ref != "demo" && ref != there:
				refuse(w, http.StatusGone, "workspace_deleted")
			case r.Method == http.MethodGet:
				answer(w, workspace.Workspace{ID: there, Name: "demo", State: workspace.Running})
			default:
				if deletes++; deletes == 1 {
					there = "wbbbbbbbbbbbb" // somebody is quick
					panic(http.ErrAbortHandler)
				}
				there = ""
			}
		}))
		if _, err := c.Delete(t.Context(), "demo", true); !fault.Is(err, fault.Gone) {
			t.Errorf("got %v", err)
		}
		if there != "wbbbbbbbbbbbb" {
			t.Error("the namesake was deleted")
		}
	})
}
