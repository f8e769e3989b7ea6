package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/wsctl/wsctl/internal/api"
)

// Secrets lists the caller's secrets, without their values.
func (c *Client) Secrets(ctx context.Context) (list api.SecretList, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: "/v1/secrets"}, &list)
	return list, err
}

// SetSecret keeps a value.
func (c *Client) SetSecret(ctx context.Context, name string, value []byte) (s api.Secret, err error) {
	err = c.do(ctx, call{
		method: http.MethodPut, path: "/v1/secrets/" + url.PathEscape(name), body: value, mediaType: "application/octet-stream",
	}, &s)
	return s, err
}

// DeleteSecret forgets one.
func (c *Client) DeleteSecret(ctx context.Context, name string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: "/v1/secrets/" + url.PathEscape(name)}, nil)
}
