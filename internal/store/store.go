package store

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/wsctl/wsctl/internal/fault"
)

// lockWait bounds the wait for another process that has the file open.
const lockWait = time.Second

// mapSize is reserved in the address space at once, so that a reader (a slow
// backup, say) does not hold up a writer that needs a larger mapping.
const mapSize = 256 << 20

// growSize is how much the file grows at once, sparse.
const growSize = 1 << 20

// maxDamaged bounds the list of damaged rows that is kept in memory.
const maxDamaged = 100

// Store is an open state file. See the package comment for its concurrency.
type Store struct {
	path     string
	instance string
	fresh    bool
	db       *bbolt.DB
	file     *os.File

	cache  *cache
	writes atomic.Uint64

	// failed is set once by the first write whose outcome is unknown.
	failed atomic.Pointer[fault.Error]
	// broken: bbolt panicked inside a write and may have kept its lock.
	broken atomic.Bool

	mu       sync.Mutex
	damaged  map[string]bool
	reserved int64 // size of the file when space was last allocated beyond it
}

// Fresh reports whether the file held no fact and no workspace when it was opened: it was
// made by this Open, or by one whose process was killed before it came to any use.
func (s *Store) Fresh() bool { return s.fresh }

// Instance is the random id that was made with the file and is kept for its life.
func (s *Store) Instance() string { return s.instance }

// Damaged names the rows that were found damaged since Open, sorted, at most 100.
func (s *Store) Damaged() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.damaged))
}

func (s *Store) noteDamage(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.damaged) < maxDamaged {
		s.damaged[name] = true
	}
}

// Close ends the use of the file. It waits for running transactions.
func (s *Store) Close() error {
	if s.broken.Load() {
		return s.file.Close() // bbolt's own Close could wait for ever; the mapping goes with the process
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("cannot close %s: %w", s.path, err)
	}
	return nil
}

// View runs fn on a consistent state that does not change while fn runs. Damage
// of the file that fn runs into is "store_damaged"; otherwise View returns what fn
// returns.
func (s *Store) View(fn func(*Tx) error) error {
	var inner error
	err := guard(s.path, func() error {
		return s.db.View(func(b *bbolt.Tx) error {
			inner = fn(&Tx{bolt: b, store: s})
			return inner
		})
	})
	if err != nil && inner == nil && !fault.HasCode(err, "store_damaged") {
		return commitFault(err)
	}
	return err
}

// Writes counts the transactions that may have changed something. What a View has read
// after a look at the count is still so while the count is the same.
func (s *Store) Writes() uint64 { return s.writes.Load() }

var errNothing = errors.New("nothing was written")

// Update runs fn and commits what it wrote, or nothing if fn fails; then it
// returns what fn returned. A nil error means that the state is on the disk.
//
// "storage_full" and "storage_readonly" mean that nothing was written and that a
// later Update may succeed. Any other failure to write has an unknown outcome
// (the kernel drops what it could not sync): the call and all later ones return
// "store_failed" until the file is opened anew.
func (s *Store) Update(fn func(*Tx) error) error {
	var inner error
	err := guard(s.path, func() error {
		return s.db.Update(func(b *bbolt.Tx) error {
			if f := s.failed.Load(); f != nil {
				inner = f
				return f
			}
			t := &Tx{bolt: b, store: s}
			if inner = fn(t); inner == nil && t.writes == 0 {
				return errNothing // saves a sync
			}
			return inner
		})
	})
	if !errors.Is(err, errNothing) {
		s.writes.Add(1)
	}
	switch {
	case err == nil:
		s.reserveSpace()
		return nil
	case err == inner: //nolint:errorlint // this very error, not one that wraps it
		return err
	case errors.Is(err, errNothing):
		return nil
	case fault.HasCode(err, "store_damaged"):
		s.broken.Store(true)
		s.failed.CompareAndSwap(nil, storeFailed(err))
		return err
	}
	f := commitFault(err)
	if f.Code == "store_failed" {
		s.failed.CompareAndSwap(nil, f)
	}
	return f
}

// Backup writes a consistent copy of the file as it is now. Writers go on
// meanwhile; w decides how long the copy is held open.
func (s *Store) Backup(w io.Writer) error {
	return s.View(func(t *Tx) error { return t.copyTo(w) })
}
