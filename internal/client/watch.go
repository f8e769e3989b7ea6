package client

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
)

// watchSilence is how long a watch may say nothing: wsd pings every 15 s.
const watchSilence = 45 * time.Second

// WatchOptions choose what a watch tells.
type WatchOptions struct {
	Workspace string  // reference; "": everything visible
	After     *uint64 // begin with the facts after this number instead of a snapshot
	Files     bool    // signals of changed files too; needs Workspace
	// GiveUp ends the watch when wsd could not be reached for this long; 0: never.
	GiveUp time.Duration
	// OnLost is called with the reason each time the connection is lost, OnBack when
	// there is one again. Both on the reader's goroutine; may be nil.
	OnLost func(error)
	OnBack func()
}

// Watch yields what happens, over as many connections as it takes:
//
//	snapshot  all workspaces; the reader forgets what it knew. First, and again
//	          whenever facts were missed that wsd no longer has.
//	event     each fact once, in order
//	signal    may be lost
//
// hello, ping and resync are used up here. After a lost connection the watch asks
// for the facts after the last one that it has yielded; if wsd's numbering began
// anew (another epoch) it starts with a snapshot. The sequence ends with one error:
// ctx's end, a refusal by wsd, or Unavailable after GiveUp. The reader is never
// waited for by wsd: one that is too slow gets a new snapshot instead.
func (c *Client) Watch(ctx context.Context, o WatchOptions) iter.Seq2[api.Message, error] {
	return func(yield func(api.Message, error) bool) {
		w := watch{client: c, options: o, yield: yield}
		if o.After != nil {
			w.resume, w.last = true, *o.After
		}
		if err := w.run(ctx); err != nil && !errors.Is(err, errReaderGone) {
			yield(api.Message{}, err)
		}
	}
}

// Reasons to end one connection that are not failures.
var (
	errReaderGone = errors.New("the reader stopped")
	errResync     = errors.New("facts were missed")
)

// watch is the state that outlives a connection. It belongs to one goroutine.
type watch struct {
	client  *Client
	options WatchOptions
	yield   func(api.Message, error) bool

	epoch  string
	last   uint64 // number of the newest fact that was yielded
	resume bool   // last means something
	lost   bool
	since  time.Time // when the connection was lost
}

func (w *watch) run(ctx context.Context) error {
	delays := DefaultRetry.backOff()
	for {
		heard, err := w.connect(ctx)
		switch {
		case ctx.Err() != nil:
			return fault.From(context.Cause(ctx))
		case errors.Is(err, errReaderGone):
			return err
		case errors.Is(err, errResync):
			w.resume = false
		case permanent(err):
			return err
		}
		if heard {
			delays.Reset()
		}
		if err := w.noteLost(err); err != nil {
			return err
		}
		if err := pause(ctx, delays.NextBackOff()); err != nil {
			return fault.From(err)
		}
	}
}

// permanent reports whether asking again cannot help.
func permanent(err error) bool {
	f := fault.From(err)
	if f == nil {
		return false
	}
	switch f.Kind {
	case fault.Unavailable, fault.Limit, fault.Timeout:
		return false
	case fault.Internal:
		return f.Code == "answer_invalid"
	}
	return true
}

// noteLost tells the reader once and gives up when it is time.
func (w *watch) noteLost(err error) error {
	if errors.Is(err, errResync) {
		return nil
	}
	now := time.Now()
	if !w.lost {
		w.lost, w.since = true, now
		if w.options.OnLost != nil {
			w.options.OnLost(err)
		}
	}
	if g := w.options.GiveUp; g > 0 && now.Sub(w.since) >= g {
		if err == nil {
			err = errors.New("the stream ended")
		}
		return fault.New(fault.Unavailable, "daemon_unreachable", "wsd went away and did not come back within %s", g).
			WithHint("look at `wsctl daemon status` and `wsctl daemon logs`").WithCause(err)
	}
	return nil
}

func (w *watch) noteBack() {
	if w.lost && w.options.OnBack != nil {
		w.options.OnBack()
	}
	w.lost = false
}

// connect reads one connection to its end and reports whether it said anything.
func (w *watch) connect(parent context.Context) (heard bool, err error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	silence := time.AfterFunc(watchSilence, func() { cancel(errors.New("wsd fell silent")) })
	defer silence.Stop()
	q := url.Values{}
	if w.resume {
		q.Set("after", strconv.FormatUint(w.last, 10))
	}
	if w.options.Workspace != "" {
		q.Set("workspace", w.options.Workspace)
	}
	if w.options.Files {
		q.Set("files", "true")
	}
	resp, err := w.client.open(ctx, call{method: http.MethodGet, path: "/v1/watch", query: q})
	if err != nil {
		return false, w.transient(parent, err)
	}
	defer resp.Body.Close()
	for raw, err := range lines(resp.Body) {
		if err != nil {
			return heard, w.transient(parent, err)
		}
		silence.Reset(watchSilence)
		var m api.Message
		if err := decodeLine(raw, &m); err != nil {
			return heard, w.transient(parent, err)
		}
		heard = true
		w.noteBack()
		if err := w.take(m); err != nil {
			return heard, err
		}
	}
	return heard, w.transient(parent, io.ErrUnexpectedEOF)
}

// transient words a failure of one connection: the end of the reader's own context
// stays what it is, everything else is a lost connection unless wsd refused.
func (w *watch) transient(parent context.Context, err error) error {
	var answered *Error
	switch {
	case parent.Err() != nil:
		return fault.From(context.Cause(parent))
	case errors.As(err, &answered):
		return err
	case fault.Is(err, fault.Unavailable), fault.Is(err, fault.Denied), fault.Is(err, fault.Usage), fault.Is(err, fault.NotFound),
		fault.HasCode(err, "answer_invalid"):
		return err
	}
	return connectionLost(err)
}

// take handles one message.
func (w *watch) take(m api.Message) error {
	switch m.Type {
	case "hello":
		restarted := w.epoch != "" && m.Epoch != w.epoch
		w.epoch = m.Epoch
		if w.resume && restarted { // a store set back in the same epoch answers resync itself
			return errResync
		}
		return nil
	case "snapshot":
		w.last, w.resume = m.Seq, true
	case "event":
		if w.resume && m.Seq <= w.last {
			return nil
		}
		w.last, w.resume = m.Seq, true
	case "resync":
		return errResync
	case "ping":
		return nil
	}
	if !w.yield(m, nil) {
		return errReaderGone
	}
	return nil
}
