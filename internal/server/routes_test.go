package server

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestAccess(t *testing.T) {
	for _, row := range routes() {
		if row.access != admin {
			continue
		}
		r := newRig(t, alice)
		body := ""
		if row.body.media != "" {
			body = "{}"
		}
		if a := r.do(row.method, row.path, body); a.status != 403 || a.problem.Code != "admin_required" {
			t.Errorf("%s is open to everyone: %d", row.id, a.status)
		}
		if a := newRig(t, root).do(row.method, row.path, body); a.status != 200 {
			t.Errorf("%s is closed to administrators: %d", row.id, a.status)
		}
	}
	r := newRig(t, mallet)
	r.fake.add("alices", alice.ID)
	for _, path := range []string{"/v1/workspaces/alices", "/v1/workspaces/alices/logs", "/v1/workspaces/alices/usage", "/v1/watch?workspace=alices"} {
		if a := r.do("GET", path, ""); a.status != 404 {
			t.Errorf("53 %s of another owner gives %d", path, a.status)
		}
	}
	var l api.WorkspaceList
	r.decode(r.do("GET", "/v1/workspaces", ""), &l)
	if len(l.Workspaces) != 0 {
		t.Errorf("the list has %v", l.Workspaces)
	}
}

func TestEveryAnswerHasItsHeaders(t *testing.T) {
	r := newRig(t, root)
	r.fake.add("one", root.ID)
	for _, tt := range []struct{ method, path string }{
		{"GET", "/v1/status"},
		{"GET", "/v1/workspaces"},
		{"GET", "/v1/workspaces/one"},
		{"GET", "/v1/nothing"},
		{"PUT", "/v1/jobs"},
		{"GET", "/v1/templates/static"},
		{"GET", "/v1/workspaces/one/logs"},
		{"GET", "/v1/openapi.json"},
		{"GET", "/v1/ports"},
		{"GET", "/v1/jobs/stats"},
		{"GET", "/v1/doctor"},
		{"GET", "/v1/events"},
		{"GET", "/v1/jobs"},
		{"GET", "/v1/jobs/jaaaaaaaaaaaa"},
		{"GET", "/v1/workspaces/one/usage"},
		{"GET", "/v1/templates"},
	} {
		a := r.do(tt.method, tt.path, "", "Wsd-Request-Id: my.id-1")
		h := a.header
		if h.Get(api.HeaderVersion) != api.Version || h.Get(api.HeaderRequestID) != "my.id-1" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") == "" {
			t.Errorf("%s %s: %v", tt.method, tt.path, h)
		}
		if strings.Contains(string(a.body), ":null") {
			t.Errorf("%s answers null for a list: %s", tt.path, a.body)
		}
	}
	for _, odd := range []string{"", "a b", "ä", strings.Repeat("a", 65), "a\tb"} {
		a := r.do("GET", "/v1/status", "", "Wsd-Request-Id: "+odd)
		if id := a.header.Get(api.HeaderRequestID); id == odd || len(id) < 16 {
			t.Errorf("the request id %q became %q", odd, id)
		}
	}
}

func TestFaultsBecomeProblems(t *testing.T) {
	for _, kind := range fault.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			r := newRig(t, root)
			r.fake.fail = fault.New(kind, "some_code", "a sentence").WithHint("a hint").WithRetryAfter(1200*time.Millisecond).
				WithField("/x", "bad", "").WithCause(fmt.Errorf("cannot open /var/lib/secret"))
			a := r.do("GET", "/v1/status", "")
			class := fault.ClassOf(kind)
			if a.status != class.HTTP || a.problem.Code != "some_code" || a.problem.Kind != kind || a.problem.Retryable != class.Retryable || a.header.Get("Retry-After") != "2" {
				t.Errorf("got %d %s, Retry-After %q", a.status, a.body, a.header.Get("Retry-After"))
			}
			if strings.Contains(string(a.body), "secret") {
				t.Errorf("the cause is shown: %s", a.body)
			}
			internal := kind == fault.Internal
			if shown := a.problem.Detail == "a sentence" && a.problem.Hint == "a hint" && len(a.problem.Errors) == 1; shown == internal {
				t.Errorf("body %s", a.body)
			}
			logged := strings.Contains(r.log.String(), "request_id="+a.problem.RequestID) && strings.Contains(r.log.String(), "/var/lib/secret")
			if logged != internal {
				t.Errorf("logged: %v", logged)
			}
		})
	}
	r := newRig(t, root)
	r.fake.fail = fault.New(fault.Invalid, "long", "%s\x1b[2J%s", strings.Repeat("é", 300), strings.Repeat("z", 300))
	if d := r.do("GET", "/v1/status", "").problem.Detail; utf8.RuneCountInString(d) != maxDetail+1 || strings.Contains(d, "\x1b") {
		t.Errorf("a long sentence becomes %q", d)
	}
	r.fake.fail = fmt.Errorf("cannot open /var/lib/secret")
	if a := r.do("GET", "/v1/status", ""); a.status != 500 || a.problem.Code != "internal" || strings.Contains(string(a.body), "secret") {
		t.Errorf("a plain error gives %d %s", a.status, a.body)
	}
}

