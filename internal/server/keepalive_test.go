package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/api"
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

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		New(Options{Backend: newFake(), Templates: catalogue{}})
	}
}
