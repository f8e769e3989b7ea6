package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/auth"
)

// raw sends bytes over a connection of its own and returns the answer.
func (r *rig) raw(send string) (answerOf, error) {
	r.t.Helper()
	conn, err := r.pipes.dial(r.t.Context(), "", "")
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	go io.WriteString(conn, send) //nolint:errcheck // the server may refuse after half of it
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return answerOf{}, err
	}
	defer resp.Body.Close()
	a := answerOf{status: resp.StatusCode, header: resp.Header}
	a.body, _ = io.ReadAll(resp.Body)
	if a.header.Get("Content-Type") == problemType {
		r.wantProblem(&a)
	}
	return a, nil
}

// TestBadTransport has the rows 29 to 38 that no HTTP library would send. Where the
// code is empty net/http itself refuses, in plain text.
func TestBadTransport(t *testing.T) {
	for _, tt := range []struct {
		name, send string
		status     int
		code       string
	}{
		{"28 CONNECT", "CONNECT evil:1 HTTP/1.1\r\nHost: wsd\r\n\r\n", 405, "method_not_allowed"},
		{"28 OPTIONS of everything", "OPTIONS * HTTP/1.1\r\nHost: wsd\r\n\r\n", 400, "path_invalid"},
		{"29 no host", "GET /v1/status HTTP/1.1\r\n\r\n", 400, ""},
		{"29 two hosts", "GET /v1/status HTTP/1.1\r\nHost: wsd\r\nHost: wsd\r\n\r\n", 400, ""},
		{"29 an empty host", "GET /v1/status HTTP/1.1\r\nHost:\r\n\r\n", 400, "host_required"},
		{"29 HTTP/1.0 without a host", "GET /v1/status HTTP/1.0\r\n\r\n", 400, "host_required"},
		{"30 a foreign host", "GET /v1/status HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, "host_refused"},
		{"30 a host with a port", "GET /v1/status HTTP/1.1\r\nHost: localhost:8000\r\n\r\n", 403, "host_refused"},
		{"30 a host that looks local", "GET /v1/status HTTP/1.1\r\nHost: localhost.evil\r\n\r\n", 403, "host_refused"},
		{"30 an address", "GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 403, "host_refused"},
		{"31 absolute form with another host", "GET http://evil/v1/status HTTP/1.1\r\nHost: wsd\r\n\r\n", 403, "host_refused"},
		{"31 absolute form with another scheme", "GET ftp://wsd/v1/status HTTP/1.1\r\nHost: wsd\r\n\r\n", 403, "host_refused"},
		{"32 two origins", "GET /v1/status HTTP/1.1\r\nHost: wsd\r\nOrigin: a\r\nOrigin: b\r\n\r\n", 403, "browser_refused"},
		{"32 an empty origin", "GET /v1/status HTTP/1.1\r\nHost: wsd\r\nOrigin:\r\n\r\n", 403, "browser_refused"},
		{"35 both lengths", "POST /v1/gc HTTP/1.1\r\nHost: wsd\r\nContent-Type: application/json\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400, "length_required"},
		{"35 chunked", "POST /v1/gc HTTP/1.1\r\nHost: wsd\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400, "length_required"},
		{"35 two different lengths", "POST /v1/gc HTTP/1.1\r\nHost: wsd\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400, ""},
		{"35 a negative length", "POST /v1/gc HTTP/1.1\r\nHost: wsd\r\nContent-Length: -1\r\n\r\n", 400, ""},
		{"36 a line folded", "GET /v1/status HTTP/1.1\r\nHost: wsd\r\n x: y\r\n\r\n", 400, ""},
		{"36 a head of 64 KiB", "GET /v1/status HTTP/1.1\r\nHost: wsd\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", 431, ""},
		{"38 the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "host_required"},
		{"38 HTTP/9.9", "GET /v1/status HTTP/9.9\r\nHost: wsd\r\n\r\n", 505, ""},
		{"26 an escaped host in the path", "GET //evil/%2e%2e HTTP/1.1\r\nHost: wsd\r\n\r\n", 400, "path_invalid"},
		{"a backslash", "GET /v1\\status HTTP/1.1\r\nHost: wsd\r\n\r\n", 400, "path_invalid"},
		{"a body that ends early", "POST /v1/gc HTTP/1.1\r\nHost: wsd\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{}", 408, "body_timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, root, func(o *Options) { o.Times.Body = 50 * time.Millisecond })
			a, err := r.raw(tt.send)
			if err != nil {
				t.Fatal(err)
			}
			if a.status != tt.status || a.problem.Code != tt.code {
				t.Fatalf("got %d %q, want %d %q: %s", a.status, a.problem.Code, tt.status, tt.code, a.body)
			}
			if len(r.fake.dryRuns) != 0 {
				t.Error("a refused request was carried out")
			}
		})
	}
}

func TestGoodTransport(t *testing.T) {
	r := newRig(t, root)
	for name, send := range map[string]string{
		"absolute form with our host": "GET http://localhost/v1/status HTTP/1.1\r\nHost: evil\r\n\r\n",
		"a host in capitals":          "GET /v1/status HTTP/1.1\r\nHost: LOCALHOST\r\n\r\n",
	} {
		if a, err := r.raw(send); err != nil || a.status != 200 {
			t.Errorf("%s: got %d, %v: %s", name, a.status, err, a.body)
		}
	}
}

func TestSlowHeadIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root)
		conn, err := r.pipes.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		begun := time.Now()
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			for _, b := range []byte("GET /v1/status HTTP/1.1\r\nHost: wsd\r\n") {
				if _, err := conn.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		if answer, err := io.ReadAll(conn); err != nil || strings.Contains(string(answer), "200") {
			t.Errorf("got %q, %v, want the end", answer, err)
		}
		if took := time.Since(begun); took != DefaultTimes().Header {
			t.Errorf("the head was waited for %v", took)
		}
		<-gone
	})
}

func TestSlowBodyIsCut(t *testing.T) {
	for _, line := range []string{
		"POST /v1/gc HTTP/1.1\r\nContent-Type: application/json\r\n",
		"PUT /v1/secrets/TOKEN HTTP/1.1\r\nContent-Type: application/octet-stream\r\n",
	} {
		t.Run(line[:15], func(t *testing.T) { synctest.Test(t, func(t *testing.T) { cutSlowBody(t, line) }) })
	}
}

func cutSlowBody(t *testing.T, line string) {
	t.Helper()
	r := newRig(t, root)
	conn, err := r.pipes.dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	begun := time.Now()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.WriteString(conn, line+"Host: wsd\r\nContent-Length: 1000\r\n\r\n")
		for {
			if _, err := conn.Write([]byte(" ")); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if took := time.Since(begun); resp.StatusCode != 408 || took != DefaultTimes().Body {
		t.Errorf("got %d after %v", resp.StatusCode, took)
	}
	conn.Close()
	<-gone
}

// A client that goes away in the middle of what it sends is no error of wsd's.
func TestAbandonedBodyIsNotLoggedAsAnError(t *testing.T) {
	for name, line := range map[string]string{
		"a secret":   "PUT /v1/secrets/TOKEN HTTP/1.1\r\nContent-Type: application/octet-stream\r\n",
		"an archive": "PUT /v1/uploads/abc HTTP/1.1\r\nContent-Type: application/x-tar\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, root)
				conn, err := r.pipes.dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(conn, line+"Host: wsd\r\nContent-Length: 1000\r\n\r\nbegun"); err != nil {
					t.Fatal(err)
				}
				conn.Close()
				synctest.Wait()
				if log := r.log.String(); !strings.Contains(log, "status=400") || strings.Contains(log, "level=ERROR") {
					t.Errorf("the log says %s", log)
				}
			})
		})
	}
}

func TestIdleConnectionIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root)
		conn, err := r.pipes.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go io.WriteString(conn, "GET /v1/status HTTP/1.1\r\nHost: wsd\r\n\r\n") //nolint:errcheck // read below
		br := bufio.NewReader(conn)
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		begun := time.Now()
		if _, err := br.ReadByte(); !errors.Is(err, io.EOF) || time.Since(begun) != DefaultTimes().Idle {
			t.Errorf("got %v after %v", err, time.Since(begun))
		}
	})
}

func TestConnectionsAreBounded(t *testing.T) {
	r := newRig(t, root, func(o *Options) { o.Conns = 4 })
	var open []net.Conn
	for range 3 { // one user may have three quarters
		c, err := r.pipes.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	a, err := r.raw("")
	if err != nil || a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") != "1" {
		t.Fatalf("the fourth connection got %d, %v", a.status, err)
	}
	if !strings.Contains(string(a.body), `"too_many_connections"`) {
		t.Errorf("body %s", a.body)
	}
	for _, c := range open {
		_ = c.Close()
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		a, err := r.raw("GET /v1/status HTTP/1.1\r\nHost: wsd\r\n\r\n")
		if err == nil && a.status == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("places are not given back: %d, %v", a.status, err)
		}
	}
}

func TestNoIdentityIsRefusedBeforeItIsRead(t *testing.T) {
	s := New(Options{Backend: newFake(), Templates: catalogue{}})
	p := newPipes()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, p) }() // pipes carry no credentials, and no actor here
	conn, err := p.dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil) // nothing was sent
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 403 || !strings.Contains(string(body), `"peer_unknown"`) {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestHandlerWithoutActorIsRefused(t *testing.T) {
	s := New(Options{Backend: newFake(), Templates: catalogue{}})
	rec := &headOnly{header: http.Header{}}
	req, _ := http.NewRequest("GET", "http://wsd/v1/status", nil)
	s.Handler().ServeHTTP(rec, req)
	if rec.status != 403 {
		t.Errorf("got %d", rec.status)
	}
	rec = &headOnly{header: http.Header{}}
	s.Handler().ServeHTTP(rec, req.WithContext(auth.WithActor(t.Context(), alice)))
	if rec.status != 200 {
		t.Errorf("with an actor: got %d", rec.status)
	}
}

type headOnly struct {
	header http.Header
	status int
}

func (h *headOnly) Header() http.Header         { return h.header }
func (h *headOnly) Write(b []byte) (int, error) { return len(b), nil }
func (h *headOnly) WriteHeader(s int)           { h.status = s }

func TestMain(m *testing.M) {
	if path := os.Getenv("WSD_TEST_DIAL"); path != "" {
		os.Exit(dialAndPrint(path))
	}
	os.Exit(m.Run())
}

// dialAndPrint is a child with another user id: it prints what the socket answers.
func dialAndPrint(path string) int {
	conn, err := net.Dial("unix", path)
	if err != nil {
		os.Stdout.WriteString(err.Error())
		return 1
	}
	_, _ = io.WriteString(conn, "GET /v1/status HTTP/1.1\r\nHost: wsd\r\nConnection: close\r\n\r\n")
	_, _ = io.Copy(os.Stdout, conn)
	return 0
}