func TestCreate(t *testing.T) {
	r := newRig(t, alice)
	first := r.do("POST", "/v1/workspaces", `{"name":"one"}`, "Idempotency-Key: k1")
	var w workspace.Workspace
	r.decode(first, &w)
	if first.status != 202 || first.header.Get("Location") != "/v1/workspaces/"+w.ID || w.Owner != alice.ID || first.header.Get("ETag") == "" {
		t.Fatalf("got %d %v %s", first.status, first.header, first.body)
	}
	again := r.do("POST", "/v1/workspaces", `{"name":"one"}`, "Idempotency-Key: k1")
	if again.status != 200 || string(again.body) != string(first.body) || again.header.Get("Location") != first.header.Get("Location") {
		t.Errorf("a replay gives %d %s", again.status, again.body)
	}
	if a := r.do("POST", "/v1/workspaces", `{"name":"two","stopped":true}`, "Idempotency-Key: "+strings.Repeat("~", 128)); a.status != 201 {
		t.Errorf("one that is done at once gives %d", a.status)
	}
	dry := r.do("POST", "/v1/workspaces", `{"name":"three","dry_run":true}`)
	if dry.status != 200 || dry.header.Get("Location") != "" || dry.header.Get("ETag") != "" {
		t.Errorf("a dry run gives %d %v", dry.status, dry.header)
	}
	if len(r.fake.workspaces) != 2 {
		t.Errorf("%d workspaces were made", len(r.fake.workspaces))
	}
}

func TestCommands(t *testing.T) {
	r := newRig(t, alice)
	r.fake.add("one", alice.ID)
	if a := r.do("POST", "/v1/workspaces/one/start", ""); a.status != 200 {
		t.Errorf("starting a running one gives %d", a.status)
	}
	if a := r.do("POST", "/v1/workspaces/one/stop", ""); a.status != 202 || a.header.Get("Location") == "" {
		t.Errorf("stopping gives %d", a.status)
	}
	for _, c := range api.Commands() {
		if a := r.do("POST", "/v1/workspaces/one/"+string(c), ""); a.status >= 300 {
			t.Errorf("%s gives %d", c, a.status)
		}
	}
	if a := r.do("POST", "/v1/workspaces/one/explode", ""); a.status != 404 {
		t.Errorf("an unknown command gives %d", a.status)
	}
	if a := r.do("DELETE", "/v1/workspaces/one", ""); a.status != 409 {
		t.Errorf("deleting without force gives %d", a.status)
	}
	if a := r.do("DELETE", "/v1/workspaces/one?force=true", ""); a.status != 202 {
		t.Errorf("deleting with force gives %d", a.status)
	}
}

func TestEngineAway(t *testing.T) {
	r := newRig(t, alice)
	r.fake.add("one", alice.ID)
	r.fake.stale = true
	for _, path := range []string{"/v1/workspaces", "/v1/workspaces/one"} {
		a := r.do("GET", path, "")
		if a.status != 200 || a.header.Get(api.HeaderStale) != "true" {
			t.Errorf("%s: %d, %s=%q", path, a.status, api.HeaderStale, a.header.Get(api.HeaderStale))
		}
	}
	if a := r.do("POST", "/v1/workspaces/one/stop", ""); a.status != 503 || a.header.Get("Retry-After") != "2" || !a.problem.Retryable {
		t.Errorf("a write gives %d, Retry-After %q", a.status, a.header.Get("Retry-After"))
	}
	var l api.WorkspaceList
	r.decode(r.do("GET", "/v1/workspaces", ""), &l)
	if !l.Stale {
		t.Error("the list is not stale")
	}
}

