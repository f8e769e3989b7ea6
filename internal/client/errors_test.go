package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
)

func TestErrorsOfTheServer(t *testing.T) {
	plain := func(status int, media, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", media)
			w.Header().Set(api.HeaderRequestID, "q9")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc
		kind    fault.Kind
		code    string
		request string
	}{
		{
			"a problem keeps its code, kind and request id",
			plain(409, "application/problem+json", `{"code":"name_taken","kind":"conflict","detail":"taken","hint":"rename","request_id":"q1","errors":[{"pointer":"/name","code":"x"}]}`),
			fault.Conflict, "name_taken", "q1",
		},
		{
			"a problem without an id takes that of the header",
			plain(404, "application/problem+json", `{"code":"workspace_not_found","kind":"not_found","detail":"no"}`), fault.NotFound, "workspace_not_found", "q9",
		},
		{"a status without a problem becomes its kind", plain(403, "text/plain", "no"), fault.Denied, "denied", "q9"},
		{"a broken problem becomes the status's kind", plain(500, "application/problem+json", `{"code":`), fault.Internal, "internal", "q9"},
		{"a redirect is not followed", plain(301, "text/plain", ""), fault.Internal, "internal", "q9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _ := serve(t, tt.handler)
				_, err := c.Command(t.Context(), "demo", api.Start)
				if !fault.Is(err, tt.kind) || !fault.HasCode(err, tt.code) || RequestID(err) != tt.request {
					t.Errorf("got %#v with request %q, want %s %s %s", fault.From(err), RequestID(err), tt.kind, tt.code, tt.request)
				}
			})
		})
	}
}

func TestReferencesCannotChangeTheRoute(t *testing.T) {
	var paths []string
	synctest.Test(t, func(t *testing.T) {
		c, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			paths = append(paths, r.URL.EscapedPath())
			refuse(w, 404, "workspace_not_found")
		}))
		for _, ref := range []string{"", ".", "..", "../jobs", "a/b", "a?b", "a%2fb", "a b"} {
			if _, err := c.Workspace(t.Context(), ref); !fault.Is(err, fault.NotFound) {
				t.Errorf("%q: %v, want not found", ref, err)
			}
		}
	})
	want := []string{"/v1/workspaces/..%2Fjobs", "/v1/workspaces/a%2Fb", "/v1/workspaces/a%3Fb", "/v1/workspaces/a%252fb", "/v1/workspaces/a%20b"}
	if len(paths) != len(want) {
		t.Fatalf("asked for %q, want %q", paths, want)
	}
	for i := range want {
		if paths[i] != want[i] {
			t.Errorf("asked for %s, want %s", paths[i], want[i])
		}
	}
}

func TestAnswerThatIsNoJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
		if _, err := c.Status(t.Context()); !fault.HasCode(err, "answer_invalid") {
			t.Errorf("got %v", err)
		}
		if _, err := c.SetSecret(t.Context(), "TOKEN", []byte("value")); !fault.HasCode(err, "answer_invalid") {
			t.Errorf("got %v of a secret", err)
		}
	})
}

func TestHungDaemonIsATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then is it seen that the client has gone
			<-r.Context().Done()
		}))
		begin := time.Now()
		_, err := c.Status(t.Context())
		if !fault.Is(err, fault.Timeout) || !fault.HasCode(err, "daemon_silent") || time.Since(begin) != CallTimeout {
			t.Errorf("got %v after %s, want a time-out after %s", err, time.Since(begin), CallTimeout)
		}
		if _, err := c.SetSecret(t.Context(), "TOKEN", []byte("value")); !fault.HasCode(err, "daemon_silent") {
			t.Errorf("got %v of a secret", err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(context.Canceled) })
		if _, err := c.Status(ctx); !fault.Is(err, fault.Interrupted) {
			t.Errorf("got %v, want interrupted", err)
		}
		cancel(errors.New("test over"))
	})
}

func TestNewerServer(t *testing.T) {
	for version, newer := range map[string]bool{"": false, "1.0": false, "1.9": false, "2.0": true, "0.9": false, "10.0": true} {
		c := New(Options{})
		c.serverAPI.Store(&version)
		if got := c.NewerServer(); got != newer {
			t.Errorf("NewerServer with %q is %v", version, got)
		}
	}
}
