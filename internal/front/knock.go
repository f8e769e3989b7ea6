package front

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/wsctl/wsctl/internal/intent"
	"github.com/wsctl/wsctl/internal/preview"
	"github.com/wsctl/wsctl/internal/workspace"
)

// What is read of a connection before it is known whether it wakes a workspace.
const (
	firstWord = 10 * time.Second // who says nothing by then is a probe, and is closed
	maxHead   = 64 << 10         // bytes of a request's head
)

// knocked is what became of a knock.
type knocked struct {
	inner net.Conn // nil: outer was answered, or has to be closed
	said  []byte   // what was read of outer, and sent on
	woke  bool     // it found the workspace asleep
}

// knock is for a connection to a leased port whose workspace cannot be dialled: it looks
// at the first bytes, starts a workspace that sleeps, and connects to it.
func (d *Door) knock(ctx context.Context, house House, port int, outer net.Conn) knocked {
	w, err := house.Leased(port)
	if err != nil {
		return knocked{}
	}
	_ = outer.SetReadDeadline(time.Now().Add(firstWord))
	said, r, err := firstWords(outer)
	if err != nil {
		return knocked{}
	}
	_ = outer.SetReadDeadline(time.Time{})
	if page, _ := d.misdirected(house, port, said); page != nil {
		respond(outer, requestOf(said), page)
		return knocked{}
	}
	asleep := w.State != workspace.Running
	w, page := d.rouse(ctx, house, w, r)
	if page == nil {
		inner, err := house.Reach(ctx, w.ID, w.Run, w.Spec.Port)
		if err == nil {
			if _, err = inner.Write(said); err == nil {
				return knocked{inner, said, asleep}
			}
			_ = inner.Close()
		}
		d.log.Debug("cannot reach a workspace that runs", "workspace", w.ID, "err", err)
		page = unheard(ctx, house, w, w.Spec.Port)
	}
	if r != nil {
		respond(outer, r, page)
	}
	return knocked{}
}

// firstWords reads the head of an HTTP request, or the first bytes of something else; r is
// nil then, as for a request that is none to net/http. said is everything that was read.
func firstWords(conn net.Conn) (said []byte, r *http.Request, err error) {
	piece := make([]byte, 4<<10)
	for len(said) < maxHead {
		n, err := conn.Read(piece)
		if err != nil {
			return nil, nil, err
		}
		said = append(said, piece[:n]...)
		if line, _, whole := bytes.Cut(said, []byte("\n")); !beginsRequest(line, whole) {
			return said, nil, nil
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(said)))
		if _, known := requestHost(said); known && (err == nil || !isLost(err)) {
			return said, r, nil
		}
	}
	return said, nil, nil
}

// unheard is what to say when w runs and nothing answers on port.
func unheard(ctx context.Context, house House, w workspace.Workspace, port int) *preview.Page {
	return silence(w, port, house.Offers(ctx, w.ID), time.Now())
}

// respond answers r on a bare connection, and nothing after it.
func respond(conn net.Conn, r *http.Request, p *preview.Page) {
	_ = conn.SetWriteDeadline(time.Now().Add(firstWord))
	h, body := p.Answer(intent.Navigates(r))
	res := http.Response{
		StatusCode: p.Status, ProtoMajor: 1, ProtoMinor: 1, Request: r, Header: h, Close: true,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
	if res.Write(conn) == nil {
		drain(conn)
	}
}