func TestFilterReachesTheBackend(t *testing.T) {
	for _, path := range []string{"/v1/workspaces", "/v1/brief"} {
		filterReaches(t, path)
	}
}

func filterReaches(t *testing.T, path string) {
	t.Helper()
	r := newRig(t, alice)
	r.do("GET", path+"?state=running,stopped&state=failed&label=a%3Db,c&label=d!%3De&owner=uid:7", "")
	want := api.Filter{
		States: []workspace.State{"running", "stopped", "failed"}, Owner: "uid:7",
		Labels: []workspace.Selector{{Key: "a", Value: "b", Exact: true}, {Key: "c"}, {Key: "d", Value: "e", Exact: true, Not: true}},
	}
	if !reflect.DeepEqual(r.fake.lastFilter, want) {
		t.Errorf("got %+v, want %+v", r.fake.lastFilter, want)
	}
}

func TestPagesAreWholeAndInOrder(t *testing.T) {
	r := newRig(t, alice)
	var want []string
	for i := range 7 {
		want = append(want, r.fake.add(fmt.Sprintf("w%d", i), alice.ID).Name)
	}
	var got []string
	path := "/v1/workspaces?limit=3"
	for pages := 1; ; pages++ {
		var l api.WorkspaceList
		r.decode(r.do("GET", path, ""), &l)
		for _, w := range l.Workspaces {
			got = append(got, w.Name)
		}
		if l.Next == "" {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
		path = "/v1/workspaces?limit=3&cursor=" + l.Next
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	var l api.WorkspaceList
	r.decode(r.do("GET", "/v1/workspaces?cursor=zzz", ""), &l)
	if len(l.Workspaces) != 0 || l.Next != "" {
		t.Errorf("after the end: %+v", l)
	}
}

func TestEventPages(t *testing.T) {
	r := newRig(t, alice)
	for i := range 5 {
		r.fake.events = append(r.fake.events, event.Event{Seq: uint64(i + 1)})
	}
	var l api.EventList
	r.decode(r.do("GET", "/v1/events?limit=2&after=1", ""), &l)
	if len(l.Events) != 2 || l.Events[0].Seq != 2 || l.Next != 3 {
		t.Errorf("got %+v", l)
	}
	l = api.EventList{}
	r.decode(r.do("GET", "/v1/events?limit=3&after=3", ""), &l)
	if len(l.Events) != 2 || l.Next != 0 {
		t.Errorf("the last page is %+v", l)
	}
}

func TestGCIsDryUnlessAskedOtherwise(t *testing.T) {
	r := newRig(t, root)
	for _, body := range []string{`{}`, `{"dry_run":null}`, `{"dry_run":true}`, `{"dry_run":false}`} {
		if a := r.do("POST", "/v1/gc", body); a.status != http.StatusOK {
			t.Fatalf("%s gives %d", body, a.status)
		}
	}
	if !slices.Equal(r.fake.dryRuns, []bool{true, true, true, false}) {
		t.Errorf("got %v", r.fake.dryRuns)
	}
}

func TestTemplates(t *testing.T) {
	r := newRig(t, alice)
	if a := r.do("GET", "/v1/templates/nothing", ""); a.status != 404 {
		t.Errorf("an unknown template gives %d", a.status)
	}
	a := r.do("POST", "/v1/templates/validate", `name = "mine"`, "Content-Type: application/toml")
	var got api.Template
	r.decode(a, &got)
	if a.status != 200 || got.Name != "mine" {
		t.Errorf("got %d %s", a.status, a.body)
	}
	if a := r.do("POST", "/v1/templates/validate", `nothing`, "Content-Type: application/toml"); a.status != 400 {
		t.Errorf("a bad template gives %d", a.status)
	}
	a = r.do("POST", "/v1/templates/blog/validate", "PK", "Content-Type: application/zip")
	r.decode(a, &got)
	if a.status != 200 || got.Name != "blog" || got.Description != "PK" {
		t.Errorf("a folder gives %d %s", a.status, a.body)
	}
	for path, want := range map[string]int{"/v1/templates/blog/validate": 400, "/v1/templates/a%2fb/validate": 400} {
		if a := r.do("POST", path, "", "Content-Type: application/zip"); a.status != want {
			t.Errorf("%s without a body gives %d", path, a.status)
		}
	}
}
