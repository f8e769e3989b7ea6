package server

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestPanicEndsOnlyItsRequest(t *testing.T) {
	r := newRig(t, root)
	r.fake.add("one", root.ID)
	watch := r.open("/v1/watch")
	watch.want("hello")
	watch.want("snapshot")
	r.fake.panicOn = "status"
	a := r.do("GET", "/v1/status", "")
	if a.status != 500 || a.problem.Code != "internal" || strings.Contains(string(a.body), "asked for") {
		t.Errorf("got %d %s", a.status, a.body)
	}
	log := r.log.String()
	if !strings.Contains(log, `panic="asked for"`) || !strings.Contains(log, "request_id="+a.problem.RequestID) || !strings.Contains(log, "fake_test.go") {
		t.Errorf("the log lacks the panic: %s", log)
	}
	r.fake.panicOn = "logs"
	r.fake.write(workspace.LogLine{Text: "x"})
	l := r.open("/v1/workspaces/one/logs")
	var line workspace.LogLine
	if err := l.dec.Decode(&line); err != nil {
		t.Fatal(err)
	}
	l.wantEnd(io.ErrUnexpectedEOF)
	if a := r.do("GET", "/v1/workspaces", ""); a.status != 200 {
		t.Errorf("the next request gets %d", a.status)
	}
	if err := r.fake.tell(t.Context(), api.Message{Type: "signal"}); err != nil {
		t.Fatal(err)
	}
	watch.want("signal")
}

func TestEndWithOpenStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root)
		r.fake.add("one", root.ID)
		watch, logs := r.open("/v1/watch"), r.open("/v1/workspaces/one/logs?follow=true")
		watch.want("hello")
		watch.want("snapshot")
		ended := make(chan struct{}, 2)
		for _, l := range []*lines{watch, logs} {
			go func() {
				for range 5 {
					var m api.Message
					if err := l.dec.Decode(&m); err != nil || m.Type != "ping" {
						if !errors.Is(err, io.EOF) {
							t.Errorf("got %+v, %v", m, err)
						}
						break
					}
				}
				ended <- struct{}{}
			}()
		}
		time.Sleep(50 * time.Second) // much longer than a message may take
		if took := r.waitStopped(); took > time.Second {
			t.Errorf("the end took %v", took)
		}
		<-ended
		<-ended
		if _, err := r.http.Get("http://wsd/v1/status"); err == nil {
			t.Error("the server still answers")
		}
	})
}

func TestEndLetsRequestsFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root)
		r.fake.block = make(chan struct{})
		status := make(chan int, 1)
		go func() { status <- r.do("GET", "/v1/status", "").status }()
		synctest.Wait()
		go r.waitStopped()
		synctest.Wait()
		close(r.fake.block)
		if got := <-status; got != 200 {
			t.Errorf("a running request got %d", got)
		}
	})
}

func TestEndCutsWhatDoesNotFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root)
		r.fake.block = make(chan struct{})
		ended := make(chan error, 1)
		go func() {
			resp, err := r.http.Get("http://wsd/v1/status")
			if err == nil {
				resp.Body.Close()
			}
			ended <- err
		}()
		synctest.Wait()
		if took := r.waitStopped(); took < DefaultTimes().Shutdown || took > 10*time.Second {
			t.Errorf("the end took %v", took)
		}
		if err := <-ended; err == nil {
			t.Error("the request was answered")
		}
	})
}

func TestRequestsDuringTheEndAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root)
		r.fake.block = make(chan struct{})
		conn, err := r.pipes.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		// Two requests on one connection: the second comes when the end has begun.
		if _, err := io.WriteString(conn, "GET /v1/status HTTP/1.1\r\nHost: wsd\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		go r.waitStopped()
		go io.WriteString(conn, "GET /v1/workspaces HTTP/1.1\r\nHost: wsd\r\n\r\n") //nolint:errcheck // may be too late
		synctest.Wait()
		close(r.fake.block)
		br := bufio.NewReader(conn)
		for want := 200; ; want = 503 {
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				break // closing instead of a 503 is as good
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			if resp.StatusCode != want {
				t.Errorf("got %d, want %d", resp.StatusCode, want)
			}
		}
	})
}

func TestEndWithOpenExec(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := execRig(t)
		closed := make(chan struct{})
		r.fake.commands["sleep"] = func(p *fakeProcess) int { <-p.closed; close(closed); return 0 }
		x := r.exec(api.ExecStart{Command: []string{"sleep"}, Stdin: true})
		told := make(chan error, 1)
		go func() { _, _, err := x.conn.Read(x.ctx); told <- err }()
		synctest.Wait()
		if took := r.waitStopped(); took > 10*time.Second {
			t.Errorf("the end took %v", took)
		}
		if err := <-told; websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("the peer was told %v", err)
		}
		<-closed
	})
}

// TestEndWaitsForGoodbyes: Serve does not return while a peer is being told.
func TestEndWaitsForGoodbyes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := execRig(t)
		x := r.exec(api.ExecStart{Command: []string{"sleep"}})
		told := make(chan error, 1)
		go func() {
			time.Sleep(3 * time.Second)
			_, _, err := x.conn.Read(x.ctx)
			told <- err
		}()
		synctest.Wait()
		if took := r.waitStopped(); took < 3*time.Second || took > 10*time.Second {
			t.Errorf("the end took %v", took)
		}
		if err := <-told; websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("the peer was told %v", err)
		}
	})
}

func TestEndWithAnExecPeerThatDoesNotListen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := execRig(t)
		x := r.exec(api.ExecStart{Command: []string{"yes"}})
		synctest.Wait()
		if took := r.waitStopped(); took > 10*time.Second {
			t.Errorf("the end took %v", took)
		}
		_ = x.conn.CloseNow()
	})
}
