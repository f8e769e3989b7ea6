package store

import (
	"bytes"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/workspace"
)

// entry is one key of one index that leads to the row id. In a unique index the
// id is the value; in the others it is the end of the key.
type entry struct {
	bucket string
	key    string
	id     string
}

// workspaceIndexes and jobIndexes are the indexes that entries below lead into.
var (
	workspaceIndexes = []string{bName, bPort, bSlot, bState}
	jobIndexes       = []string{bJobWorkspace, bJobDue}
	endedIndexes     = []string{bJobDone, bJobFailed}
	activityIndexes  = []string{bActivityLevel}
)

func stateKey(owner string, state workspace.State, id string) []byte {
	return []byte(owner + "\x00" + string(state) + "\x00" + id)
}

func workspaceEntries(w workspace.Workspace) []entry {
	out := []entry{{bName, w.Name, w.ID}, {bState, string(stateKey(w.Owner, w.State, w.ID)), w.ID}}
	if w.Port > 0 {
		out = append(out, entry{bPort, string(numberKey(w.Port)), w.ID})
	}
	if w.Slot > 0 {
		out = append(out, entry{bSlot, string(numberKey(w.Slot)), w.ID})
	}
	return out
}

func jobEntries(j workspace.Job) []entry {
	out := []entry{{bJobWorkspace, j.Workspace, j.ID}}
	if j.State == workspace.JobWaiting || j.State == workspace.JobDelayed {
		out = append(out, entry{bJobDue, string(timedKey(j.DueAt, j.ID)), j.ID})
	}
	return out
}

func endedEntries(j workspace.Job) []entry {
	if j.State == workspace.JobFailed {
		return []entry{{bJobFailed, string(timedKey(j.EndedAt, j.ID)), j.ID}}
	}
	return []entry{{bJobDone, string(timedKey(j.EndedAt, j.ID)), j.ID}}
}

func activityEntries(r activity.Record) []entry {
	if r.Level == "" {
		return nil
	}
	return []entry{{bActivityLevel, string(r.Level) + "\x00" + r.Workspace, r.Workspace}}
}

// entryID returns the id that an entry leads to; "" and false if it is damaged.
func entryID(bucket string, key, value []byte) (string, bool) {
	switch bucket {
	case bState, bActivityLevel:
		i := bytes.LastIndexByte(key, 0)
		return string(key[i+1:]), i >= 0
	case bJobDue, bJobDone, bJobFailed:
		if len(key) <= 8 {
			return "", false
		}
		return string(key[8:]), true
	}
	var id string
	err := openRow(key, value, &id)
	return id, err == nil
}

// reindex makes the entries of a row from old to now. Entries that are right
// already are not written.
func (t *Tx) reindex(old, now []entry) error {
	keep := make(map[entry]bool, len(now))
	for _, e := range now {
		keep[e] = true
	}
	for _, e := range old {
		if keep[e] {
			continue
		}
		if err := t.drop(e.bucket, []byte(e.key)); err != nil {
			return err
		}
	}
	for _, e := range now {
		if err := t.putEntry(e); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tx) putEntry(e entry) error {
	if markBuckets[e.bucket] {
		return t.mark(e.bucket, []byte(e.key))
	}
	return t.put(e.bucket, []byte(e.key), e.id)
}

// holder returns the id that a unique index gives for key. A damaged entry is
// told from the rows, which are the truth.
func (t *Tx) holder(bucket string, key []byte) (string, bool) {
	id, ok, err := load[string](t, bucket, key)
	if err == nil {
		return id, ok
	}
	for _, e := range t.entriesOfAll(bucket) {
		if e.bucket == bucket && e.key == string(key) {
			return e.id, true
		}
	}
	return "", false
}

// entriesOfAll derives the entries of an index from every readable row.
func (t *Tx) entriesOfAll(bucket string) []entry {
	var out []entry
	if bucket == bJobWorkspace {
		for _, key := range t.keys(bJob, nil) {
			if j, ok, err := load[workspace.Job](t, bJob, key); ok && err == nil {
				out = append(out, jobEntries(j)...)
			}
		}
		return out
	}
	for _, key := range t.keys(bWorkspace, nil) {
		if w, ok, err := load[workspace.Workspace](t, bWorkspace, key); ok && err == nil {
			out = append(out, workspaceEntries(w)...)
		}
	}
	return out
}

// entriesFound searches whole indexes for entries that lead to id. It is for rows
// that are damaged and cannot tell their entries themselves.
func (t *Tx) entriesFound(id string, indexes []string) []entry {
	var out []entry
	for _, bucket := range indexes {
		c := t.bucket(bucket).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if got, ok := entryID(bucket, k, v); ok && got == id {
				out = append(out, entry{bucket, string(k), id})
			}
		}
	}
	return out
}

// loadIndexed reads the row id of bucket and the entries that lead to it now. A
// damaged row is as good as none, but its entries are found.
func loadIndexed[T any](t *Tx, bucket, id string, indexes []string, entries func(T) []entry) (v T, old []entry, there bool, err error) {
	v, there, err = load[T](t, bucket, []byte(id))
	switch {
	case isDamagedRecord(err):
		return v, t.entriesFound(id, indexes), true, nil
	case err != nil:
		return v, nil, false, err
	case !there:
		return v, nil, false, nil
	}
	return v, entries(v), true, nil
}
