package store

import (
	"bytes"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/fault"
)

// DeadlineKind says what is to be looked at when a deadline is due.
type DeadlineKind string

// The deadline kinds, and what their keys are.
const (
	DeadlineTombstone   DeadlineKind = "tombstone"   // workspace id: see DropTombstone
	DeadlineIdempotency DeadlineKind = "idempotency" // IdempotencyKey: see DropIdempotent
	DeadlineFacts       DeadlineKind = "facts"       // no key: the oldest facts may go
	DeadlineLate        DeadlineKind = "late"        // workspace id: calls that were cut off come through no more
	DeadlineActivity    DeadlineKind = "activity"    // workspace id: its level or its stop is to be looked at
)

// Deadline is a reminder: at At somebody looks at Key. There is one for each kind
// and key. It decides nothing; what it reminds of does.
type Deadline struct {
	At   time.Time
	Kind DeadlineKind
	Key  string
}

func (d Deadline) rest() string { return string(d.Kind) + "\x00" + d.Key }

// PutDeadline sets a deadline in place of the one of the same kind and key.
func (t *Tx) PutDeadline(d Deadline) error {
	if err := checkText("deadline kind", string(d.Kind)); err != nil {
		return err
	}
	if len(d.Key) > 2*maxText+1 {
		return fault.New(fault.Internal, "key_invalid", "the key of a deadline has %d bytes", len(d.Key))
	}
	row, err := sealRow([]byte(d.rest()), d.At)
	if err != nil {
		return err
	}
	old, ok, err := load[time.Time](t, bDeadline, []byte(d.rest()))
	if ok && err == nil && old.Equal(d.At) {
		return nil
	}
	if err := t.DropDeadline(d.Kind, d.Key); err != nil {
		return err
	}
	if err := t.putRaw(bDeadline, []byte(d.rest()), row); err != nil {
		return err
	}
	return t.mark(bDeadlineDue, timedKey(d.At, d.rest()))
}

// Deadline returns when a deadline of this kind and key is due, and whether there is
// one. A damaged one is due since ever.
func (t *Tx) Deadline(kind DeadlineKind, key string) (time.Time, bool, error) {
	at, ok, err := load[time.Time](t, bDeadline, []byte(Deadline{Kind: kind, Key: key}.rest()))
	if isDamagedRecord(err) {
		err = nil
	}
	return at, ok, err
}

// DropDeadline forgets a deadline. That there is none is not an error.
func (t *Tx) DropDeadline(kind DeadlineKind, key string) error {
	d := Deadline{Kind: kind, Key: key}
	at, ok, err := load[time.Time](t, bDeadline, []byte(d.rest()))
	switch {
	case isDamagedRecord(err):
		for _, k := range t.keys(bDeadlineDue, nil) {
			if string(k[min(8, len(k)):]) == d.rest() {
				if err := t.drop(bDeadlineDue, k); err != nil {
					return err
				}
			}
		}
	case err != nil:
		return err
	case ok:
		if err := t.drop(bDeadlineDue, timedKey(at, d.rest())); err != nil {
			return err
		}
	}
	return t.drop(bDeadline, []byte(d.rest()))
}

// DueDeadlines returns the deadlines with At <= now, earliest first, at most limit
// (0 or less is all). At is exact to the nanosecond between 1677 and 2262.
func (t *Tx) DueDeadlines(now time.Time, limit int) ([]Deadline, error) {
	var out []Deadline
	end := timeKey(now)
	c := t.bucket(bDeadlineDue).Cursor()
	for k, _ := c.First(); len(k) > 8 && bytes.Compare(k[:8], end) <= 0; k, _ = c.Next() {
		if out = append(out, keyDeadline(k)); len(out) == limit {
			break
		}
	}
	return out, nil
}

// NextDeadline returns when the first deadline is due.
func (t *Tx) NextDeadline() (time.Time, bool) {
	k, _ := t.bucket(bDeadlineDue).Cursor().First()
	if len(k) <= 8 {
		return time.Time{}, false
	}
	return keyTime(k), true
}

func keyDeadline(k []byte) Deadline {
	kind, key, _ := strings.Cut(string(k[8:]), "\x00")
	return Deadline{At: keyTime(k), Kind: DeadlineKind(kind), Key: key}
}
