package store

import (
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// checker goes through one consistent state and reports what is wrong.
type checker struct {
	tx      *Tx
	report  *Report
	damaged map[string]bool // recordName of every row that cannot be read
}

// rows checks the form of every value and returns the buckets of the current
// schema that are not there.
func (c *checker) rows() (missing []string) {
	names := map[string]bool{}
	_ = c.tx.bolt.ForEach(func(name []byte, b *bbolt.Bucket) error {
		names[string(name)] = true
		return b.ForEach(func(k, v []byte) error {
			c.row(string(name), k, v)
			return nil
		})
	})
	for _, name := range buckets {
		if !names[name] {
			missing = append(missing, name)
		}
	}
	return missing
}

func (c *checker) row(bucket string, k, v []byte) {
	err := checkRow(k, v)
	if markBuckets[bucket] {
		err = nil
		if len(v) > 0 {
			err = errRow
		}
	}
	if err == nil {
		err = c.decode(bucket, k, v)
	}
	if err != nil {
		c.damaged[recordName(bucket, k)] = true
		c.report.add("record %s: %v", recordName(bucket, k), err)
	}
}

// decode sees that a row means something, and belongs under its key.
func (c *checker) decode(bucket string, k, v []byte) error {
	var id string
	var err error
	switch bucket {
	case bWorkspace:
		var w workspace.Workspace
		err, id = openRow(k, v, &w), w.ID
		c.report.Workspaces++
	case bJob, bJobEnded:
		var j workspace.Job
		err = openRow(k, v, &j)
		id = j.ID
		c.report.Jobs++
	case bEvent:
		var e event.Event
		err = openRow(k, v, &e)
		id = string(seqKey(e.Seq))
		c.report.Events++
	case bActivity:
		var r activity.Record
		err = openRow(k, v, &r)
		id = r.Workspace
	default:
		return nil
	}
	if err == nil && id != string(k) {
		return errors.New("it lies under another key than its own")
	}
	return err
}

// indexes compares the entries that the rows ask for with those that are there.
func (c *checker) indexes() {
	var want []entry
	for w, err := range each[workspace.Workspace](c.tx, bWorkspace) {
		if err == nil {
			want = append(want, workspaceEntries(w)...)
		}
	}
	c.compare(bWorkspace, workspaceIndexes, want)
	want = nil
	for j, err := range each[workspace.Job](c.tx, bJob) {
		if err == nil {
			want = append(want, jobEntries(j)...)
		}
	}
	c.compare(bJob, jobIndexes, want)
	want = nil
	for j, err := range each[workspace.Job](c.tx, bJobEnded) {
		if err == nil {
			want = append(want, endedEntries(j)...)
		}
	}
	c.compare(bJobEnded, endedIndexes, want)
	want = nil
	for r, err := range each[activity.Record](c.tx, bActivity) {
		if err == nil {
			want = append(want, activityEntries(r)...)
		}
	}
	c.compare(bActivity, activityIndexes, want)
}

// compare checks both directions: every wanted entry is there and leads to its
// row, and every entry there is wanted, or leads to a row that cannot be asked.
func (c *checker) compare(rows string, indexes []string, want []entry) {
	missing := make(map[entry]bool, len(want))
	for _, e := range want {
		if missing[e] {
			c.report.add("index %s: two rows ask for the same entry", recordName(e.bucket, []byte(e.key)))
		}
		missing[e] = true
	}
	for _, bucket := range indexes {
		_ = c.tx.bucket(bucket).ForEach(func(k, v []byte) error {
			id, ok := entryID(bucket, k, v)
			e := entry{bucket, string(k), id}
			switch {
			case missing[e]:
				delete(missing, e)
			case ok && !c.damaged[recordName(rows, []byte(id))]:
				c.report.add("index %s: leads to %s, which does not ask for it", recordName(bucket, k), id)
			}
			return nil
		})
	}
	for _, e := range want {
		if missing[e] && !c.damaged[recordName(e.bucket, []byte(e.key))] {
			c.report.add("index %s: the entry for %s is missing", recordName(e.bucket, []byte(e.key)), e.id)
		}
	}
}

func (c *checker) deadlines() {
	want := map[string]bool{}
	for _, k := range c.tx.keys(bDeadline, nil) {
		at, _, err := load[time.Time](c.tx, bDeadline, k)
		if err != nil {
			continue // told by rows
		}
		want[string(timedKey(at, string(k)))] = true
	}
	for _, k := range c.tx.keys(bDeadlineDue, nil) {
		if !want[string(k)] && len(k) > 8 && !c.damaged[recordName(bDeadline, k[8:])] {
			c.report.add("index %s: no deadline asks for it", recordName(bDeadlineDue, k))
		}
		delete(want, string(k))
	}
	for k := range want {
		c.report.add("index %s: the entry is missing", recordName(bDeadlineDue, []byte(k)))
	}
}

// events checks that numbers have no gap, each fact links to the one before, and
// the chain ends where it should.
func (c *checker) events() {
	prev, _, err := load[link](c.tx, bMeta, []byte(metaAnchor))
	known := err == nil
	for e, err := range each[event.Event](c.tx, bEvent) {
		if err != nil {
			known = false // its place is taken; the next one cannot be compared
			prev.Seq++
			continue
		}
		if e.Seq != prev.Seq+1 && (known || prev.Seq > 0) {
			c.report.add("event %d: %d is expected here", e.Seq, prev.Seq+1)
		}
		before := e.Prev
		if known {
			before = prev.Hash
		}
		if !e.Intact(before) {
			c.report.add("event %d: the chain is broken here", e.Seq)
		}
		prev, known = link{e.Seq, e.Hash}, true
	}
	if head, _, err := load[link](c.tx, bMeta, []byte(metaHead)); err == nil && known && head != prev {
		c.report.add("events end with %d, but %d was written", prev.Seq, head.Seq)
	}
}

// jobs checks that open jobs are open and belong to a workspace, and ended ones
// have ended. That a workspace has one at most is a matter of the index.
func (c *checker) jobs() {
	for j, err := range each[workspace.Job](c.tx, bJob) {
		if err != nil {
			continue
		}
		if !j.State.Open() {
			c.report.add("job %s is %s, but kept as open", j.ID, j.State)
		}
		if _, err := c.tx.Workspace(j.Workspace); fault.Is(err, fault.NotFound) || fault.Is(err, fault.Gone) {
			c.report.add("job %s is open for workspace %s, which is not there", j.ID, j.Workspace)
		}
	}
	for j, err := range each[workspace.Job](c.tx, bJobEnded) {
		if err == nil && j.State.Open() {
			c.report.add("job %s is %s, but kept as ended", j.ID, j.State)
		}
		if err == nil && c.tx.bucket(bJob).Get([]byte(j.ID)) != nil {
			c.report.add("job %s is open and ended", j.ID)
		}
	}
}
