package client

import (
	"context"
	"net/http"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
)

// Why returns all that decides about the life of a workspace. Asking changes nothing.
func (c *Client) Why(ctx context.Context, ref string) (why api.Why, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: workspacePath(ref, "/why")}, &why)
	return why, err
}

// Hold keeps a workspace running for a time.
func (c *Client) Hold(ctx context.Context, ref string, req api.HoldRequest) (hold activity.Hold, err error) {
	err = c.do(ctx, call{method: http.MethodPost, path: workspacePath(ref, "/holds"), body: req}, &hold)
	return hold, err
}

// Extend says that somebody still uses a workspace.
func (c *Client) Extend(ctx context.Context, ref string, req api.Extend) (why api.Why, err error) {
	err = c.do(ctx, call{method: http.MethodPost, path: workspacePath(ref, "/extend"), body: req}, &why)
	return why, err
}
