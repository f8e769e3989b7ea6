package gateway

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Stream sends the frames of one room as server-sent events, to an observer. last is
// Last-Event-ID, "" for none. An error comes before anything was sent. It returns when the
// reader is gone or too slow, soon after leave is closed, or at once when ctx ends.
func (h *Hub) Stream(ctx context.Context, leave <-chan struct{}, w http.ResponseWriter, a workspace.Actor, ref, last string) error {
	join, err := resumed(last)
	if err != nil {
		return err
	}
	done, err := h.Admit(a)
	if err != nil {
		return err
	}
	defer done()
	q := newQueue(h.limits, func() []*frame {
		return []*frame{own(api.FrameResync, "", "", time.Now(), struct{}{})}
	})
	s, err := h.enter(ctx, ref, entry{actor: a, queue: q, join: join})
	if err != nil {
		return err
	}
	defer s.leave()
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	e := events{w: w, rc: http.NewResponseController(w), within: h.limits.Write}
	quiet := time.NewTicker(h.limits.Quiet)
	defer quiet.Stop()
	for {
		select {
		case <-q.wake:
			err = e.drain(q)
		case <-quiet.C:
			err = e.send([]byte(": quiet\n\n"))
		case <-leave:
			q.end(0, "", own(api.FrameBye, "", "", time.Now(), api.Bye{Reason: "wsd is shutting down", RetryAfterMS: 1000}))
			_ = e.drain(q)
			return nil
		case <-ctx.Done():
			return nil
		}
		if err != nil {
			h.log.Debug("a stream of events ended", "err", err)
			return nil
		}
	}
}

// resumed reads the id of the last event that a reader has: EPOCH-SEQ.
func resumed(last string) (api.Join, error) {
	j := api.Join{Observe: true}
	if last == "" {
		return j, nil
	}
	epoch, seq, ok := strings.Cut(last, "-")
	n, err := strconv.ParseUint(seq, 10, 64)
	if !ok || err != nil || len(epoch) > 64 {
		return j, fault.New(fault.Invalid, "event_id_invalid", "Last-Event-ID is not the id of an event of this stream").
			WithHint("send the last id as it came, or none")
	}
	j.Epoch, j.Since = epoch, n
	return j, nil
}

// events writes server-sent events (WHATWG HTML, 9.2), each with a deadline of its own.
type events struct {
	w      http.ResponseWriter
	rc     *http.ResponseController
	within time.Duration
	buf    bytes.Buffer
}

// drain sends all that waits; errPeerGone follows the last frame of a queue that ended.
func (e *events) drain(q *queue) error {
	for {
		f, over := q.take()
		if over {
			return errPeerGone
		}
		if f == nil {
			return nil
		}
		e.buf.Reset()
		if f.id != "" {
			e.buf.WriteString("id: " + f.id + "\n")
		}
		e.buf.WriteString("event: " + f.typ + "\ndata: ")
		e.buf.Write(f.data) // one line: JSON escapes line ends
		e.buf.WriteString("\n\n")
		if err := e.send(e.buf.Bytes()); err != nil {
			return err
		}
	}
}

func (e *events) send(p []byte) error {
	_ = e.rc.SetWriteDeadline(time.Now().Add(e.within)) // unsupported by recorders in tests
	if _, err := e.w.Write(p); err != nil {
		return err
	}
	return e.rc.Flush()
}
