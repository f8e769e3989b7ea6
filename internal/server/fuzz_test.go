package server

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// FuzzDecode: whatever is accepted is what encoding/json understands too, is the same
// when it is sent again, and names every member once; whatever is refused is the
// client's fault and says so briefly.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"name":"a"}`, `{"name":"a","name":"b"}`, `{"limits":{"cpus":1e400}}`, `null`, `{"env":{"A":"1"}}{}`,
		"\ufeff{}", `{"name":"\ud800"}`, `{"params":{"a":[[[[]]]]}}`, "{\"name\":\"\xff\"}", `{"port":-0}`, `{"NAME":"x"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got api.Create
		if err := decode(data, &got); err != nil {
			e := fault.From(err)
			if e.Kind != fault.Invalid || e.Code == "" || len(e.Text) > 1000 {
				t.Fatalf("%q is refused with %+v", data, e)
			}
			p := problemOf(err, "id")
			if utf8.RuneCountInString(p.Detail) > maxDetail+1 || !utf8.ValidString(p.Detail) {
				t.Fatalf("%q gives the detail %q", data, p.Detail)
			}
			return
		}
		var loose api.Create
		if err := json.Unmarshal(data, &loose); err != nil {
			t.Fatalf("%q is accepted, but not by encoding/json: %v", data, err)
		}
		first, _ := json.Marshal(got)
		second, _ := json.Marshal(loose)
		if string(first) != string(second) {
			t.Fatalf("%q is read as %s and as %s", data, first, second)
		}
		var again api.Create
		if err := decode(first, &again); err != nil {
			t.Fatalf("%s is not accepted again: %v", first, err)
		}
	})
}

// FuzzPath: a path is either refused or reaches the mux without being cleaned, and a
// ref that is accepted has nothing in it that means something elsewhere.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/v1/status", "/v1/workspaces/%2e%2e%2fx", "//evil", "/a%00b", "/v1/../..", "/v1/workspaces/a/./start", "/v1/workspaces/One", "/"} {
		f.Add(seed)
	}
	mux := http.NewServeMux()
	newAPI(mux, "")
	mux.HandleFunc("GET /v1/workspaces/{ref}", func(http.ResponseWriter, *http.Request) {})
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || u.Host != "" || !strings.HasPrefix(path, "/") {
			return
		}
		r := &http.Request{Method: "GET", URL: u, Host: "wsd", Header: http.Header{}, RequestURI: path}
		if guardPath(r) == nil {
			probe := &recorder{ResponseWriter: discard{http.Header{}}}
			mux.ServeHTTP(probe, r)
			if probe.status >= 300 && probe.status < 400 {
				t.Fatalf("%q is redirected to %q", path, probe.Header().Get("Location"))
			}
		}
		for segment := range strings.SplitSeq(u.Path, "/") {
			ref, err := parseRef(segment)
			if err == nil && (ref != segment || strings.ContainsAny(ref, "./\\%\x00 \n") || len(ref) > 64) {
				t.Fatalf("%q is accepted as a ref", ref)
			}
			if err == nil && workspace.ValidateName(segment) != nil && strings.Trim(segment, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
				t.Fatalf("%q is neither a name nor an id", segment)
			}
		}
	})
}

func FuzzIfMatch(f *testing.F) {
	for _, seed := range []string{`"1"`, `*`, `W/"1"`, `"waaaaaaaaaaaa.7"`, `"0"`, `1`, `"1", "2"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		m, err := ifMatch(&http.Request{Header: http.Header{"If-Match": {value}}}, true)
		if err == nil && m.rev == 0 && strings.TrimSpace(strings.Trim(value, ", \t\r\n\v\f")) != "*" && !strings.Contains(value, "*") {
			t.Fatalf("%q matches anything", value)
		}
	})
}

func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"limit=5", "limit=-1", "limit=1&limit=2", "after=18446744073709551615", "workspace=%00", "state=a,b", "limit=5;x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(raw, eventParams())
		if err != nil {
			if fault.From(err).Kind != fault.Invalid {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		if n := q.number("limit", 1); n < 1 || n > maxPage {
			t.Fatalf("%q gives the limit %d", raw, n)
		}
		if n := q.number("after", 0); n < 0 {
			t.Fatalf("%q begins after %d", raw, n)
		}
	})
}
