package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/wsctl/wsctl/internal/api"
)

// Status tells how wsd is.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	var s api.Status
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/status"}, &s)
	return s, err
}

// Ports lists the ports of the range that are not free.
func (c *Client) Ports(ctx context.Context) (api.PortList, error) {
	var l api.PortList
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/ports"}, &l)
	return l, err
}

// Events returns up to limit facts with numbers above after; limit 0 leaves it to wsd.
func (c *Client) Events(ctx context.Context, after uint64, limit int, ref string) (api.EventList, error) {
	q := url.Values{}
	if after > 0 {
		q.Set("after", strconv.FormatUint(after, 10))
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	if ref != "" {
		q.Set("workspace", ref)
	}
	var l api.EventList
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/events", query: q}, &l)
	return l, err
}

// Templates lists the catalogue.
func (c *Client) Templates(ctx context.Context) (api.TemplateList, error) {
	var l api.TemplateList
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/templates"}, &l)
	return l, err
}

// Template returns one template.
func (c *Client) Template(ctx context.Context, name string) (api.Template, error) {
	var t api.Template
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/templates/" + url.PathEscape(name)}, &t)
	return t, err
}

// ValidateTemplate checks the text of a template file and returns it as understood.
func (c *Client) ValidateTemplate(ctx context.Context, text []byte) (api.Template, error) {
	var t api.Template
	err := c.do(ctx, call{
		method: http.MethodPost, path: "/v1/templates/validate",
		body: text, mediaType: "application/toml",
	}, &t)
	return t, err
}

// ValidateTemplateFolder checks a zip archive of the folder of a template of this name.
func (c *Client) ValidateTemplateFolder(ctx context.Context, name string, archive []byte) (api.Template, error) {
	var t api.Template
	err := c.do(ctx, call{
		method: http.MethodPost, path: "/v1/templates/" + url.PathEscape(name) + "/validate",
		body: archive, mediaType: "application/zip",
	}, &t)
	return t, err
}

// Doctor runs wsd's checks.
func (c *Client) Doctor(ctx context.Context) (api.Doctor, error) {
	var d api.Doctor
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/doctor", timeout: SlowTimeout}, &d)
	return d, err
}

// GC lists leftovers; without dryRun it removes the ripe ones.
func (c *Client) GC(ctx context.Context, dryRun bool) (api.GC, error) {
	var g api.GC
	body := struct {
		DryRun bool `json:"dry_run"`
	}{dryRun}
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/gc", body: body, timeout: SlowTimeout}, &g)
	return g, err
}

// Backup copies wsd's store to w and returns the bytes written. An error means
// that w holds no usable copy.
func (c *Client) Backup(ctx context.Context, w io.Writer) (int64, error) {
	resp, err := c.open(ctx, call{method: http.MethodGet, path: "/v1/backup"})
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	n, err := io.Copy(w, resp.Body)
	return n, c.connection(ctx, err)
}

// OpenAPI returns the description of the API that wsd serves.
func (c *Client) OpenAPI(ctx context.Context) (json.RawMessage, error) {
	var doc json.RawMessage
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/openapi.json"}, &doc)
	return doc, err
}
