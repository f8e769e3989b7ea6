package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/auth"
)

// TestAnswersAfterAPauseOnOneConnection: the write deadline of one answer, also of one
// without a body, never breaks the next.
func TestAnswersAfterAPauseOnOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, alice)
		r.fake.add("one", alice.ID)
		dials := 0
		r.http.Transport.(*http.Transport).DialContext = func(ctx context.Context, a, b string) (net.Conn, error) {
			dials++
			return r.pipes.dial(ctx, a, b)
		}
		tag := r.do("GET", "/v1/workspaces/one", "").header.Get("ETag")
		for _, tt := range []struct {
			method, path string
			head         []string
			status       int
		}{
			{"GET", "/v1/workspaces/one", []string{"If-None-Match: " + tag}, 304},
			{"OPTIONS", "/v1/workspaces", nil, 204},
			{"HEAD", "/v1/watch", nil, 200},
			{"GET", "/v1/nothing", nil, 404},
			{"GET", "/v1/workspaces/one/logs", nil, 200},
			{"GET", "/v1/status", nil, 200},
		} {
			time.Sleep(DefaultTimes().Idle - time.Second)
			if a := r.do(tt.method, tt.path, "", tt.head...); a.status != tt.status {
				t.Errorf("%s %s gives %d", tt.method, tt.path, a.status)
			}
		}
		if dials != 1 {
			t.Errorf("it took %d connections", dials)
		}
	})
}

func TestSlowReaderOfAnAnswerIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root)
		conn, err := r.pipes.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /v1/openapi.json HTTP/1.1\r\nHost: wsd\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(DefaultTimes().Write + time.Second)
		if b, _ := io.ReadAll(conn); len(b) > 8<<10 {
			t.Errorf("%d bytes were kept for a reader that took none", len(b))
		}
	})
}

func TestExecLeavesNoNoiseInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := execRig(t)
		x := r.exec(api.ExecStart{Command: []string{"true"}})
		x.end()
		_ = x.conn.Close(websocket.StatusNormalClosure, "")
		synctest.Wait()
		if log := r.log.String(); strings.Contains(log, "hijacked") || strings.Contains(log, "superfluous") || !strings.Contains(log, "status=101") {
			t.Errorf("the log says %s", log)
		}
	})
}

// buffered is a connection that takes some bytes ahead of its reader, as the kernel's
// sockets do and net.Pipe does not.
type buffered struct {
	net.Conn
	ahead chan []byte
	done  chan struct{}
	once  sync.Once
}

func newBuffered(c net.Conn) *buffered {
	b := &buffered{Conn: c, ahead: make(chan []byte, 1024), done: make(chan struct{})}
	go func() {
		for {
			select {
			case p := <-b.ahead:
				_, _ = c.Write(p)
			case <-b.done:
				return
			}
		}
	}()
	return b
}

func (b *buffered) Write(p []byte) (int, error) {
	select {
	case b.ahead <- slices.Clone(p):
		return len(p), nil
	case <-b.done:
		return 0, net.ErrClosed
	}
}

func (b *buffered) SetDeadline(time.Time) error      { return nil }
func (b *buffered) SetWriteDeadline(time.Time) error { return nil }

func (b *buffered) Close() error {
	b.once.Do(func() { close(b.done) })
	return b.Conn.Close()
}

// TestExecKeepsAPeerThatStandsStill: a peer that is suspended answers no pings, and
// finds its session when it comes back in time; later it does not.
func TestExecKeepsAPeerThatStandsStill(t *testing.T) {
	for pause, kept := range map[time.Duration]bool{10 * time.Minute: true, 20 * time.Minute: false} {
		synctest.Test(t, func(t *testing.T) {
			r := execRig(t)
			ended := false
			r.fake.commands["wait"] = func(p *fakeProcess) int {
				<-p.closed
				ended = true
				return 0
			}
			near, far := net.Pipe()
			r.pipes.conns <- newBuffered(far)
			r.http.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil }}
			x := r.exec(api.ExecStart{Command: []string{"wait"}})
			time.Sleep(pause)
			synctest.Wait()
			if ended == kept {
				t.Errorf("after %v the session has ended: %v", pause, ended)
			}
			_ = x.conn.CloseNow()
			synctest.Wait()
		})
	}
}

// TestExecPeerThatPingsWhileItsOutputWaits: an answer would have to wait behind the
// output, and the library gives up on that after 5 s.
func TestExecPeerThatPingsWhileItsOutputWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := execRig(t)
		r.fake.commands["much"] = func(p *fakeProcess) int {
			_, _ = p.out.Write(make([]byte, 1<<20))
			return 0
		}
		x := r.exec(api.ExecStart{Command: []string{"much"}})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := x.conn.Ping(ctx); err == nil {
			t.Error("a pong came although nobody reads")
		}
		time.Sleep(time.Minute)
		if m := x.end(); m.Type != "exit" || x.out[api.StreamStdout].Len() != 1<<20 {
			t.Errorf("got %+v after %d bytes", m, x.out[api.StreamStdout].Len())
		}
	})
}

func TestRequestsAfterTheEndHasBegunGet503(t *testing.T) {
	s := New(Options{Backend: newFake(), Templates: catalogue{}})
	close(s.closing)
	rec := &headOnly{header: http.Header{}}
	req, err := http.NewRequestWithContext(auth.WithActor(t.Context(), alice), "GET", "http://wsd/v1/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Handler().ServeHTTP(rec, req)
	if rec.status != 503 || rec.header.Get("Retry-After") != "1" || rec.header.Get("Connection") != "close" {
		t.Errorf("got %d %v", rec.status, rec.header)
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		New(Options{Backend: newFake(), Templates: catalogue{}})
	}
}
