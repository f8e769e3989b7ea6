package cli

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// TestASampleThatIsNotToBeHad asks a wsd that answers for the first of two workspaces alone.
func TestASampleThatIsNotToBeHad(t *testing.T) {
	for _, c := range []struct {
		kind    fault.Kind
		names   []string
		refused int
		fails   bool
	}{
		{kind: fault.Conflict}, // it has stopped meanwhile
		{kind: fault.Gone},
		{kind: fault.Internal, refused: 1},
		{kind: fault.Unavailable, fails: true},
		{kind: fault.Conflict, names: []string{"a", "b"}, fails: true},
	} {
		wsd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			of := func(name string) workspace.Workspace {
				return workspace.Workspace{ID: "w" + name, Name: name, State: workspace.Running}
			}
			switch ref := strings.TrimPrefix(r.URL.Path, "/v1/workspaces"); ref {
			case "":
				_ = json.NewEncoder(w).Encode(api.WorkspaceList{Workspaces: []workspace.Workspace{of("a"), of("b")}})
			case "/a", "/b":
				_ = json.NewEncoder(w).Encode(of(ref[1:]))
			case "/wa/usage":
				_ = json.NewEncoder(w).Encode(workspace.Usage{Pids: 7})
			default:
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(fault.ClassOf(c.kind).HTTP)
				_ = json.NewEncoder(w).Encode(api.Problem{Code: "told", Kind: c.kind, Detail: "no"})
			}
		}))
		to := client.New(client.Options{Retry: client.RetryPolicy{Attempts: 1}, Dial: func(ctx context.Context) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", wsd.Listener.Addr().String())
		}})
		r, err := (&statsOptions{Names: c.names}).take(t.Context(), to, nil)
		to.Close()
		wsd.Close()
		if c.fails {
			if !fault.HasCode(err, "told") {
				t.Errorf("%s, of %v: %v", c.kind, c.names, err)
			}
			continue
		}
		if got := statsOf(r); err != nil || len(got.Samples) != 1 || got.Samples[0].Workspace != "a" || got.Unmeasured != c.refused {
			t.Errorf("%s: %+v, %v", c.kind, got, err)
		}
	}
}
