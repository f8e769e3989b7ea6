package front

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// script is the connection of a client that sends all at once and has gone when the server
// wants another request. While that has an answer to give, the client is there for a moment.
type script struct {
	sent *bytes.Reader
	stay time.Duration // that moment
	mu   sync.Mutex
	turn *sync.Cond
	dead time.Time
	shut bool
	said bytes.Buffer
}

func newScript(sent []byte, stay time.Duration) *script {
	s := &script{sent: bytes.NewReader(sent), stay: stay}
	s.turn = sync.NewCond(&s.mu)
	return s
}

func (s *script) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	patient := true
	moment := time.AfterFunc(s.stay, func() { _ = s.change(func() { patient = false }) })
	defer moment.Stop()
	for {
		switch past := !s.dead.IsZero() && s.dead.Before(time.Now()); {
		case s.shut:
			return 0, net.ErrClosed
		case past:
			return 0, os.ErrDeadlineExceeded
		case s.sent.Len() > 0 || !s.dead.IsZero() || !patient:
			return s.sent.Read(p)
		}
		s.turn.Wait()
	}
}

func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said.Write(p)
}

func (s *script) change(f func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.turn.Broadcast()
	return nil
}

func (s *script) Close() error                       { return s.change(func() { s.shut = true }) }
func (s *script) SetReadDeadline(at time.Time) error { return s.change(func() { s.dead = at }) }
func (s *script) SetDeadline(at time.Time) error     { return s.SetReadDeadline(at) }
func (s *script) SetWriteDeadline(time.Time) error   { return nil }
func (s *script) LocalAddr() net.Addr                { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (s *script) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// request is what a server sees of one.
func request(method, target, host string, h http.Header, body []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s\n", method, target, host)
	writeFields(&b, h.Clone(), ofRequest)
	fmt.Fprintf(&b, "%q\n", body)
	return b.String()
}

// strict is a server that takes nothing but what RFC 9112 lets a sender write.
type strict struct {
	*inside
	t    *testing.T
	mu   sync.Mutex
	seen []string
	over sync.WaitGroup
}

var (
	firstLine = regexp.MustCompile("^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ((?:/|\\*)[^\x00-\x20\x7f]*) HTTP/1\\.1\r\n$")
	fieldLine = regexp.MustCompile("^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([^\x00-\x08\x0a-\x1f\x7f]*)\r\n$")
)

func (s *strict) Reach(context.Context, string, string, int) (net.Conn, error) {
	door, mine := net.Pipe()
	s.over.Go(func() {
		defer mine.Close()
		r := bufio.NewReader(mine)
		for s.serve(r) {
			if _, err := io.WriteString(mine, short); err != nil {
				return
			}
		}
	})
	return door, nil
}

// serve reads one request, which has to be well formed as far as it comes.
func (s *strict) serve(r *bufio.Reader) bool {
	line, err := r.ReadString('\n')
	if err != nil {
		if line != "" {
			s.t.Errorf("a head breaks off in %q", line)
		}
		return false
	}
	first := firstLine.FindStringSubmatch(line)
	if first == nil {
		s.t.Errorf("no request begins with %q", line)
		return false
	}
	h := http.Header{}
	for {
		if line, err = r.ReadString('\n'); err != nil || line == "\r\n" {
			break
		}
		f := fieldLine.FindStringSubmatch(line)
		if f == nil {
			s.t.Errorf("%q is no field", line)
			return false
		}
		h.Add(f[1], f[2])
	}
	length, chunked := h["Content-Length"], h["Transfer-Encoding"]
	if err != nil || len(h["Host"]) != 1 || len(length)+len(chunked) > 1 || len(h["X-Forwarded-For"]) != 1 || h.Get("X-Forwarded-For") != "127.0.0.1" || h.Get("X-Forwarded-Host") != h.Get("Host") {
		s.t.Errorf("the head is %v, %v", h, err)
		return false
	}
	body, err := readBody(r, length, chunked)
	if err != nil {
		return false // the client broke off: this is no request to anybody
	}
	host := h.Get("Host")
	h.Del("Host")
	s.mu.Lock()
	s.seen = append(s.seen, request(first[1], first[2], host, h, body))
	s.mu.Unlock()
	return true
}

func readBody(r *bufio.Reader, length, chunked []string) ([]byte, error) {
	switch {
	case len(length) == 1:
		n, err := strconv.ParseUint(length[0], 10, 31)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		_, err = io.CopyN(&b, r, int64(n))
		return b.Bytes(), err
	case len(chunked) == 1:
		var all []byte
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return nil, err
			}
			n, err := strconv.ParseUint(strings.TrimSuffix(line, "\r\n"), 16, 31)
			if err != nil {
				return nil, err
			}
			piece := make([]byte, n+2)
			if _, err := io.ReadFull(r, piece); err != nil || string(piece[n:]) != "\r\n" {
				return nil, errors.Join(err, io.ErrUnexpectedEOF)
			}
			if n == 0 {
				return all, nil
			}
			all = append(all, piece[:n]...)
		}
	}
	return nil, nil
}

