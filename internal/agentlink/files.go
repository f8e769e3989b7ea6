package agentlink

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/wsctl/wsctl/internal/agentapi"
)

// Tree returns a tar archive of a file or folder; reading it ends with ctx. Its names and
// links are hostile: whoever unpacks it has to keep inside a folder.
func (l *Link) Tree(ctx context.Context, path string) (io.ReadCloser, error) {
	return l.stream(ctx, http.MethodGet, agentapi.PathTree, url.Values{"path": {path}}, nil)
}

// PutTree unpacks archive into the folder path.
func (l *Link) PutTree(ctx context.Context, path string, archive io.Reader) error {
	body, err := l.stream(ctx, http.MethodPut, agentapi.PathTree, url.Values{"path": {path}}, archive)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(body, maxAnswer))
	return err
}
