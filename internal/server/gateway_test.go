package server

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
)

// readEvent reads one server-sent event as its fields; comments are left out.
func readEvent(t *testing.T, r *bufio.Reader) map[string]string {
	t.Helper()
	e := map[string]string{}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("the stream ended: %v", err)
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" && len(e) > 0 {
			return e
		}
		if name, value, ok := strings.Cut(line, ": "); ok && name != "" {
			e[name] = value
		}
	}
}

func (r *rig) events(ref, last string) (*bufio.Reader, func()) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://wsd/v1/stream?workspace="+ref, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		r.t.Fatalf("the stream is answered with %d, %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	return bufio.NewReader(resp.Body), func() { cancel(); _ = resp.Body.Close() }
}

func (r *rig) factOf(id string, seq uint64) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	m := api.Message{Type: "event", Seq: seq, Event: &event.Event{Seq: seq, Kind: event.WorkspaceUpdated, Workspace: id, Owner: alice.ID}}
	if err := r.fake.tell(ctx, m); err != nil {
		r.t.Fatal(err)
	}
}

func TestServerSentEventsResumeByTheirID(t *testing.T) {
	r := newRig(t, alice)
	w := r.fake.add("one", alice.ID)
	stream, end := r.events("one", "")
	if e := readEvent(t, stream); e["event"] != "joined" || e["id"] != "" {
		t.Fatalf("first comes %v", e)
	}
	if e := readEvent(t, stream); e["event"] != "snapshot" || !strings.HasSuffix(e["id"], "-0") || !strings.Contains(e["data"], `"name":"one"`) {
		t.Fatalf("then comes %v", e)
	}
	readEvent(t, stream) // presence
	r.factOf(w.ID, 1)
	first := readEvent(t, stream)
	if first["event"] != "updated" || !strings.HasSuffix(first["id"], "-1") {
		t.Fatalf("a fact is %v", first)
	}
	end()
	r.factOf(w.ID, 2)
	r.factOf(w.ID, 3)
	stream, end = r.events("one", first["id"])
	defer end()
	if e := readEvent(t, stream); !strings.Contains(e["data"], `"recovered":true`) {
		t.Fatalf("it comes back to %v", e)
	}
	for _, want := range []string{"-2", "-3"} {
		if e := readEvent(t, stream); !strings.HasSuffix(e["id"], want) {
			t.Errorf("got %v, want number %s", e, want)
		}
	}
}

func TestTheGatewayRefusesWhatItCannotServe(t *testing.T) {
	r := newRig(t, alice, func(o *Options) { o.Gateway.PerUser = 1 })
	r.fake.add("one", alice.ID)
	r.fake.add("others", mallet.ID)
	for _, tt := range []struct {
		name, path, head, code string
		status                 int
	}{
		{"a plain request", "/v1/ws", "", "upgrade_required", 426},
		{"another protocol", "/v1/ws", "Connection: Upgrade", "upgrade_required", 426},
		{"a parameter", "/v1/ws?workspace=one", "", "unknown_parameter", 400},
		{"a browser", "/v1/client.js", "Origin: http://evil.test", "browser_refused", 403},
		{"a stream of what is not there", "/v1/stream?workspace=none", "", "workspace_not_found", 404},
		{"a stream of another's", "/v1/stream?workspace=others", "", "workspace_not_found", 404},
		{"a stream from a place of nowhere", "/v1/stream?workspace=one", "Last-Event-ID: 17", "event_id_invalid", 400},
	} {
		var head []string
		if tt.head != "" {
			head = append(head, tt.head)
		}
		if a := r.do("GET", tt.path, "", head...); a.status != tt.status || a.problem.Code != tt.code {
			t.Errorf("%s: %d %s", tt.name, a.status, a.problem.Code)
		}
	}
	_, end := r.events("one", "")
	if a := r.do("GET", "/v1/stream?workspace=one", ""); a.status != 429 || a.header.Get("Retry-After") == "" {
		t.Errorf("one too many is answered with %d", a.status)
	}
	end()
}

func TestTheScriptIsAnsweredOnceAndThenByItsTag(t *testing.T) {
	r := newRig(t, alice)
	a := r.do("GET", "/v1/client.js", "")
	if a.status != 200 || !strings.Contains(string(a.body), "export function connect") {
		t.Fatalf("%d %.100s", a.status, a.body)
	}
	if b := r.do("GET", "/v1/client.js", "", "If-None-Match: "+a.header.Get("ETag")); b.status != 304 || len(b.body) > 0 {
		t.Errorf("the second look is answered with %d", b.status)
	}
}
