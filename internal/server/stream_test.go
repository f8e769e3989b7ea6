package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// lines is an open stream.
type lines struct {
	t    *testing.T
	resp *http.Response
	dec  *json.Decoder
}

func (r *rig) open(path string) *lines {
	r.t.Helper()
	resp, err := r.http.Get("http://wsd" + path)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/x-ndjson" {
		r.t.Fatalf("%s: %d %s", path, resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	return &lines{r.t, resp, json.NewDecoder(resp.Body)}
}

func (l *lines) want(kind string) api.Message {
	l.t.Helper()
	var m api.Message
	if err := l.dec.Decode(&m); err != nil {
		l.t.Fatalf("instead of %s: %v", kind, err)
	}
	if m.Type != kind {
		l.t.Fatalf("got %+v, want %s", m, kind)
	}
	return m
}

func (l *lines) wantEnd(want error) {
	l.t.Helper()
	var m any
	if err := l.dec.Decode(&m); !errors.Is(err, want) {
		l.t.Fatalf("got %v and %v, want %v", m, err, want)
	}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, alice)
		r.fake.add("one", alice.ID)
		r.fake.events = []event.Event{{Seq: 1}, {Seq: 2}, {Seq: 3}}
		l := r.open("/v1/watch")
		if m := l.want("hello"); m.Seq != 3 {
			t.Errorf("hello says %d", m.Seq)
		}
		if m := l.want("snapshot"); len(m.Workspaces) != 1 {
			t.Errorf("the snapshot has %v", m.Workspaces)
		}
		begun := time.Now()
		l.want("ping")
		l.want("ping")
		if took := time.Since(begun); took != 30*time.Second {
			t.Errorf("two pings took %v", took)
		}
		if err := r.fake.tell(t.Context(), api.Message{Type: "event", Seq: 4}); err != nil {
			t.Fatal(err)
		}
		if m := l.want("event"); m.Seq != 4 {
			t.Errorf("got %d", m.Seq)
		}
		resumed := r.open("/v1/watch?after=2")
		resumed.want("hello")
		if m := resumed.want("event"); m.Seq != 3 {
			t.Errorf("after 2 comes %d", m.Seq)
		}
		if a := r.do("GET", "/v1/watch?workspace=nothing", ""); a.status != 404 {
			t.Errorf("watching nothing gives %d", a.status)
		}
	})
}

func TestFilesAreWatchedForAsLongAsTheStreamStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, alice)
		r.fake.add("one", alice.ID)
		looking := func() int {
			synctest.Wait()
			r.fake.mu.Lock()
			defer r.fake.mu.Unlock()
			return r.fake.looking
		}
		r.open("/v1/watch?workspace=one").want("hello")
		if n := looking(); n != 0 {
			t.Errorf("%d look at files, and nobody asked for them", n)
		}
		l := r.open("/v1/watch?workspace=one&files=true")
		l.want("hello")
		if n := looking(); n != 1 {
			t.Errorf("%d look at files", n)
		}
		_ = l.resp.Body.Close()
		if n := looking(); n != 0 {
			t.Errorf("%d look at files when the stream is closed", n)
		}
		for path, status := range map[string]int{"/v1/watch?files=true": 400, "/v1/watch?files=true&workspace=nothing": 404} {
			if a := r.do("GET", path, ""); a.status != status {
				t.Errorf("%s gives %d", path, a.status)
			}
		}
	})
}

// TestSlowReaderOfAWatchIsCut shows that the server holds one message for a reader
// that takes none, and for how long.
func TestSlowReaderOfAWatchIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, alice)
		conn, err := r.pipes.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /v1/watch HTTP/1.1\r\nHost: wsd\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if r.fake.watching() != 1 {
			t.Fatal("the watch has not begun")
		}
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		big := api.Message{Type: "signal", Epoch: strings.Repeat("x", 1<<16)}
		taken := 0
		for ; r.fake.tell(ctx, big) == nil; taken++ {
		}
		if taken > 1 {
			t.Errorf("%d messages were taken for a reader that takes none", taken)
		}
		answer, err := io.ReadAll(conn)
		if err != nil || strings.HasSuffix(string(answer), "0\r\n\r\n") {
			t.Errorf("the stream ended as if it were whole: %v", err)
		}
		if took := time.Since(begun); took > time.Minute+time.Second {
			t.Errorf("the reader was kept for %v", took)
		}
		synctest.Wait()
		if !strings.Contains(r.log.String(), "a stream broke off") {
			t.Error("nothing was logged")
		}
	})
}

func TestStreamsEndWithTheirClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, alice)
		r.fake.add("one", alice.ID)
		for _, path := range []string{"/v1/watch", "/v1/workspaces/one/logs?follow=true"} {
			l := r.open(path)
			l.resp.Body.Close()
		}
		synctest.Wait()
		if took := r.waitStopped(); took > time.Second {
			t.Errorf("the server waited %v for streams without a reader", took)
		}
	})
}

func TestLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, alice)
		r.fake.add("one", alice.ID)
		begun := time.Now()
		l := r.open("/v1/workspaces/one/logs?follow=true&tail=5&since=2030-01-02T03:04:05.5Z")
		if took := time.Since(begun); took > time.Second {
			t.Errorf("the head of a silent stream took %v", took)
		}
		l.resp.Body.Close()
		r.fake.write(workspace.LogLine{Time: epoch, Stream: "stdout", Text: "a <b> & c"}, workspace.LogLine{Stream: "stderr", Text: "d"})
		a := r.do("GET", "/v1/workspaces/one/logs", "")
		if want := `{"time":"2030-01-02T03:04:05Z","stream":"stdout","text":"a <b> & c"}` + "\n"; !strings.HasPrefix(string(a.body), want) || strings.Count(string(a.body), "\n") != 2 {
			t.Errorf("got %s", a.body)
		}
	})
}

func TestWhoOnlyObservesOutputIsNoConnection(t *testing.T) {
	r := newRig(t, alice)
	r.fake.add("one", alice.ID)
	r.fake.write(workspace.LogLine{Text: "x"})
	for query, want := range map[string]int{"follow=true": 1, "follow=true&observe=true": 0, "observe=true": 0} {
		r.fake.fakeActivity.mu.Lock()
		r.fake.seats = nil
		r.fake.fakeActivity.mu.Unlock()
		l := r.open("/v1/workspaces/one/logs?" + query)
		var line workspace.LogLine
		if err := l.dec.Decode(&line); err != nil || line.Text != "x" {
			t.Errorf("%s: %v, %v", query, line, err)
		}
		r.fake.fakeActivity.mu.Lock()
		if n := len(r.fake.seats); n != want {
			t.Errorf("%s: %d sessions, want %d", query, n, want)
		}
		r.fake.fakeActivity.mu.Unlock()
		l.resp.Body.Close()
	}
}

// TestStreamsThatFail tells a problem from a cut: a client must not take a part for
// the whole.
func TestStreamsThatFail(t *testing.T) {
	r := newRig(t, root)
	r.fake.add("one", root.ID)
	r.fake.fail = fault.New(fault.Unavailable, "engine_unreachable", "the engine went away").WithRetryAfter(time.Second)
	if a := r.do("GET", "/v1/workspaces/one/logs", ""); a.status != 503 || a.problem.Code != "engine_unreachable" {
		t.Errorf("before the first line: %d %s", a.status, a.body)
	}
	r.fake.write(workspace.LogLine{Text: "x"})
	l := r.open("/v1/workspaces/one/logs")
	var line workspace.LogLine
	if err := l.dec.Decode(&line); err != nil || line.Text != "x" {
		t.Fatalf("got %v, %v", line, err)
	}
	var last api.Problem
	if err := l.dec.Decode(&last); err != nil || last.Code != "engine_unreachable" || last.Status != 503 || last.RequestID == "" {
		t.Errorf("the last line is %+v, %v", last, err)
	}
	l.wantEnd(io.ErrUnexpectedEOF)
	r.fake.fail = errors.New("of nobody's business")
	l = r.open("/v1/workspaces/one/logs")
	if err := errors.Join(l.dec.Decode(&line), l.dec.Decode(&last)); err != nil || last.Code != "internal" || strings.Contains(last.Detail, "business") {
		t.Errorf("the last line is %+v, %v", last, err)
	}
	if log := r.log.String(); !strings.Contains(log, "nobody's business") || !strings.Contains(log, "request_id="+last.RequestID) {
		t.Errorf("the log says %s", log)
	}
	r.fake.fail = fault.New(fault.Unavailable, "engine_unreachable", "the engine went away")

	resp, err := r.http.Get("http://wsd/v1/backup")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a torn backup of %d bytes ends with %v", len(b), err)
	}
	r.fake.panicOn = "backup"
	if a := r.do("GET", "/v1/backup", ""); a.status != 503 {
		t.Errorf("before the first byte: %d", a.status)
	}
}

func TestBackup(t *testing.T) {
	a := newRig(t, root).do("GET", "/v1/backup", "")
	if a.status != 200 || len(a.body) != 64<<10+3 || a.header.Get("Content-Type") != "application/octet-stream" || a.header.Get("Content-Disposition") == "" {
		t.Errorf("got %d with %d bytes, %v", a.status, len(a.body), a.header)
	}
}

// trees is a workspace whose archive comes slowly.
type trees struct{ Inside }

func (trees) Tree(context.Context, workspace.Actor, string, string) (io.ReadCloser, error) {
	r, w := io.Pipe()
	go func() {
		for range 60 {
			time.Sleep(time.Second)
			_, _ = w.Write([]byte("piece"))
		}
		_ = w.Close()
	}()
	return r, nil
}

func TestAnArchiveMayTakeLongerThanOnePieceMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, alice)
		r.fake.Inside = trees{}
		resp, err := r.http.Get("http://wsd/v1/workspaces/one/tree?path=x")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); err != nil || len(b) != 60*len("piece") {
			t.Errorf("%d bytes, %v", len(b), err)
		}
	})
}
