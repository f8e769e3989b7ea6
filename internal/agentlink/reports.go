package agentlink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/await"
)

// Reports are those of one agent, one now and one after each change, for who has to follow
// many agents that seldom tell anything: between two reports there is a connection, and neither
// a goroutine nor a buffer. So nothing here waits for an agent that stops in the middle of a
// report. One goroutine uses it at a time; it has to be closed.
type Reports struct {
	conn     net.Conn
	raw      []byte // chunks of which the rest has not come (RFC 9112, 7.1)
	text     []byte // what they have carried
	searched int    // bytes of text in which no line ends

	watch *await.Watch // nil: the connection is no socket, and Await reads
	busy  atomic.Bool  // it does
	came  []byte       // what it has read, at first what came with the head
	err   error        // and how that ended
}

// readSize is how much is read at a time; a report seldom has more.
const readSize = 4 << 10

// Reports begins to follow: ctx bounds the opening. then is what Await calls.
func (l *Link) Reports(ctx context.Context, quiet *await.Set, then func()) (*Reports, error) {
	ctx, cancel := context.WithTimeout(ctx, replyTime)
	defer cancel()
	c, resp, err := l.ask(ctx, http.MethodGet, agentapi.PathReport, url.Values{"follow": {"1"}}, "", nil) //nolint:bodyclose // the connection is closed, and the body with it
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		defer c.Close()
		return nil, refusal(resp)
	}
	if !slices.Equal(resp.TransferEncoding, []string{"chunked"}) {
		return nil, errors.Join(nonsense(errors.New("it has no chunks")), c.Close())
	}
	if !c.stop() { // ctx ended at the last moment
		return nil, errors.Join(ctx.Err(), c.Conn.Close())
	}
	r := &Reports{conn: c.Conn}
	r.came, _ = c.in.Peek(c.in.Buffered())
	r.came = bytes.Clone(r.came)
	r.watch, _ = quiet.Watch(c.Conn, then)
	return r, nil
}

// Await has then called, once, when there may be something to hear; it may also be called
// when there is nothing.
func (r *Reports) Await(then func()) {
	if r.watch != nil {
		if r.watch.Arm() {
			return
		}
		r.watch.Stop() // the connection is closed, or the kernel watches no more
		r.watch = nil
	}
	if r.busy.Swap(true) {
		return
	}
	if len(r.came) > 0 || r.err != nil { // a read has ended since the caller looked: another would lose what it has read
		r.busy.Store(false)
		go then()
		return
	}
	go func() {
		r.came, r.err = readSome(r.conn)
		r.busy.Store(false)
		then()
	}()
}

func readSome(from io.Reader) ([]byte, error) {
	b := make([]byte, readSize)
	n, err := from.Read(b)
	return b[:n], err
}

// Ready reports whether there is something to hear: some of a report, or the end.
func (r *Reports) Ready() bool { return r.Waiting() || r.watch != nil && r.watch.Ready() }

// Waiting reports whether that has been read already, so that no wake-up tells of it.
func (r *Reports) Waiting() bool {
	return r.lineEnd() >= 0 || !r.busy.Load() && (len(r.came) > 0 || r.err != nil)
}

// Hear returns the next report, if all of it is there. It does not wait.
func (r *Reports) Hear() (report agentapi.Report, whole bool, err error) {
	end := r.lineEnd()
	for end < 0 && err == nil && r.Ready() {
		err = r.take()
		end = r.lineEnd()
	}
	if end < 0 {
		return report, false, err
	}
	line, rest := r.text[:end], r.text[end+1:]
	r.text, r.searched = nil, 0 // the memory of a long report is not kept
	if len(rest) > 0 {
		r.text = bytes.Clone(rest)
	}
	if err := json.Unmarshal(line, &report); err != nil {
		return report, false, nonsense(err)
	}
	return report, true, nil
}

// lineEnd is where the first line of the text ends, negative while it does not. What was searched
// once is not searched again, however small the parts are that a report comes in.
func (r *Reports) lineEnd() int {
	i := bytes.IndexByte(r.text[r.searched:], '\n')
	if i < 0 {
		r.searched = len(r.text)
		return -1
	}
	return r.searched + i
}

// take reads what is there.
func (r *Reports) take() error {
	some, err := r.came, r.err
	if r.came, r.err = nil, nil; r.watch != nil && len(some) == 0 {
		some, err = readSome(r.conn)
	}
	r.raw = append(r.raw, some...)
	if uerr := r.unchunk(); uerr != nil {
		return uerr
	}
	if len(r.raw)+len(r.text) > maxAnswer {
		return nonsense(errors.New("it is too long"))
	}
	if err != nil {
		return silent(err)
	}
	return nil
}

// unchunk moves the text of whole chunks out of what was read.
func (r *Reports) unchunk() error {
	for {
		head, rest, whole := bytes.Cut(r.raw, []byte("\r\n"))
		if !whole && len(head) <= maxHead {
			return nil
		}
		size, _, _ := bytes.Cut(head, []byte(";"))
		n, err := strconv.ParseUint(string(size), 16, 31)
		switch {
		case err != nil:
			return nonsense(errors.New("it has no chunks"))
		case n == 0:
			return silent(io.ErrUnexpectedEOF)
		case uint64(len(rest)) < n+2:
			return nil
		case rest[n] != '\r' || rest[n+1] != '\n':
			return nonsense(errors.New("a chunk has no end"))
		}
		r.text = append(r.text, rest[:n]...)
		if r.raw = nil; uint64(len(rest)) > n+2 {
			r.raw = bytes.Clone(rest[n+2:])
		}
	}
}

// Close ends the following.
func (r *Reports) Close() error {
	if r.watch != nil {
		r.watch.Stop()
	}
	return r.conn.Close()
}
