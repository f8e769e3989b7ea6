package store

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestDeadlinesComeInOrderAndOncePerKey(t *testing.T) {
	s := newStore(t)
	at := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Nanosecond) }
	mustUpdate(t, s, func(tx *Tx) error {
		if _, ok := tx.NextDeadline(); ok {
			t.Error("an empty store has a deadline")
		}
		return errors.Join(
			tx.PutDeadline(Deadline{at(5), DeadlineLate, "w1"}),
			tx.PutDeadline(Deadline{at(3), DeadlineTombstone, "w1"}),
			tx.PutDeadline(Deadline{at(4), DeadlineLate, "w2"}),
			tx.PutDeadline(Deadline{at(9), DeadlineIdempotency, IdempotencyKey("uid:1", "k")}),
			tx.PutDeadline(Deadline{at(1), DeadlineLate, "w1"}), // in place of 5
			tx.PutDeadline(Deadline{time.Time{}, DeadlineLate, "zero"}),
			tx.PutDeadline(Deadline{time.Unix(-5, 0).UTC(), DeadlineLate, "negative"}),
			tx.PutDeadline(Deadline{at(2), DeadlineLate, "gone"}),
			tx.DropDeadline(DeadlineLate, "gone"),
			tx.DropDeadline(DeadlineLate, "never"),
		)
	})
	checkDue(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	mustBeSound(t, s.path)
}

// checkDue compares what is due with what the test above has put.
func checkDue(t *testing.T, s *Store) {
	t.Helper()
	at := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Nanosecond) }
	want := []Deadline{
		{time.Time{}, DeadlineLate, "zero"},
		{time.Unix(-5, 0).UTC(), DeadlineLate, "negative"},
		{at(1), DeadlineLate, "w1"},
		{at(3), DeadlineTombstone, "w1"},
		{at(4), DeadlineLate, "w2"},
		{at(9), DeadlineIdempotency, "uid:1\x00k"},
	}
	due := func(now time.Time, limit int) (out []Deadline) {
		mustView(t, s, func(tx *Tx) (err error) {
			out, err = tx.DueDeadlines(now, limit)
			return err
		})
		return out
	}
	if got := due(at(100), 0); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := due(at(3), 0); !slices.Equal(got, want[:4]) {
		t.Errorf("at 3: got %v", got)
	}
	if got := due(at(100), 2); !slices.Equal(got, want[:2]) {
		t.Errorf("limited: got %v", got)
	}
	mustUpdate(t, s, func(tx *Tx) error {
		for _, d := range want[:2] {
			if next, ok := tx.NextDeadline(); !ok || !next.Equal(d.At) {
				t.Errorf("next is %v, %v; want %v", next, ok, d.At)
			}
			if err := tx.DropDeadline(d.Kind, d.Key); err != nil {
				return err
			}
		}
		before := tx.Writes()
		err := tx.PutDeadline(want[2])
		if tx.Writes() != before {
			t.Error("the same deadline was written again")
		}
		return err
	})
}

func TestADeadlineThatCannotBeKeptLeavesTheOldOne(t *testing.T) {
	s := newStore(t)
	mustUpdate(t, s, func(tx *Tx) error { return tx.PutDeadline(Deadline{epoch, DeadlineLate, "w1"}) })
	mustUpdate(t, s, func(tx *Tx) error {
		if err := tx.PutDeadline(Deadline{epoch.AddDate(9000, 0, 0), DeadlineLate, "w1"}); err == nil {
			t.Error("the year 11026 is accepted")
		}
		if at, ok := tx.NextDeadline(); !ok || !at.Equal(epoch) {
			t.Errorf("next is %v, %v", at, ok)
		}
		return nil
	})
}

func TestIdempotencyKeysOfOwnersAreApart(t *testing.T) {
	s := newStore(t)
	kept := Kept{Hash: "h", Workspace: "w1", At: epoch}
	mustUpdate(t, s, func(tx *Tx) error {
		if err := tx.KeepIdempotent("uid:1", "", kept); err == nil {
			t.Error("an empty key is accepted")
		}
		return tx.KeepIdempotent("uid:1", "k", kept)
	})
	mustUpdate(t, s, func(tx *Tx) error {
		got, ok, err := tx.Idempotent("uid:1", "k")
		if got != kept || !ok {
			t.Errorf("got %v, %v", got, ok)
		}
		if _, ok, _ := tx.Idempotent("uid:2", "k"); ok {
			t.Error("another owner has it too")
		}
		return errors.Join(err, tx.DropIdempotent(IdempotencyKey("uid:1", "k")), tx.DropIdempotent("nobody"))
	})
	mustView(t, s, func(tx *Tx) error {
		_, ok, err := tx.Idempotent("uid:1", "k")
		if ok {
			t.Error("it is still there")
		}
		return err
	})
}

func TestSettingsAreKeptAndRemoved(t *testing.T) {
	s := newStore(t)
	mustUpdate(t, s, func(tx *Tx) error {
		return errors.Join(tx.SetMeta("a", "1"), tx.SetMeta("b", "2"), tx.SetMeta("a", ""))
	})
	mustView(t, s, func(tx *Tx) error {
		if a, b, c := tx.Meta("a"), tx.Meta("b"), tx.Meta("c"); a != "" || b != "2" || c != "" {
			t.Errorf("got %q, %q, %q", a, b, c)
		}
		return nil
	})
}

func TestADeadlineIsFoundByItsKey(t *testing.T) {
	s := newStore(t)
	mustUpdate(t, s, func(tx *Tx) error {
		return tx.PutDeadline(Deadline{At: epoch, Kind: DeadlineLate, Key: "w1"})
	})
	mustView(t, s, func(tx *Tx) error {
		if at, ok, err := tx.Deadline(DeadlineLate, "w1"); !ok || err != nil || !at.Equal(epoch) {
			t.Errorf("got %v, %v, %v", at, ok, err)
		}
		if _, ok, err := tx.Deadline(DeadlineTombstone, "w1"); ok || err != nil {
			t.Errorf("one of another kind is found: %v", err)
		}
		return nil
	})
}
