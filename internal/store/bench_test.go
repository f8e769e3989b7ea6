package store

import (
	"io"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

// BenchmarkPutWorkspace measures what one change of state costs in a store of
// 1,000 workspaces: alone in its commit, and 16 in one.
func BenchmarkPutWorkspace(b *testing.B) {
	for _, group := range []struct {
		name string
		size int
	}{{"alone", 1}, {"16 in a commit", 16}} {
		b.Run(group.name, func(b *testing.B) {
			s := newStore(b)
			fill(b, s, 1000)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				mustUpdate(b, s, func(tx *Tx) error {
					for j := range group.size {
						w := sample(1 + (i*group.size+j)%1000)
						w.State = workspace.States()[i%len(workspace.States())]
						w.Revision = uint64(i + 1)
						if err := tx.PutWorkspace(w); err != nil {
							return err
						}
						if _, err := tx.Append(event.Event{Time: epoch, Kind: event.WorkspaceState, Actor: "wsd"}); err != nil {
							return err
						}
					}
					return nil
				})
			}
			b.ReportMetric(float64(b.N*group.size)/b.Elapsed().Seconds(), "puts/s")
		})
	}
}

// BenchmarkBareCommit is the floor of the one above: bbolt alone, one key.
func BenchmarkBareCommit(b *testing.B) {
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	value := make([]byte, 900)
	for i := 0; b.Loop(); i++ {
		err := db.Update(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte("b"))
			if err != nil {
				return err
			}
			return bucket.Put(numberKey(i%1000), value)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	s := newStore(b)
	fill(b, s, 1000)
	view := func(b *testing.B, fn func(*Tx) error) {
		b.ReportAllocs()
		for b.Loop() {
			mustView(b, s, fn)
		}
	}
	b.Run("one by name", func(b *testing.B) {
		view(b, func(tx *Tx) error {
			_, err := tx.Resolve("ws-500")
			return err
		})
	})
	b.Run("all 1000", func(b *testing.B) {
		view(b, func(tx *Tx) error {
			for _, err := range tx.Workspaces() {
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
	b.Run("counts of 1000", func(b *testing.B) {
		view(b, func(tx *Tx) error {
			_ = tx.CountByState("uid:1001")
			return nil
		})
	})
	b.Run("backup of 1000", func(b *testing.B) {
		for b.Loop() {
			if err := s.Backup(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	})
}
