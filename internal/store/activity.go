package store

import (
	"bytes"

	"github.com/wsctl/wsctl/internal/activity"
)

// PutActivity writes r in place of what was there, and moves its index entry. A record
// without a level has none.
func (t *Tx) PutActivity(r activity.Record) error {
	if err := checkText("workspace id", r.Workspace); err != nil {
		return err
	}
	_, old, _, err := loadIndexed(t, bActivity, r.Workspace, activityIndexes, activityEntries)
	if err != nil {
		return err
	}
	if err := t.put(bActivity, []byte(r.Workspace), r); err != nil {
		return err
	}
	return t.reindex(old, activityEntries(r))
}

// Activity returns the record of one workspace, and whether there is one. A damaged one
// is as good as none, and noted: it is made anew by what follows.
func (t *Tx) Activity(id string) (activity.Record, bool, error) {
	r, ok, err := load[activity.Record](t, bActivity, []byte(id))
	if isDamagedRecord(err) {
		return activity.Record{}, false, nil
	}
	return r, ok, err
}

// ActivityAt returns the ids of the workspaces at a level, in order.
func (t *Tx) ActivityAt(level activity.Level) []string {
	prefix := []byte(string(level) + "\x00")
	var out []string
	for _, key := range t.keys(bActivityLevel, prefix) {
		out = append(out, string(key[len(prefix):]))
	}
	return out
}

// CountByLevel counts the workspaces at each level. Levels without any are absent.
func (t *Tx) CountByLevel() map[activity.Level]int {
	out := map[activity.Level]int{}
	c := t.bucket(bActivityLevel).Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		if i := bytes.IndexByte(k, 0); i > 0 {
			out[activity.Level(k[:i])]++
		}
	}
	return out
}

// DropActivity forgets the record of a workspace, damaged or not. That there is none is
// not an error.
func (t *Tx) DropActivity(id string) error {
	_, old, _, err := loadIndexed(t, bActivity, id, activityIndexes, activityEntries)
	if err != nil {
		return err
	}
	if err := t.drop(bActivity, []byte(id)); err != nil {
		return err
	}
	return t.reindex(old, nil)
}

// addActivity makes the buckets of schema 4. What runs gets its record by its first turn.
func addActivity(t *Tx) error {
	if err := t.makeBucket(bActivity); err != nil {
		return err
	}
	return t.makeBucket(bActivityLevel)
}
