package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"

	"go.etcd.io/bbolt"
)

// Tx is one transaction: a View's cannot write. It is valid only inside the
// function it was given to. Everything it returns is a copy. A method that refuses
// (a name is taken, no such row) has written nothing.
type Tx struct {
	bolt   *bbolt.Tx
	store  *Store
	writes int
	opened map[string]*bbolt.Bucket // of a View; bbolt itself keeps those of an Update
}

// Writes is the number of rows and index entries written or removed so far.
func (t *Tx) Writes() int { return t.writes }

// Meta returns a setting, or "" where it was never set.
func (t *Tx) Meta(key string) string {
	v, _, err := load[string](t, bSetting, []byte(key))
	if err != nil {
		return ""
	}
	return v
}

// SetMeta keeps a setting. An empty value removes it.
func (t *Tx) SetMeta(key, value string) error {
	if err := checkText("setting", key); err != nil {
		return err
	}
	if value == "" {
		return t.drop(bSetting, []byte(key))
	}
	return t.put(bSetting, []byte(key), value)
}

var errNoBucket = errors.New("a bucket is missing")

// bucket returns a bucket of this schema. Open has seen that it is there.
func (t *Tx) bucket(name string) *bbolt.Bucket {
	if b := t.opened[name]; b != nil {
		return b
	}
	b := t.bolt.Bucket([]byte(name))
	if b == nil || t.bolt.Writable() {
		return b
	}
	if t.opened == nil {
		t.opened = map[string]*bbolt.Bucket{}
	}
	t.opened[name] = b
	return b
}

// load reads one row. It is (zero, false, nil) where there is none.
func load[T any](t *Tx, bucket string, key []byte) (T, bool, error) {
	var v T
	b := t.bucket(bucket)
	if b == nil {
		return v, false, storeDamaged(t.store.path, errNoBucket)
	}
	row := b.Get(key)
	if row == nil {
		return v, false, nil
	}
	if err := openRow(key, row, &v); err != nil {
		var zero T
		t.store.noteDamage(recordName(bucket, key))
		return zero, true, recordDamaged(bucket, key, err)
	}
	return v, true, nil
}

// put writes v as a row, unless exactly that row is there.
func (t *Tx) put(bucket string, key []byte, v any) error {
	row, err := sealRow(key, v)
	if err != nil {
		return err
	}
	return t.putRaw(bucket, key, row)
}

// mark writes an index entry that has no value.
func (t *Tx) mark(bucket string, key []byte) error { return t.putRaw(bucket, key, []byte{}) }

func (t *Tx) putRaw(bucket string, key, row []byte) error {
	b := t.bucket(bucket)
	if old := b.Get(key); old != nil && bytes.Equal(old, row) {
		return nil
	}
	if err := b.Put(key, row); err != nil {
		return fmt.Errorf("cannot write %s: %w", recordName(bucket, key), err)
	}
	t.writes++
	return nil
}

// drop removes a row or an entry; that there is none is not an error.
func (t *Tx) drop(bucket string, key []byte) error {
	b := t.bucket(bucket)
	if b.Get(key) == nil {
		return nil
	}
	if err := b.Delete(key); err != nil {
		return fmt.Errorf("cannot remove %s: %w", recordName(bucket, key), err)
	}
	t.writes++
	return nil
}

// keys collects copies of the keys that begin with prefix, in order, so that no
// cursor is alive when somebody writes.
func (t *Tx) keys(bucket string, prefix []byte) [][]byte {
	var out [][]byte
	c := t.bucket(bucket).Cursor()
	for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		out = append(out, bytes.Clone(k))
	}
	return out
}

// each yields every row of a bucket, or the damage of it. The loop may write.
func each[T any](t *Tx, bucket string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, key := range t.keys(bucket, nil) {
			if v, there, err := load[T](t, bucket, key); (there || err != nil) && !yield(v, err) {
				return
			}
		}
	}
}

// copyTo writes the state that t sees as a file.
func (t *Tx) copyTo(w io.Writer) error {
	if _, err := t.bolt.WriteTo(w); err != nil {
		return fmt.Errorf("cannot write a copy of the store: %w", err)
	}
	return nil
}
