package client

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

// NewKey returns an Idempotency-Key: 128 random bits.
func NewKey() string { return rand.Text() }

func workspacePath(ref string, more ...string) string {
	return "/v1/workspaces/" + url.PathEscape(ref) + strings.Join(more, "")
}

// Create makes a workspace. The same key and request give the same workspace, so
// it is repeated safely; with key "" a fresh one is used for this call.
func (c *Client) Create(ctx context.Context, req api.Create, key string) (workspace.Workspace, error) {
	if key == "" {
		key = NewKey()
	}
	var w workspace.Workspace
	err := c.do(ctx, call{
		method: http.MethodPost, path: "/v1/workspaces", body: req,
		header: map[string]string{api.HeaderIdempotencyKey: key},
	}, &w)
	return w, err
}

// Workspaces lists what f selects, following pages.
func (c *Client) Workspaces(ctx context.Context, f api.Filter) (api.WorkspaceList, error) {
	q := filterQuery(f)
	var all api.WorkspaceList
	for {
		var page api.WorkspaceList
		if err := c.do(ctx, call{method: http.MethodGet, path: "/v1/workspaces", query: q}, &page); err != nil {
			return api.WorkspaceList{}, err
		}
		all.Workspaces = append(all.Workspaces, page.Workspaces...)
		all.Stale = all.Stale || page.Stale
		if page.Next == "" {
			return all, nil
		}
		q.Set("cursor", page.Next)
	}
}

// Brief lists what f selects as a table shows it. It costs a fifth of Workspaces.
func (c *Client) Brief(ctx context.Context, f api.Filter) (api.BriefList, error) {
	var list api.BriefList
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/brief", query: filterQuery(f)}, &list)
	return list, err
}

func filterQuery(f api.Filter) url.Values {
	q := url.Values{}
	if len(f.States) > 0 {
		words := make([]string, len(f.States))
		for i, s := range f.States {
			words[i] = string(s)
		}
		q.Set("state", strings.Join(words, ","))
	}
	if len(f.Labels) > 0 {
		words := make([]string, len(f.Labels))
		for i, s := range f.Labels {
			words[i] = selectorText(s)
		}
		q.Set("label", strings.Join(words, ","))
	}
	return q
}

// selectorText is the inverse of workspace.ParseSelector.
func selectorText(s workspace.Selector) string {
	switch {
	case !s.Exact:
		return s.Key
	case s.Not:
		return s.Key + "!=" + s.Value
	}
	return s.Key + "=" + s.Value
}

// Workspace returns one workspace by id, name or beginning of an id.
func (c *Client) Workspace(ctx context.Context, ref string) (workspace.Workspace, error) {
	var w workspace.Workspace
	err := c.do(ctx, call{method: http.MethodGet, path: workspacePath(ref)}, &w)
	return w, err
}

// Update changes a workspace that has revision rev; 0 means whichever it has.
func (c *Client) Update(ctx context.Context, ref string, rev uint64, u api.Update) (workspace.Workspace, error) {
	match := "*"
	if rev > 0 {
		match = `"` + strconv.FormatUint(rev, 10) + `"`
	}
	var w workspace.Workspace
	err := c.do(ctx, call{
		method: http.MethodPatch, path: workspacePath(ref), body: u,
		header: map[string]string{"If-Match": match},
	}, &w)
	return w, err
}

// Command sends one of api.Commands. It returns when the command is accepted, not
// when it is done.
func (c *Client) Command(ctx context.Context, ref string, cmd api.Command) (workspace.Workspace, error) {
	var w workspace.Workspace
	err := c.do(ctx, call{method: http.MethodPost, path: workspacePath(ref, "/", string(cmd))}, &w)
	return w, err
}

// Delete removes a workspace; force also one that runs. A name is looked up before: the
// request is repeated where its answer is lost, and must not hit a namesake made meanwhile.
func (c *Client) Delete(ctx context.Context, ref string, force bool) (workspace.Workspace, error) {
	if !workspace.ValidID(workspace.PrefixWorkspace, ref) {
		named, err := c.Workspace(ctx, ref)
		if err != nil {
			return named, err
		}
		ref = named.ID
	}
	q := url.Values{}
	if force {
		q.Set("force", "true")
	}
	var w workspace.Workspace
	err := c.do(ctx, call{method: http.MethodDelete, path: workspacePath(ref), query: q}, &w)
	return w, err
}

// Usage returns one sample of what a workspace uses.
func (c *Client) Usage(ctx context.Context, ref string) (workspace.Usage, error) {
	var u workspace.Usage
	err := c.do(ctx, call{method: http.MethodGet, path: workspacePath(ref, "/usage")}, &u)
	return u, err
}
