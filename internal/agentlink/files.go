package agentlink

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"

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

// Watch calls tell with nothing once the folder path is watched ("": that of the workspace)
// and then with what changes below it, until ctx ends, the connection or the folder does,
// or tell fails. Paths are relative and slash-separated, but hostile otherwise.
func (l *Link) Watch(ctx context.Context, path string, tell func(agentapi.Changes) error) error {
	return follow(ctx, l, agentapi.PathWatch, url.Values{"path": {path}}, func(c agentapi.Changes) error {
		if len(c.Changed) > agentapi.MaxChanges {
			c.Changed, c.More = c.Changed[:agentapi.MaxChanges], true
		}
		c.Changed = slices.DeleteFunc(c.Changed, func(c agentapi.Change) bool { return !filepath.IsLocal(c.Path) })
		return tell(c)
	})
}
