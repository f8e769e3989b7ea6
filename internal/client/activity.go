package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
)

// Live returns a workspace with how it is used.
func (c *Client) Live(ctx context.Context, ref string) (w api.Live, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: workspacePath(ref)}, &w)
	return w, err
}

// Why returns all that decides about the life of a workspace. Asking changes nothing.
func (c *Client) Why(ctx context.Context, ref string) (why api.Why, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: workspacePath(ref, "/why")}, &why)
	return why, err
}

// Sessions lists the connections to a workspace; with ref "" to all that are visible.
func (c *Client) Sessions(ctx context.Context, ref string) (list api.SessionList, err error) {
	path := "/v1/sessions"
	if ref != "" {
		path = workspacePath(ref, "/sessions")
	}
	err = c.do(ctx, call{method: http.MethodGet, path: path}, &list)
	return list, err
}

// Kick ends a connection to a workspace.
func (c *Client) Kick(ctx context.Context, ref, id string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: workspacePath(ref, "/sessions/"+url.PathEscape(id))}, nil)
}

// Hold keeps a workspace running for a while.
func (c *Client) Hold(ctx context.Context, ref string, req api.HoldRequest) (h activity.Hold, err error) {
	err = c.do(ctx, call{method: http.MethodPost, path: workspacePath(ref, "/holds"), body: req}, &h)
	return h, err
}

// HoldWhile keeps a workspace running until ctx ends, and at the latest until the hold's
// own end. It calls held once it does, and returns when the connection is lost.
func (c *Client) HoldWhile(ctx context.Context, ref string, req api.HoldRequest, held func(activity.Hold)) error {
	to := call{method: http.MethodPost, path: workspacePath(ref, "/holds"), query: url.Values{"follow": {"true"}}, body: req}
	for h, err := range stream[activity.Hold](ctx, c, to) {
		if err != nil {
			return err
		}
		held(h)
	}
	return ctx.Err()
}

// Unhold ends a hold.
func (c *Client) Unhold(ctx context.Context, ref, id string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: workspacePath(ref, "/holds/"+url.PathEscape(id))}, nil)
}

// Extend says that a workspace is still used.
func (c *Client) Extend(ctx context.Context, ref string, req api.Extend) (why api.Why, err error) {
	err = c.do(ctx, call{method: http.MethodPost, path: workspacePath(ref, "/extend"), body: req}, &why)
	return why, err
}

// Policies lists the activity policies that a workspace may have.
func (c *Client) Policies(ctx context.Context) (list api.PolicyList, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: "/v1/policies"}, &list)
	return list, err
}
