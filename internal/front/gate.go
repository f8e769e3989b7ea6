package front

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/preview"
)

// gate is what the first bytes of a connection to a leased port pass, both ways. Cookies
// ignore ports (RFC 6265, 8.5): a browser sends those of demo.localhost to every port of
// that host, and gives the page that comes back what it has of demo. So what the client says
// is held back until it is known to be no request for the name of another workspace.
//
// The server may be the one that speaks first, and is not held up, unless a browser could
// take it for the answer to a request that has not been judged.
//
// The side of the client decides, in one goroutine; the other side is another.
type gate struct {
	judge func(said []byte) (page *preview.Page, known bool) // of Door.misdirected
	heard func([]byte)                                       // sees every byte that goes inside

	said    []byte        // by the client, and held back
	judged  chan struct{} // closed once it is known whether the client may pass
	decided bool          // it is closed; of the client's side alone
	page    *preview.Page // what the client is answered instead; set before judged is closed
	greeted bool          // the server has said something; of its side alone
}

var errRefused = errors.New("the client asks for the name of another workspace")

func newGate(judge func([]byte) (*preview.Page, bool), heard func([]byte)) *gate {
	return &gate{judge: judge, heard: heard, judged: make(chan struct{})}
}

// decide ends the looking. Who is not refused by then may pass.
func (g *gate) decide() {
	if !g.decided {
		g.decided = true
		close(g.judged)
	}
}

// admit takes the next bytes of the client, and returns those that may go inside now.
func (g *gate) admit(p []byte) ([]byte, error) {
	if g.decided {
		return p, nil
	}
	if len(g.said) > 0 {
		g.said = append(g.said, p...)
		p = g.said
	}
	page, known := g.judge(p)
	if known && page == nil {
		g.decide()
		g.said = nil
		return p, nil
	}
	if len(g.said) == 0 {
		g.said = bytes.Clone(p)
	}
	if page == nil {
		return nil, nil
	}
	g.page = page
	g.decide()
	return nil, errRefused
}

// isJudged reports whether it is known whether the client may pass.
func (g *gate) isJudged() bool {
	select {
	case <-g.judged:
		return true
	default:
		return false
	}
}

func (g *gate) refused() bool { return g.isJudged() && g.page != nil }

// answer tells a client that was refused, once nobody else writes to it. Who has heard the
// server would not understand.
func (g *gate) answer(client net.Conn) {
	if g.page != nil && !g.greeted {
		respond(client, requestOf(g.said), g.page)
	}
}

// clientSide is a connection whose bytes the gate admits.
type clientSide struct {
	net.Conn
	*gate
}

// WriteTo implements io.WriterTo: a connection that says little needs no memory of its own.
func (c clientSide) WriteTo(w io.Writer) (n int64, err error) {
	defer c.decide()
	p := pieces.Get().(*piece)
	defer pieces.Put(p)
	for {
		m, err := c.Read(p[:])
		said, refused := c.admit(p[:m])
		if refused != nil {
			_ = c.SetWriteDeadline(time.Now().Add(firstWord)) // for the answer, and whoever writes before it
			return n, refused
		}
		if err != nil && len(c.said) > 0 { // the rest of it does not come
			said, c.said = c.said, nil
		}
		if len(said) > 0 {
			c.heard(said)
			if _, err := w.Write(said); err != nil {
				return n, err
			}
			n += int64(len(said))
		}
		if err != nil {
			return n, whole(err)
		}
	}
}

// greeting is how much of what a server says first is looked at, in bytes: browsers skip a
// little of what stands before an answer (Chromium 4 bytes, Firefox 11).
const greeting = 20

// serverSide is a connection from which nothing goes to a client that is not admitted.
type serverSide struct {
	net.Conn
	*gate
}

// WriteTo implements io.WriterTo. Once the gate is open the kernel moves the bytes alone,
// where it can.
func (s serverSide) WriteTo(w io.Writer) (n int64, err error) {
	first := make([]byte, 0, greeting)
	for len(first) < greeting && !s.isJudged() {
		m, err := s.Read(first[len(first):greeting])
		said := first[len(first) : len(first)+m]
		if first = first[:len(first)+m]; mayBeAnswer(first) {
			<-s.judged
		}
		if s.refused() {
			return n, errRefused
		}
		if m > 0 {
			s.greeted = true
			if _, err := w.Write(said); err != nil {
				return n, err
			}
			n += int64(m)
		}
		if err != nil {
			return n, whole(err)
		}
	}
	if s.refused() {
		return n, errRefused
	}
	rest, err := io.Copy(w, s.Conn)
	return n + rest, err
}

