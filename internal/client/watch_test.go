package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// feed serves a watch as wsd does: hello, then a snapshot or the facts after the
// wanted one, then what happens.
type feed struct {
	mu      sync.Mutex
	epoch   string
	first   uint64 // oldest fact that is kept
	last    uint64
	repeat  int // facts told again on resume, as an overlap
	silent  bool
	refused *api.Problem
	readers []chan api.Message
	asked   []string // the query of every connection
}

func (f *feed) happen(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		f.last++
		for _, r := range f.readers {
			r <- factMessage(f.last)
		}
	}
}

func (f *feed) tell(m api.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.readers {
		r <- m
	}
}

func factMessage(seq uint64) api.Message {
	return api.Message{Type: "event", Seq: seq, Event: &event.Event{Seq: seq, Kind: event.WorkspaceState}}
}

func (f *feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked = append(f.asked, r.URL.RawQuery)
	if f.refused != nil {
		f.mu.Unlock()
		refuse(w, f.refused.Status, f.refused.Code)
		return
	}
	reader := make(chan api.Message, 100)
	begin := []api.Message{{Type: "hello", Epoch: f.epoch, Seq: f.last}}
	if after := r.URL.Query().Get("after"); after == "" {
		begin = append(begin, api.Message{Type: "snapshot", Seq: f.last, Workspaces: []workspace.Workspace{{ID: "w1", State: workspace.Running}}})
	} else {
		n, _ := strconv.ParseUint(after, 10, 64)
		if n > f.last || n+1 < f.first {
			begin = append(begin, api.Message{Type: "resync"})
		} else {
			for s := n + 1 - uint64(min(f.repeat, int(n))); s <= f.last; s++ {
				begin = append(begin, factMessage(s))
			}
		}
	}
	f.readers = append(f.readers, reader)
	silent := f.silent
	f.mu.Unlock()
	defer f.forget(reader)
	send := func(m api.Message) bool {
		err := json.NewEncoder(w).Encode(m)
		w.(http.Flusher).Flush()
		return err == nil && m.Type != "resync"
	}
	for _, m := range begin {
		if !send(m) {
			return
		}
	}
	for {
		select {
		case <-r.Context().Done():
			return
		case m := <-reader:
			if !send(m) {
				return
			}
		case <-time.After(15 * time.Second):
			if !silent && !send(api.Message{Type: "ping", Seq: 0}) {
				return
			}
		}
	}
}

func (f *feed) forget(reader chan api.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readers = slices.DeleteFunc(f.readers, func(r chan api.Message) bool { return r == reader })
}

// follow reads a watch in the background; text returns what it told so far.
func follow(ctx context.Context, c *Client, o WatchOptions) (text func() string, ended <-chan error) {
	var mu sync.Mutex
	var told []string
	done := make(chan error, 1)
	go func() {
		for m, err := range c.Watch(ctx, o) {
			if err != nil {
				done <- err
				return
			}
			mu.Lock()
			switch m.Type {
			case "event":
				told = append(told, fmt.Sprint(m.Seq))
			case "snapshot":
				told = append(told, fmt.Sprintf("all@%d", m.Seq))
			default:
				told = append(told, m.Type)
			}
			mu.Unlock()
		}
		done <- nil
	}()
	return func() string {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(told, " ")
	}, done
}

