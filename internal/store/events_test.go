package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/wsctl/wsctl/internal/event"
)

func appendN(t testing.TB, s *Store, n int) {
	t.Helper()
	mustUpdate(t, s, func(tx *Tx) error {
		for i := range n {
			e := event.Event{Time: epoch, Kind: event.WorkspaceState, Actor: "wsd", Workspace: fmt.Sprint("w", i%2)}
			if _, err := tx.Append(e); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestEventsAreNumberedAndChained(t *testing.T) {
	s := newStore(t)
	mustView(t, s, func(tx *Tx) error {
		if tx.FirstSeq() != 0 || tx.LastSeq() != 0 {
			t.Errorf("an empty log has %d to %d", tx.FirstSeq(), tx.LastSeq())
		}
		return nil
	})
	appendN(t, s, 5)
	appendN(t, s, 5) // over transactions
	mustView(t, s, func(tx *Tx) error {
		all, err := tx.Events(0, 0, nil)
		prev := ""
		for i, e := range all {
			if e.Seq != uint64(i+1) || !e.Intact(prev) {
				t.Errorf("event %d has number %d, intact %v", i+1, e.Seq, e.Intact(prev))
			}
			prev = e.Hash
		}
		after, errAfter := tx.Events(3, 2, func(e event.Event) bool { return e.Workspace == "w0" })
		if len(all) != 10 || len(after) != 2 || after[0].Seq != 5 || after[1].Seq != 6 {
			t.Errorf("%d in all; after 3: %v", len(all), after)
		}
		none, errNone := tx.Events(^uint64(0), 0, nil)
		if len(none) != 0 || tx.LastSeq() != 10 || tx.FirstSeq() != 1 {
			t.Errorf("%d after the last, log from %d to %d", len(none), tx.FirstSeq(), tx.LastSeq())
		}
		return errors.Join(err, errAfter, errNone)
	})
}

func TestFactsFillTheirPages(t *testing.T) {
	s := newStore(t)
	for range 300 { // each in a page that an earlier transaction has written
		mustUpdate(t, s, func(tx *Tx) error {
			_, err := tx.Append(event.Event{Kind: event.WorkspaceUpdated, Actor: "uid:1", Detail: map[string]string{"text": strings.Repeat("x", 200)}})
			return err
		})
	}
	raw(t, s, func(b *bbolt.Tx) error {
		if st := b.Bucket([]byte(bEvent)).Stats(); st.LeafInuse*100 < st.LeafAlloc*65 {
			t.Errorf("of %d bytes %d are used", st.LeafAlloc, st.LeafInuse)
		}
		return nil
	})
}

func TestAnEventIsHashedAsItWillBeRead(t *testing.T) {
	s := newStore(t)
	zone := time.FixedZone("here", 90*60)
	mustUpdate(t, s, func(tx *Tx) error {
		_, err := tx.Append(event.Event{
			Time: time.Date(2026, 1, 1, 1, 1, 1, 1, zone), Kind: "x", Actor: "a\xff\u2028<b>",
			Detail: map[string]string{"k\xfe": "v\xc0", "empty": ""},
		})
		return err
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	mustBeSound(t, s.path)
}

func TestPruningKeepsTheChainProvable(t *testing.T) {
	s := newStore(t)
	appendN(t, s, 10)
	prune := func(keep, want int) {
		t.Helper()
		mustUpdate(t, s, func(tx *Tx) error {
			n, err := tx.PruneEvents(keep)
			if n != want {
				t.Errorf("keep %d: %d went, want %d", keep, n, want)
			}
			return err
		})
	}
	reopened := func(first, last uint64) {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		mustBeSound(t, s.path)
		s = openStore(t, s.path)
		mustView(t, s, func(tx *Tx) error {
			if tx.FirstSeq() != first || tx.LastSeq() != last {
				t.Errorf("log from %d to %d, want %d to %d", tx.FirstSeq(), tx.LastSeq(), first, last)
			}
			return nil
		})
	}
	prune(20, 0)
	prune(4, 6)
	reopened(7, 10)
	prune(-1, 4)
	reopened(0, 10)
	appendN(t, s, 2)
	reopened(11, 12)
}

func TestTamperingWithTheLogIsFound(t *testing.T) {
	rewrite := func(seq uint64, change func(*event.Event)) func(*Tx) error {
		return func(tx *Tx) error { // with a right checksum
			e, _, err := load[event.Event](tx, bEvent, seqKey(seq))
			change(&e)
			return errors.Join(err, tx.put(bEvent, seqKey(seq), e))
		}
	}
	for name, c := range map[string]struct {
		tamper func(*Tx) error
		want   string
	}{
		"another actor":           {rewrite(5, func(e *event.Event) { e.Actor = "uid:0" }), "event 5: the chain is broken"},
		"hashed anew":             {rewrite(5, func(e *event.Event) { *e = e.Chain(5, e.Prev) }), ""},
		"another actor, hashed":   {rewrite(5, func(e *event.Event) { e.Actor = "uid:0"; *e = e.Chain(5, e.Prev) }), "event 6: the chain is broken"},
		"removed in the middle":   {func(tx *Tx) error { return tx.drop(bEvent, seqKey(5)) }, "event 6: 5 is expected here"},
		"removed at the end":      {func(tx *Tx) error { return tx.drop(bEvent, seqKey(8)) }, "events end with 7, but 8 was written"},
		"removed at the start":    {func(tx *Tx) error { return tx.drop(bEvent, seqKey(3)) }, "event 4: 3 is expected here"},
		"the anchor is gone":      {func(tx *Tx) error { return tx.drop(bMeta, []byte(metaAnchor)) }, "event 3: 1 is expected here"},
		"the anchor is another":   {func(tx *Tx) error { return tx.put(bMeta, []byte(metaAnchor), link{2, "00"}) }, "event 3: the chain is broken"},
		"one under another key":   {func(tx *Tx) error { return move(tx, seqKey(8), seqKey(9)) }, "it lies under another key"},
		"an event from elsewhere": {rewrite(8, func(e *event.Event) { *e = event.Event{Seq: 8}.Chain(8, "00") }), "event 8: the chain is broken"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			appendN(t, s, 8)
			mustUpdate(t, s, func(tx *Tx) error {
				if _, err := tx.PruneEvents(6); err != nil {
					return err
				}
				return c.tamper(tx)
			})
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			r, err := Verify(s.path)
			if err != nil {
				t.Fatal(err)
			}
			if all := strings.Join(r.Problems, "\n"); !strings.Contains(all, c.want) || (all == "") != (c.want == "") {
				t.Errorf("problems are %q, want %q", r.Problems, c.want)
			}
		})
	}
}

// move puts an event under another key, with a right checksum.
func move(tx *Tx, from, to []byte) error {
	e, _, err := load[event.Event](tx, bEvent, from)
	return errors.Join(err, tx.drop(bEvent, from), tx.put(bEvent, to, e))
}

func TestTheLogGoesOnAfterDamageAtItsEnd(t *testing.T) {
	for name, c := range map[string]struct {
		bucket string
		key    []byte
	}{"the head": {bMeta, []byte(metaHead)}, "the newest event": {bEvent, seqKey(4)}, "one in the middle": {bEvent, seqKey(2)}} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			appendN(t, s, 4)
			raw(t, s, func(b *bbolt.Tx) error { return flip(b, c.bucket, c.key, rowHeader) })
			appendN(t, s, 1)
			mustView(t, s, func(tx *Tx) error {
				all, err := tx.Events(0, 0, nil)
				if tx.LastSeq() != 5 || len(all) < 4 {
					t.Errorf("last is %d, %d readable", tx.LastSeq(), len(all))
				}
				return err
			})
			mustUpdate(t, s, func(tx *Tx) error { // and it can be pruned up to the damage and beyond
				_, err := tx.PruneEvents(1)
				return err
			})
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			mustBeSound(t, s.path)
		})
	}
}

// flip changes one bit of byte n of a row.
func flip(b *bbolt.Tx, bucket string, key []byte, n int) error {
	row := append([]byte(nil), b.Bucket([]byte(bucket)).Get(key)...)
	row[n] ^= 1
	return b.Bucket([]byte(bucket)).Put(key, row)
}
