package server

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/api"
)

// TestBadBodies has the rows 13 to 22 of the catalogue of bad inputs, docs/bad-input.md.
func TestBadBodies(t *testing.T) {
	deep := strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001)
	for _, tt := range []struct {
		name, body string
		status     int
		code       string
		pointer    string
	}{
		{"13 a duplicate member", `{"name":"a","name":"b"}`, 400, "duplicate_key", "/name"},
		{"13 a duplicate member deep inside", `{"name":"a","env":{"A":"1","A":"2"}}`, 400, "duplicate_key", "/env/A"},
		{"13 a duplicate by escape", `{"name":"a","\u006eame":"b"}`, 400, "duplicate_key", "/name"},
		{"14 a member in capitals", `{"NAME":"x"}`, 400, "unknown_field", "/NAME"},
		{"14 a member in mixed case", `{"name":"x","Dry_Run":true}`, 400, "unknown_field", "/Dry_Run"},
		{"14 an unknown member", `{"name":"x","privileged":true}`, 400, "unknown_field", "/privileged"},
		{"14 an unknown member deep inside", `{"name":"x","limits":{"cpu":1}}`, 400, "unknown_field", "/limits/cpu"},
		{"16 two documents", `{"name":"a"}{"name":"b"}`, 400, "trailing_data", ""},
		{"16 a trailing brace", `{"name":"a"}}`, 400, "trailing_data", ""},
		{"16 a trailing word", `{"name":"a"} x`, 400, "trailing_data", ""},
		{"17 null", `null`, 400, "wrong_type", ""},
		{"17 an array", `[]`, 400, "wrong_type", ""},
		{"17 a string", `"x"`, 400, "wrong_type", ""},
		{"17 a number", `7`, 400, "wrong_type", ""},
		{"17 only space", " \n", 400, "body_required", ""},
		{"17 a byte order mark", "\ufeff{}", 400, "invalid_json", ""},
		{"18 a lone surrogate", `{"name":"\ud800"}`, 400, "invalid_json", ""},
		{"18 invalid UTF-8", "{\"name\":\"\xff\"}", 400, "invalid_utf8", ""},
		{"18 an unfinished document", `{"name":`, 400, "invalid_json", ""},
		{"18 single quotes", `{'name':1}`, 400, "invalid_json", ""},
		{"18 a comment", `{/**/"name":"a"}`, 400, "invalid_json", ""},
		{"18 a raw newline in a string", "{\"name\":\"a\nb\"}", 400, "invalid_json", ""},
		{"19 1e400 for a number", `{"name":"a","limits":{"cpus":1e400}}`, 400, "wrong_type", "/limits/cpus"},
		{"19 NaN", `{"name":"a","limits":{"cpus":NaN}}`, 400, "invalid_json", ""},
		{"19 1.5 for an int", `{"name":"a","limits":{"pids":1.5}}`, 400, "wrong_type", "/limits/pids"},
		{"19 1e3 for an int", `{"name":"a","limits":{"pids":1e3}}`, 400, "wrong_type", "/limits/pids"},
		{"19 2^63", `{"name":"a","limits":{"pids":9223372036854775808}}`, 400, "wrong_type", "/limits/pids"},
		{"19 a string for an int", `{"name":"a","limits":{"pids":"2"}}`, 400, "wrong_type", "/limits/pids"},
		{"19 an int for a string", `{"name":2}`, 400, "wrong_type", "/name"},
		{"19 a leading zero", `{"name":"a","limits":{"pids":020}}`, 400, "invalid_json", ""},
		{"20 nested 10,001 deep", `{"name":` + deep + `}`, 400, "too_deep", ""},
		{"20 one level too deep", `{"params":` + strings.Repeat(`{"a":`, 64) + "1" + strings.Repeat("}", 65), 400, "too_deep", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, alice)
			a := r.do("POST", "/v1/workspaces", tt.body)
			if a.status != tt.status || a.problem.Code != tt.code {
				t.Fatalf("got %d %s, want %d %s: %s", a.status, a.problem.Code, tt.status, tt.code, a.body)
			}
			if tt.pointer != "" && (len(a.problem.Errors) != 1 || a.problem.Errors[0].Pointer != tt.pointer) {
				t.Errorf("the fields are %v, want %s", a.problem.Errors, tt.pointer)
			}
			if len(r.fake.workspaces) != 0 {
				t.Error("a refused request made a workspace")
			}
		})
	}
}