// mayBeAnswer reports whether a browser could take what begins with b for an answer.
func mayBeAnswer(b []byte) bool {
	b = bytes.ToLower(b)
	return bytes.Contains(b, []byte("http")) || bytes.Contains(b, []byte("icy "))
}

// misdirected judges what a client says first on a leased port: page is what to answer
// instead of passing it on, nil for what may pass. Without known more has to be read.
func (d *Door) misdirected(house House, port int, said []byte) (page *preview.Page, known bool) {
	host, known := requestHost(said)
	switch {
	case !known && len(said) >= maxHead:
		return malformed(http.StatusRequestHeaderFieldsTooLarge, "the request names no host in its first 64 KiB"), true
	case !known:
		return nil, false
	}
	host, _, _ = strings.Cut(host, ":")
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if !strings.HasSuffix(host, api.NameSuffix) {
		return nil, true
	}
	w, err := house.Leased(port)
	if own := w.Name + api.NameSuffix; err == nil && (host == own || strings.HasSuffix(host, "."+own)) {
		return nil, true
	}
	return d.astrayAt(port, host), true
}

// astrayAt answers who asks the leased port of a workspace for the host of another.
func (d *Door) astrayAt(port int, host string) *preview.Page {
	p := preview.Page{
		Status: http.StatusMisdirectedRequest, Title: "Not served here", Text: fmt.Sprintf("port %d belongs to another workspace", port),
		Hint: "see where each is served with `wsctl list`",
	}
	if to, err := parseHost(host); err == nil && d.NamesAddress() != "" {
		p.Text = fmt.Sprintf("port %d belongs to another workspace than %s", port, to.name)
		p.Hint = "open " + api.NameURL(d.NamesAddress(), to.name, 1, 1)
	}
	return &p
}

// requestHost is the Host of the request of HTTP/1 with which b begins; "" for what is none.
// known: nothing that follows b changes it. It takes for a request what a browser sends whom
// no answer (CORS) has let send more: the method is of upper case, and each line ends.
func requestHost(b []byte) (host string, known bool) {
	line, rest, whole := bytes.Cut(b, []byte("\n"))
	if !beginsRequest(line, whole) {
		return "", true
	}
	for whole {
		line, rest, whole = bytes.Cut(rest, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case !whole:
		case len(line) == 0:
			return "", true
		case bytes.EqualFold(bytes.TrimSpace(name), []byte("host")):
			return string(bytes.TrimSpace(value)), true
		}
	}
	return "", false
}

// maxMethod bounds the word that may be a method: the longest that is registered has 17
// letters.
const maxMethod = 20

// beginsRequest reports whether line is the first of a request of HTTP/1, or while it is not
// whole, may become that.
func beginsRequest(line []byte, whole bool) bool {
	method, rest, one := bytes.Cut(line, []byte(" "))
	target, version, two := bytes.Cut(rest, []byte(" "))
	isNoTarget := func(c rune) bool { return c < ' ' }
	isNoMethod := func(c rune) bool { return (c < 'A' || c > 'Z') && c != '-' }
	if len(method) > maxMethod || bytes.ContainsFunc(method, isNoMethod) || bytes.ContainsFunc(target, isNoTarget) {
		return false
	}
	if one && len(method) == 0 {
		return false
	}
	if whole {
		v := string(bytes.TrimSuffix(version, []byte("\r")))
		return v == "HTTP/1.1" || v == "HTTP/1.0"
	}
	return !two || strings.HasPrefix("HTTP/1.1\r", string(version)) || strings.HasPrefix("HTTP/1.0\r", string(version))
}

// requestOf is the request that said is the head of, or one of which nothing is known.
func requestOf(said []byte) *http.Request {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(said)))
	if err != nil {
		return &http.Request{Method: http.MethodGet, ProtoMajor: 1, ProtoMinor: 1}
	}
	return r
}