// oracle is what the server of net/http takes sent for, of what leads to a workspace.
func oracle(sent []byte, stay time.Duration) (seen []string) {
	l := &once{conn: make(chan net.Conn, 1), over: make(chan struct{})}
	conn := newScript(sent, stay)
	l.conn <- conn
	server := &http.Server{
		DisableGeneralOptionsHandler: true, MaxHeaderBytes: maxHead, ReadHeaderTimeout: time.Hour, IdleTimeout: time.Hour, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				close(l.over)
			}
		},
		Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			to, herr := parseHost(r.Host)
			if err != nil || herr != nil || to.name != "demo" || wrong(r) != nil {
				return
			}
			seen = append(seen, request(r.Method, r.URL.RequestURI(), r.Host, r.Header, body))
		}),
	}
	_ = server.Serve(l)
	return seen
}

// once is a listener for one connection.
type once struct {
	conn chan net.Conn
	over chan struct{}
}

func (o *once) Accept() (net.Conn, error) {
	select {
	case c := <-o.conn:
		return c, nil
	case <-o.over:
		return nil, net.ErrClosed
	}
}
func (o *once) Close() error   { return nil }
func (o *once) Addr() net.Addr { return &net.TCPAddr{} }

// FuzzRequests lets the door carry arbitrary bytes. What the inside gets has to be well
// formed, and the very requests, in order, that the server of net/http would have taken.
func FuzzRequests(f *testing.F) {
	const host = "Host: demo.localhost\r\n"
	for _, s := range []string{
		"GET / HTTP/1.1\r\n" + host + "\r\n",
		"GET /a?b=c;d&e HTTP/1.1\r\n" + host + "Connection: x, close\r\nX: 1\r\n\r\nGET /2 HTTP/1.1\r\n" + host + "\r\n",
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabcGET /2 HTTP/1.0\r\n" + host + "\r\n",
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nA: b\r\n\r\nHEAD /2 HTTP/1.1\r\n" + host + "\r\n",
		"PUT / HTTP/1.1\nHost: 80.demo.localhost:7070\nX:\ty\n z\nContent-Length: 0\n\nOPTIONS * HTTP/1.1\n" + host + "\n",
		"GET / HTTP/1.1\r\n" + host + "Upgrade: x\r\nConnection: upgrade\r\n\r\nGET /2 HTTP/1.1\r\n" + host + "\r\n",
		"GET / HTTP/1.1\r\n" + host + host + "\r\n", "GET / HTTP/1.1\r\nHost : demo.localhost\r\n\r\n",
		"GET http://demo.localhost/ HTTP/1.1\r\nHost: other\r\n\r\n", "GET / HTTP/1.1\r\nHost: other.localhost\r\nContent-Length: 1\r\n\r\nxGET / HTTP/1.1\r\n" + host + "\r\n",
		"POST / HTTP/1.0\r\n" + host + "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nabGET / HTTP/1.1\r\n" + host + "\r\n",
		"POST / HTTP/1.1\r\n" + host + "Expect: 100-continue\r\nContent-Length: 9000\r\n\r\n" + strings.Repeat("x", 9000) + "GET /2 HTTP/1.1\r\n" + host + "\r\n",
	} {
		f.Add([]byte(s))
	}
	const moment = 20 * time.Millisecond
	f.Fuzz(func(t *testing.T, sent []byte) {
		got, want := carried(t, sent, moment), oracle(sent, moment)
		// Where the target names a host, that of the field is not looked at (RFC 9112, 3.2.2).
		// net/http insists on the field, and so takes fewer.
		if bytes.Contains(sent, []byte("://")) {
			return
		}
		if len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
			t.Errorf("the inside got\n%s\nnet/http takes\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// carried is what the inside gets of what a client sends.
func carried(t *testing.T, sent []byte, stay time.Duration) []string {
	t.Helper()
	d := New(slog.New(slog.DiscardHandler), 1, nil)
	d.running = t.Context()
	s := &strict{inside: &inside{row: demo()}, t: t}
	s.refuse = true // nobody attends
	d.call(t.Context(), s, newScript(sent, stay))
	d.spares.close()
	s.over.Wait()
	return s.seen
}

// The oracle has to see what is carried: a fuzz test that compares nothing would pass.
func TestWhatIsCarriedIsWhatNetHTTPTakes(t *testing.T) {
	sent := []byte("POST /1 HTTP/1.1\r\nHost: demo.localhost\r\nContent-Length: 3\r\nX-A: b\r\n\r\nabc" +
		"GET /2 HTTP/1.1\r\nHost: other.localhost\r\n\r\n" + "GET /3?a;b HTTP/1.1\r\nHost: demo.localhost\r\n\r\n")
	want := []string{
		"POST /1 demo.localhost\nX-A: b\r\n\"abc\"\n",
		"GET /3?a;b demo.localhost\n\"\"\n",
	}
	if got := carried(t, sent, patience); !slices.Equal(got, want) {
		t.Errorf("the inside got %q", got)
	}
	if got := oracle(sent, patience); !slices.Equal(got, want) {
		t.Errorf("net/http takes %q", got)
	}
}
