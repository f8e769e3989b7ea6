package client_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/wstest"
)

// reader takes the updates of a subscription to a whole daemon.
type reader struct {
	t  *testing.T
	ch chan client.Update
}

func subscribe(t *testing.T, c *client.Client, o client.SubscribeOptions) *reader {
	ctx, cancel := context.WithCancel(t.Context())
	r := &reader{t, make(chan client.Update)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for u, err := range c.Subscribe(ctx, o) {
			if err != nil {
				return
			}
			select {
			case r.ch <- u:
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return r
}

func (r *reader) until(what string, fits func(client.Update) bool) client.Update {
	r.t.Helper()
	limit := time.After(30 * time.Second)
	for {
		select {
		case u := <-r.ch:
			if fits(u) {
				return u
			}
		case <-limit:
			r.t.Fatalf("%s never came", what)
		}
	}
}

func (r *reader) frame(typ string) api.Frame {
	r.t.Helper()
	return *r.until(typ, func(u client.Update) bool { return u.Frame != nil && u.Frame.Type == typ }).Frame
}

func (r *reader) linked(l client.Link) client.Update {
	r.t.Helper()
	return r.until("link "+string(l), func(u client.Update) bool { return u.Frame == nil && u.Link == l })
}

func TestASubscriptionOutlivesTheDaemon(t *testing.T) {
	d := wstest.Start(t)
	all := subscribe(t, d.Client, client.SubscribeOptions{})
	all.linked(client.Live)
	all.frame(api.FrameSnapshot)
	if _, err := d.Create(t.Context(), api.Create{Name: "one", Image: "wsd:base", Stopped: true}, ""); err != nil {
		t.Fatal(err)
	}
	first := all.frame(api.FrameState)
	var fact api.Fact
	if err := json.Unmarshal(first.Payload, &fact); err != nil || fact.Workspace == nil || fact.Workspace.Name != "one" {
		t.Fatalf("told %s, %v", first.Payload, err)
	}
	d.Stop()
	if u := all.linked(client.Lost); u.Err == nil {
		t.Error("nothing tells why the link is lost")
	}
	d.Run()
	all.linked(client.Live)
	again := all.frame(api.FrameSnapshot)
	var snap api.Snapshot
	if err := json.Unmarshal(again.Payload, &snap); err != nil || len(snap.Workspaces) != 1 || again.Epoch == first.Epoch {
		t.Errorf("the new snapshot is %s of epoch %s, %v", again.Payload, again.Epoch, err)
	}
}

func TestAVisitorOfARoomIsASessionAndWhatItSendsReachesOthers(t *testing.T) {
	d := wstest.Start(t)
	if _, err := d.Create(t.Context(), api.Create{Name: "one", Image: "wsd:base"}, ""); err != nil {
		t.Fatal(err)
	}
	send := make(chan api.Frame)
	a := subscribe(t, d.Client, client.SubscribeOptions{Workspace: "one", Send: send})
	a.frame(api.FramePresence)
	b := subscribe(t, d.Client, client.SubscribeOptions{Workspace: "one", Observe: true})
	var there api.Presence
	if err := json.Unmarshal(b.frame(api.FramePresence).Payload, &there); err != nil || len(there.Members) != 1 {
		t.Fatalf("there are %+v, %v", there, err)
	}
	send <- api.Frame{V: 1, Type: api.FrameCursor, Workspace: "one", Payload: json.RawMessage(`{"file":"a.go","line":7}`)}
	var c api.Cursor
	if err := json.Unmarshal(b.frame(api.FrameCursor).Payload, &c); err != nil || c.File != "a.go" || c.Member == "" {
		t.Errorf("told %+v, %v", c, err)
	}
}
