package engine

import (
	"context"
	"sync"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// credentials are for one fetch each, in memory alone: a restart of wsd forgets them. It
// is safe for concurrent use; the zero value is ready.
type credentials struct {
	mu sync.Mutex
	m  map[string]api.GitCredential // by id of the workspace
}

func (c *credentials) keep(id string, g api.GitCredential) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = make(map[string]api.GitCredential)
	}
	c.m[id] = g
}

// take returns the credential; it stays for another attempt.
func (c *credentials) take(id string) (api.GitCredential, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g, ok := c.m[id]
	return g, ok
}

func (c *credentials) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.m, id)
}

// GiveGitAccess says what the clone of a workspace may use of its owner's at its next
// attempt: the first one may have failed for want of it, and a restart of wsd forgets what
// came with the create.
func (e *Engine) GiveGitAccess(ctx context.Context, a workspace.Actor, ref string, g api.GitAccess) error {
	return e.do(ctx, func(t *turn) error {
		w, err := visible(t.Tx, a, ref)
		if err != nil {
			return err
		}
		switch source := w.Spec.Source; {
		case a.ID != w.Owner:
			return fault.New(fault.Denied, "git_access_foreign", "workspace %s was made by somebody else, who alone says what its clone may use", w.Name)
		case !w.Fetches() || source.Kind != workspace.SourceGit:
			return fault.New(fault.Conflict, "git_access_unwanted", "workspace %s clones nothing any more", w.Name)
		}
		if g.Credential != nil {
			t.after(func() { e.credentials.keep(w.ID, *g.Credential) })
		}
		w = w.Clone()
		return e.changeAccess(t, &w, g, a)
	})
}

// changeAccess records what is not secret.
func (e *Engine) changeAccess(t *turn, w *workspace.Workspace, g api.GitAccess, a workspace.Actor) error {
	source := *w.Spec.Source
	source.SSHAgent = g.SSHAgent
	if g.KnownHosts != "" {
		source.KnownHosts = g.KnownHosts
	}
	if source == *w.Spec.Source {
		return nil
	}
	if err := workspace.ValidateSource(source); err != nil {
		return err
	}
	w.Spec.Source = &source
	if err := t.put(w); err != nil {
		return err
	}
	return t.tell(w, a.ID, event.WorkspaceUpdated, map[string]string{"git_access": "changed"})
}
