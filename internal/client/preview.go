package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/wsctl/wsctl/internal/api"
)

// CheckPreview looks at path on a port of a workspace as a browser does; port 0 is the
// workspace's own, path "" is /. It is no use of the workspace, and starts nothing. It takes
// at most some 90 seconds, and few where the server inside answers.
func (c *Client) CheckPreview(ctx context.Context, ref string, port int, path string) (found api.PreviewCheck, err error) {
	query := url.Values{}
	if port != 0 {
		query.Set("port", strconv.Itoa(port))
	}
	if path != "" {
		query.Set("path", path)
	}
	err = c.do(ctx, call{method: http.MethodGet, path: workspacePath(ref, "/preview/check"), query: query, timeout: SlowTimeout}, &found)
	return found, err
}
