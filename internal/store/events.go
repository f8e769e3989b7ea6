package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/wsctl/wsctl/internal/event"
)

// link is a place in the chain of facts.
type link struct {
	Seq  uint64 `json:"seq"`
	Hash string `json:"hash"`
}

// Append numbers e, chains it to the fact before and writes it. What is returned,
// and hashed, is what a reader will get.
func (t *Tx) Append(e event.Event) (event.Event, error) {
	last, err := t.lastLink()
	if err != nil {
		return e, err
	}
	text, err := json.Marshal(e)
	if err != nil {
		return e, fmt.Errorf("cannot encode an event: %w", err)
	}
	e = event.Event{} // so that nothing is hashed that JSON does not keep
	if err := json.Unmarshal(text, &e); err != nil {
		return e, fmt.Errorf("cannot decode an event: %w", err)
	}
	e = e.Chain(last.Seq+1, last.Hash)
	if b := t.bucket(bEvent); b != nil {
		b.FillPercent = 1 // nothing is ever put between two facts: half of each page would stay empty
	}
	if err := t.put(bEvent, seqKey(e.Seq), e); err != nil {
		return e, err
	}
	return e, t.put(bMeta, []byte(metaHead), link{e.Seq, e.Hash})
}

// lastLink returns where the chain ends: the head, or if that is damaged the
// newest fact.
func (t *Tx) lastLink() (link, error) {
	head, _, err := load[link](t, bMeta, []byte(metaHead))
	if err == nil || !isDamagedRecord(err) {
		return head, err
	}
	k, _ := t.bucket(bEvent).Cursor().Last()
	if k == nil {
		anchor, _, err := load[link](t, bMeta, []byte(metaAnchor))
		return anchor, err
	}
	e, _, err := load[event.Event](t, bEvent, k)
	return link{e.Seq, e.Hash}, err
}

// Events returns facts with a number above after that match (nil is all), in
// order, at most limit (0 or less is all). A damaged fact is left out, so that the
// numbers show a gap.
func (t *Tx) Events(after uint64, limit int, match func(event.Event) bool) ([]event.Event, error) {
	var out []event.Event
	if after == ^uint64(0) {
		return nil, nil
	}
	c := t.bucket(bEvent).Cursor()
	for k, _ := c.Seek(seqKey(after + 1)); k != nil; k, _ = c.Next() {
		e, _, err := load[event.Event](t, bEvent, k)
		if isDamagedRecord(err) {
			continue
		}
		if err != nil {
			return out, err
		}
		if match != nil && !match(e) {
			continue
		}
		if out = append(out, e); len(out) == limit {
			break
		}
	}
	return out, nil
}

// LastSeq is the number of the newest fact, 0 if there was never one.
func (t *Tx) LastSeq() uint64 {
	last, err := t.lastLink()
	if err != nil {
		k, _ := t.bucket(bEvent).Cursor().Last()
		return keySeq(k)
	}
	return last.Seq
}

// FirstSeq is the number of the oldest fact that is kept, 0 if there is none.
func (t *Tx) FirstSeq() uint64 {
	k, _ := t.bucket(bEvent).Cursor().First()
	return keySeq(k)
}

func keySeq(k []byte) uint64 {
	if len(k) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(k)
}

// PruneEvents drops the oldest facts beyond the newest keep and returns how many
// went. The hash of the last one that went stays, so that the rest can be verified.
func (t *Tx) PruneEvents(keep int) (int, error) {
	old := t.olderThan(bEvent, max(0, keep))
	if len(old) == 0 {
		return 0, nil
	}
	anchor, err := t.linkAt(old[0]) // the newest of them comes first
	if err != nil {
		return 0, err
	}
	for _, key := range old {
		if err := t.drop(bEvent, key); err != nil {
			return 0, err
		}
	}
	return len(old), t.put(bMeta, []byte(metaAnchor), anchor)
}

// linkAt returns the place of a fact. The hash of a damaged one is known to the
// fact after it.
func (t *Tx) linkAt(key []byte) (link, error) {
	e, ok, err := load[event.Event](t, bEvent, key)
	if ok && err == nil {
		return link{e.Seq, e.Hash}, nil
	}
	if err != nil && !isDamagedRecord(err) {
		return link{}, err
	}
	seq := keySeq(key)
	next, ok, err := load[event.Event](t, bEvent, seqKey(seq+1))
	if ok && err == nil {
		return link{seq, next.Prev}, nil
	}
	return link{Seq: seq}, err
}
