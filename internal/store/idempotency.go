package store

import "time"

// Kept is what an idempotency key stands for: the request (by its hash) and the
// workspace that it made.
type Kept struct {
	Hash      string    `json:"hash"`
	Workspace string    `json:"workspace"`
	At        time.Time `json:"at"`
}

// IdempotencyKey returns the key of the row, which is also the key of its
// deadline.
func IdempotencyKey(owner, key string) string { return owner + "\x00" + key }

// Idempotent returns what owner's key stands for, and whether it is known.
func (t *Tx) Idempotent(owner, key string) (Kept, bool, error) {
	return load[Kept](t, bIdempotency, []byte(IdempotencyKey(owner, key)))
}

// KeepIdempotent keeps k in place of what was there.
func (t *Tx) KeepIdempotent(owner, key string, k Kept) error {
	if err := checkTexts("owner", owner, "idempotency key", key); err != nil {
		return err
	}
	return t.put(bIdempotency, []byte(IdempotencyKey(owner, key)), k)
}

// DropIdempotent forgets a row by its IdempotencyKey. That there is none is not
// an error.
func (t *Tx) DropIdempotent(ownerAndKey string) error {
	return t.drop(bIdempotency, []byte(ownerAndKey))
}
