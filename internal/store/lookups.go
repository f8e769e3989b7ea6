package store

import "iter"

// Named returns the id of the workspace that has this name.
func (t *Tx) Named(name string) (id string, taken bool) {
	return t.holder(bName, []byte(name))
}

// Tombstones yields the id of every workspace whose deletion is remembered.
func (t *Tx) Tombstones() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, key := range t.keys(bTombstone, nil) {
			if !yield(string(key)) {
				return
			}
		}
	}
}