func TestGoodBodies(t *testing.T) {
	for name, body := range map[string]string{
		"19 -0 is 0":                   `{"name":"ok","port":-0}`,
		"a null member is as none":     `{"name":"ok","labels":null}`,
		"space around the object":      " \r\n{\"name\":\"ok\"}\n",
		"brackets inside of strings":   `{"name":"ok","env":{"A":"` + strings.Repeat("[{", 200) + `"}}`,
		"an escaped quote in a string": `{"name":"ok","env":{"A":"\"` + strings.Repeat("[", 100) + `"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if a := newRig(t, alice).do("POST", "/v1/workspaces", body); a.status != http.StatusAccepted {
				t.Errorf("got %d: %s", a.status, a.body)
			}
		})
	}
}

// TestBadHeads has the rows 20 to 34 that need no raw connection.
func TestBadHeads(t *testing.T) {
	const good = `{"name":"a"}`
	for _, tt := range []struct {
		name, method, path, body string
		head                     []string
		status                   int
		code                     string
	}{
		{"17 an empty body", "POST", "/v1/workspaces", "", []string{"Content-Type: application/json"}, 400, "body_required"},
		{"20 a body of 10 MB", "POST", "/v1/workspaces", `{"name":"` + strings.Repeat("a", 10<<20) + `"}`, nil, 413, "body_too_large"},
		{"20 a body of 1 MiB and a byte", "POST", "/v1/workspaces", good + strings.Repeat(" ", MaxBody+1-len(good)), nil, 413, "body_too_large"},
		{"22 text/plain", "POST", "/v1/workspaces", good, []string{"Content-Type: text/plain"}, 415, "media_type"},
		{"22 a form", "POST", "/v1/workspaces", good, []string{"Content-Type: application/x-www-form-urlencoded"}, 415, "media_type"},
		{"22 no type", "POST", "/v1/workspaces", good, []string{"Content-Type: "}, 415, "media_type"},
		{"22 an odd charset", "POST", "/v1/workspaces", good, []string{"Content-Type: application/json; charset=utf-16"}, 415, "media_type"},
		{"22 JSON where TOML is due", "POST", "/v1/templates/validate", good, nil, 415, "media_type"},
		{"22 gc with a form", "POST", "/v1/gc", `{"dry_run":false}`, []string{"Content-Type: text/plain"}, 415, "media_type"},
		{"25 limit=-1", "GET", "/v1/events?limit=-1", "", nil, 400, "parameter_invalid"},
		{"25 limit=0", "GET", "/v1/events?limit=0", "", nil, 400, "parameter_invalid"},
		{"25 limit=x", "GET", "/v1/events?limit=x", "", nil, 400, "parameter_invalid"},
		{"25 limit twice", "GET", "/v1/events?limit=1&limit=2", "", nil, 400, "repeated_parameter"},
		{"25 a tampered cursor", "GET", "/v1/workspaces?cursor=../x", "", nil, 400, "cursor_invalid"},
		{"25 an unknown parameter", "GET", "/v1/workspaces?all=true", "", nil, 400, "unknown_parameter"},
		{"25 a parameter where none is", "POST", "/v1/workspaces/one/stop?force=true", "", nil, 400, "unknown_parameter"},
		{"25 a semicolon", "GET", "/v1/events?limit=1;after=2", "", nil, 400, "query_invalid"},
		{"25 a bad escape", "GET", "/v1/events?limit=%zz", "", nil, 400, "query_invalid"},
		{"25 a state that is none", "GET", "/v1/workspaces?state=running,done", "", nil, 400, "parameter_invalid"},
		{"25 a selector that is none", "GET", "/v1/workspaces?label=%3Dx", "", nil, 400, "label_invalid"},
		{"25 a time without a zone", "GET", "/v1/workspaces/one/logs?since=2030-01-01T00:00:00", "", nil, 400, "parameter_invalid"},
		{"25 follow=1", "GET", "/v1/workspaces/one/logs?follow=1", "", nil, 400, "parameter_invalid"},
		{"26 an escaped way up", "GET", "/v1/workspaces/%2e%2e%2fx", "", nil, 400, "path_invalid"},
		{"26 a double slash", "GET", "//evil", "", nil, 400, "path_invalid"},
		{"26 a double slash inside", "GET", "/v1//workspaces", "", nil, 400, "path_invalid"},
		{"26 an escaped NUL", "GET", "/a%00b", "", nil, 400, "path_invalid"},
		{"26 a way up", "GET", "/v1/../..", "", nil, 400, "path_invalid"},
		{"26 an escaped slash in a ref", "GET", "/v1/workspaces/a%2fstop", "", nil, 400, "path_invalid"},
		{"26 a trailing slash", "GET", "/v1/workspaces/", "", nil, 404, "path_not_found"},
		{"26 the root", "GET", "/", "", nil, 404, "path_not_found"},
		{"26 an unknown path", "GET", "/v2/status", "", nil, 404, "path_not_found"},
		{"26 a ref in capitals", "GET", "/v1/workspaces/One", "", nil, 400, "ref_invalid"},
		{"26 a ref that is too long", "GET", "/v1/workspaces/" + strings.Repeat("a", 65), "", nil, 400, "ref_invalid"},
		{"28 TRACE", "TRACE", "/v1/status", "", nil, 405, "method_not_allowed"},
		{"28 PUT", "PUT", "/v1/workspaces/one", good, nil, 405, "method_not_allowed"},
		{"28 a made-up method", "BREW", "/v1/status", "", nil, 405, "method_not_allowed"},
		{"32 Origin: null", "GET", "/v1/status", "", []string{"Origin: null"}, 403, "browser_refused"},
		{"32 a foreign origin", "GET", "/v1/status", "", []string{"Origin: https://evil.example"}, 403, "browser_refused"},
		{"32 a local origin", "GET", "/v1/status", "", []string{"Origin: http://localhost:8001"}, 403, "browser_refused"},
		{"32 an origin that looks local", "GET", "/v1/status", "", []string{"Origin: http://localhost.evil"}, 403, "browser_refused"},
		{"32 an origin on exec", "GET", "/v1/workspaces/one/exec", "", []string{"Origin: http://localhost"}, 403, "browser_refused"},
		{"34 a referer", "GET", "/v1/status", "", []string{"Referer: http://localhost/"}, 403, "browser_refused"},
		{"an idempotency key with a space", "POST", "/v1/workspaces", good, []string{"Idempotency-Key: a b"}, 400, "idempotency_key_invalid"},
		{"an idempotency key that is too long", "POST", "/v1/workspaces", good, []string{"Idempotency-Key: " + strings.Repeat("a", 129)}, 400, "idempotency_key_invalid"},
		{"an idempotency key in Greek", "POST", "/v1/workspaces", good, []string{"Idempotency-Key: κλειδί"}, 400, "idempotency_key_invalid"},
		{"a job id with a dot", "GET", "/v1/jobs/a.b", "", nil, 400, "job_id_invalid"},
		{"exec without an upgrade", "GET", "/v1/workspaces/one/exec", "", nil, 426, "upgrade_required"},
		{
			"exec without the subprotocol", "GET", "/v1/workspaces/one/exec", "",
			[]string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="},
			426, "subprotocol_required",
		},
		{"a template of bytes", "POST", "/v1/templates/validate", "name = \xff", []string{"Content-Type: application/toml"}, 400, "invalid_utf8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, root)
			r.fake.add("one", root.ID)
			a := r.do(tt.method, tt.path, tt.body, tt.head...)
			if a.status != tt.status || (tt.method != "HEAD" && a.problem.Code != tt.code) {
				t.Fatalf("got %d %s, want %d %s: %s", a.status, a.problem.Code, tt.status, tt.code, a.body)
			}
			if a.header.Get("Location") != "" {
				t.Errorf("it redirects to %s", a.header.Get("Location"))
			}
			if a.status == 405 && a.header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
			if len(r.fake.workspaces) != 1 || r.fake.workspaces[0].Revision != 1 {
				t.Error("a refused request changed something")
			}
		})
	}
}

func TestHarmlessOddities(t *testing.T) {
	r := newRig(t, root)
	r.fake.add("one", root.ID)
	for _, tt := range []struct {
		name, method, path, body string
		head                     []string
		status                   int
	}{
		{"25 a limit beyond all is cut down", "GET", "/v1/events?limit=1000000000", "", nil, 200},
		{"25 a limit beyond 64 bits is cut down", "GET", "/v1/events?limit=99999999999999999999", "", nil, 200},
		{"28 GET with a body", "GET", "/v1/status", `{"x":1}`, nil, 200},
		{"28 HEAD", "HEAD", "/v1/status", "", nil, 200},
		{"28 HEAD of a watch ends", "HEAD", "/v1/watch", "", nil, 200},
		{"28 HEAD of followed logs ends", "HEAD", "/v1/workspaces/one/logs?follow=true", "", nil, 200},
		{"28 HEAD of a backup ends", "HEAD", "/v1/backup", "", nil, 200},
		{"28 HEAD of followed ports ends", "HEAD", "/v1/workspaces/one/listening?follow=true", "", nil, 200},
		{"28 HEAD of files reads none", "HEAD", "/v1/workspaces/one/tree?path=.", "", nil, 200},
		{"28 HEAD of files of nobody", "HEAD", "/v1/workspaces/two/tree?path=.", "", nil, 404},
		{"28 OPTIONS", "OPTIONS", "/v1/workspaces", "", nil, 204},
		{
			"37 forwarding headers mean nothing", "GET", "/v1/status", "",
			[]string{"X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: evil", "Forwarded: host=evil", "X-Real-IP: 1.2.3.4"},
			200,
		},
		{"a charset of UTF-8", "POST", "/v1/gc", `{}`, []string{"Content-Type: application/json; charset=utf-8"}, 200},
		{"gc without a body", "POST", "/v1/gc", "", nil, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := r.do(tt.method, tt.path, tt.body, tt.head...)
			if a.status != tt.status {
				t.Fatalf("got %d, want %d: %s", a.status, tt.status, a.body)
			}
			for name := range a.header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("a CORS header %s", name)
				}
			}
		})
	}
	if slices.Contains(r.fake.dryRuns, false) {
		t.Error("gc without dry_run removed things")
	}
}

func TestAllowIsKept(t *testing.T) {
	r := newRig(t, alice)
	for path, want := range map[string]string{
		"/v1/workspaces":           "GET, HEAD, POST, OPTIONS",
		"/v1/workspaces/one/start": "POST, OPTIONS",
		"/v1/workspaces/one":       "DELETE, GET, HEAD, PATCH, OPTIONS",
	} {
		if a := r.do("PUT", path, "{}"); a.status != 405 || a.header.Get("Allow") != want {
			t.Errorf("PUT %s: got %d with Allow %q, want %q", path, a.status, a.header.Get("Allow"), want)
		}
		if a := r.do("OPTIONS", path, ""); a.status != 204 || a.header.Get("Allow") != want {
			t.Errorf("OPTIONS %s: got %d with Allow %q, want %q", path, a.status, a.header.Get("Allow"), want)
		}
	}
}

func TestInputIsNotEchoedAtLength(t *testing.T) {
	r := newRig(t, alice)
	long := strings.Repeat("z", 5000)
	for name, a := range map[string]answerOf{
		"a member":         r.do("POST", "/v1/workspaces", `{"`+long+`":1}`),
		"a name":           r.do("POST", "/v1/workspaces", `{"name":"`+long+`"}`),
		"a parameter":      r.do("GET", "/v1/events?"+long+"=1", ""),
		"a value":          r.do("GET", "/v1/events?limit="+long, ""),
		"a path":           r.do("GET", "/v1/"+long, ""),
		"a ref":            r.do("GET", "/v1/workspaces/"+long, ""),
		"an etag":          r.do("PATCH", "/v1/workspaces/one", `{}`, "If-Match: "+long),
		"a request id":     r.do("GET", "/v1/nothing", "", api.HeaderRequestID+": "+long),
		"an override text": r.do("POST", "/v1/workspaces", "{\"\u202egnp\u001b[2J\":1}"),
	} {
		if n := strings.Count(string(a.body), "z"); n > 400 || strings.Count(a.problem.Detail, "z") > 200 {
			t.Errorf("%s is echoed with %d characters: %s", name, n, a.body)
		}
		if strings.ContainsAny(a.problem.Detail, "\u202e\u001b") || (len(a.problem.Errors) > 0 && strings.ContainsAny(a.problem.Errors[0].Pointer, "\u202e\u001b")) {
			t.Errorf("%s is echoed with control characters: %s", name, a.body)
		}
	}
}
