package engine

import (
	"sync"

	"github.com/wsctl/wsctl/internal/api"
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
