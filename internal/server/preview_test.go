package server

import (
	"context"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// looks answers with what it was asked to look at.
type looks struct{ fake *fake }

func (l looks) CheckPreview(ctx context.Context, a workspace.Actor, ref string, port int, path string) (api.PreviewCheck, error) {
	w, err := l.fake.Workspace(ctx, a, ref)
	if err != nil {
		return api.PreviewCheck{}, err
	}
	if port == 9 {
		return api.PreviewCheck{}, fault.New(fault.Unavailable, "checks_busy", "busy")
	}
	return api.PreviewCheck{Workspace: w.Name, Port: port, URL: path, Checks: []api.Check{}}, nil
}

func TestCheckPreview(t *testing.T) {
	look := func(a workspace.Actor) *rig {
		shared := newFake()
		shared.add("one", alice.ID)
		return newRig(t, a, func(o *Options) { o.Previews = looks{shared} })
	}
	r := look(alice)
	for query, want := range map[string]api.PreviewCheck{
		"":                             {Workspace: "one"},
		"?port=3000":                   {Workspace: "one", Port: 3000},
		"?path=%2Fcart%3Fa%3Db&port=1": {Workspace: "one", Port: 1, URL: "/cart?a=b"},
	} {
		a := r.do("GET", "/v1/workspaces/one/preview/check"+query, "")
		var got api.PreviewCheck
		r.decode(a, &got)
		if a.status != 200 || got.Workspace != want.Workspace || got.Port != want.Port || got.URL != want.URL || a.header.Get("ETag") != "" {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	for query, status := range map[string]int{
		"?port=0": 400, "?port=65536": 400, "?port=x": 400, "?port=1&port=2": 400, "?path=": 400, "?path=/" + strings.Repeat("a", 512): 400, "?device=mobile": 400, "?port=9": 503,
	} {
		if a := r.do("GET", "/v1/workspaces/one/preview/check"+query, ""); a.status != status {
			t.Errorf("%s: %d, want %d", query, a.status, status)
		}
	}
	if a := r.do("POST", "/v1/workspaces/one/preview/check", ""); a.status != 405 {
		t.Errorf("POST: %d", a.status)
	}
	if a := look(mallet).do("GET", "/v1/workspaces/one/preview/check", ""); a.status != 404 {
		t.Errorf("of another owner: %d", a.status)
	}
}
