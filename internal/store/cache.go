package store

import (
	"hash/maphash"
	"sync"

	"github.com/wsctl/wsctl/internal/workspace"
)

// maxCached bounds the workspaces that are kept decoded; one takes about 2 KiB.
const maxCached = 4096

// cache keeps decoded workspaces, because decoding is nearly all that a list
// costs. A value is found by its id and the hash of the very bytes it was decoded
// from, so a row that was changed, rolled back or damaged never finds it, and
// nothing has to be told about writes. The hash is of 64 bits and seeded for this
// process, so nobody can make two rows meet.
//
// Any number of transactions may use it at once; nobody waits for more than a look
// into a map. What it hands out is shared.
type cache struct {
	seed maphash.Seed

	mu   sync.Mutex
	rows map[string]cachedRow
}

type cachedRow struct {
	sum   uint64
	value *workspace.Workspace // never changed
}

func newCache() *cache {
	return &cache{seed: maphash.MakeSeed(), rows: map[string]cachedRow{}}
}

func (c *cache) sum(row []byte) uint64 { return maphash.Bytes(c.seed, row) }

func (c *cache) get(id []byte, sum uint64) (*workspace.Workspace, bool) {
	c.mu.Lock()
	found, ok := c.rows[string(id)]
	c.mu.Unlock()
	return found.value, ok && found.sum == sum
}

// put keeps w, which nobody may change from now on. Where the cache is full, any other row
// makes room.
func (c *cache) put(id string, sum uint64, w *workspace.Workspace) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.rows[id]; !known && len(c.rows) >= maxCached {
		for other := range c.rows {
			delete(c.rows, other)
			break
		}
	}
	c.rows[id] = cachedRow{sum, w}
}

func (c *cache) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.rows, id)
}

// loadWorkspace is load for a workspace, from the cache where its row is known.
func (t *Tx) loadWorkspace(id []byte) (w workspace.Workspace, there bool, err error) {
	shared, there, err := t.peekWorkspace(id)
	if there && err == nil {
		w = shared.Clone()
	}
	return w, there, err
}

// peekWorkspace is loadWorkspace without a copy: what it returns is shared, and never changed.
func (t *Tx) peekWorkspace(id []byte) (w *workspace.Workspace, there bool, err error) {
	var row []byte
	if b := t.bucket(bWorkspace); b != nil {
		row = b.Get(id)
	}
	sum := t.store.cache.sum(row)
	if w, ok := t.store.cache.get(id, sum); ok && row != nil {
		return w, true, nil
	}
	decoded, there, err := load[workspace.Workspace](t, bWorkspace, id)
	if there && err == nil && row != nil {
		t.store.cache.put(string(id), sum, &decoded)
	}
	return &decoded, there, err
}
