package client

import (
	"bytes"
	"context"
	"encoding/json"
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
	resp, err := c.open(ctx, call{
		method: http.MethodPut, path: "/v1/secrets/" + url.PathEscape(name), body: bytes.NewReader(value), mediaType: "application/octet-stream",
	})
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	return s, json.NewDecoder(resp.Body).Decode(&s)
}

// DeleteSecret forgets one.
func (c *Client) DeleteSecret(ctx context.Context, name string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: "/v1/secrets/" + url.PathEscape(name)}, nil)
}