func TestWatch(t *testing.T) {
	tests := []struct {
		name    string
		act     func(f *feed, p *pipes)
		want    string
		resumes string // query of the last connection
	}{
		{"a snapshot comes first, then facts in order", func(f *feed, _ *pipes) { f.happen(2) }, "all@5 6 7", ""},
		{"facts of a lost connection are asked for again, and told once", func(f *feed, p *pipes) {
			f.happen(1)
			synctest.Wait()
			p.set(true)
			f.repeat = 2
			f.happen(2)
			p.set(false)
			time.Sleep(3 * time.Second)
			f.happen(1)
		}, "all@5 6 7 8 9", "after=6"},
		{"too slow a reader gets a new snapshot", func(f *feed, _ *pipes) {
			f.tell(api.Message{Type: "resync"})
			time.Sleep(3 * time.Second)
			f.happen(1)
		}, "all@5 all@5 6", ""},
		{"facts that are gone lead to a new snapshot", func(f *feed, p *pipes) {
			p.set(true)
			f.last, f.first = 100, 90
			p.set(false)
			time.Sleep(5 * time.Second)
		}, "all@5 all@100", ""},
		{"a new epoch leads to a new snapshot even where numbers fit", func(f *feed, p *pipes) {
			p.set(true)
			f.epoch, f.last = "restored", 9
			p.set(false)
			time.Sleep(5 * time.Second)
			f.happen(1)
		}, "all@5 all@9 10", ""},
		{"a store set back leads to a new snapshot", func(f *feed, p *pipes) {
			p.set(true)
			f.last = 3
			p.set(false)
			time.Sleep(5 * time.Second)
			f.happen(1)
		}, "all@5 all@3 4", ""},
		{"signals pass and pings do not", func(f *feed, _ *pipes) {
			f.tell(api.Message{Type: "signal", Signal: &event.Signal{Kind: "progress"}})
			time.Sleep(time.Minute)
			f.happen(1)
		}, "all@5 signal 6", ""},
		{"a daemon that falls silent is left", func(f *feed, _ *pipes) {
			f.silent = true
			f.tell(api.Message{Type: "resync"}) // the next connection is silent
			time.Sleep(watchSilence + 10*time.Second)
		}, "all@5 all@5", "after=5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &feed{epoch: "one", first: 1, last: 5}
				c, p := serve(t, f)
				ctx, cancel := context.WithCancel(t.Context())
				text, ended := follow(ctx, c, WatchOptions{})
				synctest.Wait()
				tt.act(f, p)
				if got := text(); got != tt.want {
					t.Errorf("told %q, want %q", got, tt.want)
				}
				if got := f.asked[len(f.asked)-1]; got != tt.resumes {
					t.Errorf("the last connection asked %q, want %q", got, tt.resumes)
				}
				cancel()
				if err := <-ended; !fault.Is(err, fault.Interrupted) {
					t.Errorf("ended with %v, want interrupted", err)
				}
			})
		})
	}
}

func TestWatchAfterSkipsTheSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &feed{epoch: "one", first: 1, last: 5}
		c, _ := serve(t, f)
		ctx, cancel := context.WithCancel(t.Context())
		after := uint64(3)
		text, ended := follow(ctx, c, WatchOptions{After: &after, Workspace: "demo"})
		if got := text(); got != "4 5" {
			t.Errorf("told %q, want %q", got, "4 5")
		}
		if f.asked[0] != "after=3&workspace=demo" {
			t.Errorf("asked %q", f.asked[0])
		}
		cancel()
		<-ended
	})
}

func TestWatchEnds(t *testing.T) {
	t.Run("when wsd refuses", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, _ := serve(t, &feed{refused: &api.Problem{Status: 404, Code: "workspace_not_found"}})
			_, ended := follow(t.Context(), c, WatchOptions{Workspace: "gone"})
			if err := <-ended; !fault.HasCode(err, "workspace_not_found") || RequestID(err) != "q1" {
				t.Errorf("ended with %v", err)
			}
		})
	})
	t.Run("when wsd says what cannot be understood", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, line := range []string{"<html>\n", `{"type":"snapshot","workspaces":[{"state":"melted"}]}` + "\n"} {
				c, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(line)) }))
				_, ended := follow(t.Context(), c, WatchOptions{})
				if err := <-ended; !fault.HasCode(err, "answer_invalid") {
					t.Errorf("%s: ended with %v", line, err)
				}
			}
		})
	})
	t.Run("when wsd stays away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, p := serve(t, &feed{epoch: "one", first: 1, last: 5})
			lost := 0
			_, ended := follow(t.Context(), c, WatchOptions{GiveUp: 30 * time.Second, OnLost: func(error) { lost++ }})
			synctest.Wait()
			begin := time.Now()
			p.set(true)
			err := <-ended
			if took := time.Since(begin); !fault.Is(err, fault.Unavailable) || took < 30*time.Second || took > 33*time.Second || lost != 1 {
				t.Errorf("ended after %s with %v, told %d times", took, err, lost)
			}
		})
	})
	t.Run("not while wsd comes back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, p := serve(t, &feed{epoch: "one", first: 1, last: 5})
			back := 0
			ctx, cancel := context.WithCancel(t.Context())
			_, ended := follow(ctx, c, WatchOptions{GiveUp: 30 * time.Second, OnBack: func() { back++ }})
			for range 5 {
				synctest.Wait()
				p.set(true)
				time.Sleep(20 * time.Second)
				p.set(false)
				time.Sleep(5 * time.Second)
			}
			cancel()
			if err := <-ended; !fault.Is(err, fault.Interrupted) || back != 5 {
				t.Errorf("ended with %v after %d returns", err, back)
			}
		})
	})
	t.Run("when the reader stops", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := &feed{epoch: "one", first: 1, last: 5}
			c, _ := serve(t, f)
			for range c.Watch(t.Context(), WatchOptions{}) {
				break
			}
			synctest.Wait()
			if len(f.readers) != 0 {
				t.Error("the connection was left open")
			}
		})
	})
}
