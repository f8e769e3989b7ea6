package client

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// dying is a daemon whose first life ends as the case says: nobody takes the
// connection, or somebody does and closes it without an answer.
type dying struct {
	live    *pipes
	refuses bool
	lives   int // how often it was started
	dials   int
}

func (d *dying) dial(ctx context.Context) (net.Conn, error) {
	d.dials++
	if d.lives > 0 {
		return d.live.dial(ctx)
	}
	if d.refuses {
		return nil, errRefused
	}
	mine, theirs := net.Pipe()
	go func() {
		_, _ = theirs.Read(make([]byte, 1))
		_ = theirs.Close()
	}()
	return mine, nil
}

func (d *dying) client(t *testing.T, revive func(context.Context) error) *Client {
	t.Helper()
	d.live = newPipes()
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { //nolint:gosec // a test
		answer(w, workspace.Workspace{ID: "w1", State: workspace.Running})
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(d.live) }()
	c := New(Options{Socket: "/pipe", Dial: d.dial, Revive: revive})
	t.Cleanup(func() { c.Close(); _ = srv.Close(); <-done })
	return c
}

func TestDaemonThatDiesBeforeItsFirstAnswerIsStartedAgain(t *testing.T) {
	get := func(c *Client) error { _, err := c.Workspace(context.Background(), "demo"); return err }
	create := func(c *Client) error { _, err := c.Create(context.Background(), api.Create{}, ""); return err }
	start := func(c *Client) error { _, err := c.Command(context.Background(), "demo", api.Start); return err }
	stream := func(c *Client) error { _, err := c.Backup(context.Background(), io.Discard); return err }
	for _, tt := range []struct {
		name    string
		call    func(*Client) error
		refuses bool
		ok      bool
	}{
		{"a read is repeated when nobody takes its connection", get, true, true},
		{"a read is repeated when its connection is closed", get, false, true},
		{"a create is repeated, having a key", create, false, true},
		{"a stream is opened again", stream, false, true},
		{"a command that was not sent is repeated", start, true, true},
		{"a command that may have been read is not", start, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &dying{refuses: tt.refuses}
				c := d.client(t, func(context.Context) error { d.lives++; return nil })
				if err := tt.call(c); (err == nil) != tt.ok {
					t.Errorf("got %v", err)
				}
				if want := map[bool]int{true: 1}[tt.ok]; d.lives != want {
					t.Errorf("started %d times, want %d", d.lives, want)
				}
			})
		})
	}
}

func TestDaemonIsNotStartedAgainOnceItHasAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dying{lives: 1}
		c := d.client(t, func(context.Context) error { d.lives++; return nil })
		if _, err := c.Workspace(t.Context(), "demo"); err != nil {
			t.Fatal(err)
		}
		d.live.set(true)
		if _, err := c.Workspace(t.Context(), "demo"); !fault.HasCode(err, "daemon_unreachable") {
			t.Errorf("got %v", err)
		}
		if d.lives != 1 {
			t.Errorf("it was started %d times", d.lives)
		}
	})
}

func TestReasonWhyItCannotBeStartedIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dying{refuses: true}
		tries := 0
		c := d.client(t, func(context.Context) error {
			tries++
			return fault.New(fault.Unavailable, "daemon_start_failed", "it has no disk")
		})
		if _, err := c.Workspace(t.Context(), "demo"); !fault.HasCode(err, "daemon_start_failed") || tries != 1 {
			t.Errorf("got %v after %d tries", err, tries)
		}
	})
}
