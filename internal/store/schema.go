package store

import (
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/wsctl/wsctl/internal/workspace"
)

// The buckets. The package comment draws them.
const (
	bMeta          = "meta"
	bSetting       = "setting"
	bWorkspace     = "workspace"
	bName          = "workspace.name"
	bPort          = "workspace.port"
	bSlot          = "workspace.slot"
	bState         = "workspace.state"
	bTombstone     = "workspace.tombstone"
	bJob           = "job"
	bJobWorkspace  = "job.workspace"
	bJobDue        = "job.due"
	bJobEnded      = "job.ended"
	bJobDone       = "job.done"
	bJobFailed     = "job.failed"
	bJobStats      = "job.stats"
	bDeadline      = "deadline"
	bDeadlineDue   = "deadline.due"
	bEvent         = "event"
	bIdempotency   = "idempotency"
	bSecret        = "secret"
	bActivity      = "activity"
	bActivityLevel = "activity.level"
)

// buckets are those of the current schema.
var buckets = []string{
	bMeta, bSetting, bWorkspace, bName, bPort, bSlot, bState, bTombstone, bJob, bJobWorkspace, bJobDue,
	bJobEnded, bJobDone, bJobFailed, bJobStats, bDeadline, bDeadlineDue, bEvent, bIdempotency,
	bSecret, bActivity, bActivityLevel,
}

// The keys of bMeta.
const (
	metaSchema   = "schema"
	metaInstance = "instance"
	metaHead     = "head"
	metaAnchor   = "anchor"
)

// markBuckets hold index entries without a value; every other value is a row.
var markBuckets = map[string]bool{bState: true, bJobDue: true, bJobDone: true, bJobFailed: true, bDeadlineDue: true, bActivityLevel: true}

// migration brings a file from the schema before to schema to.
type migration struct {
	to  int
	why string
	run func(*Tx) error
}

// migrations are applied in order. Entries are added at the end, each with a test
// on a saved file of the schema before, and never edited after a release.
var migrations = []migration{
	{2, "lists by owner and state need not read every workspace", addStateIndex},
	{3, "secrets have a place", func(t *Tx) error { return t.makeBucket(bSecret) }},
	{4, "how each workspace is used outlives the daemon", addActivity},
}

// firstSchema is what createSchema1 makes.
const firstSchema = 1

// currentSchema is what this program writes.
func currentSchema() int { return migrations[len(migrations)-1].to }

func createSchema1(t *Tx) error {
	for _, name := range []string{
		bMeta, bSetting, bWorkspace, bName, bPort, bSlot, bTombstone, bJob, bJobWorkspace, bJobDue,
		bJobEnded, bJobDone, bJobFailed, bJobStats, bDeadline, bDeadlineDue, bEvent, bIdempotency,
	} {
		if err := t.makeBucket(name); err != nil {
			return err
		}
	}
	if err := t.put(bMeta, []byte(metaInstance), workspace.NewID("i")); err != nil {
		return err
	}
	return t.put(bMeta, []byte(metaSchema), firstSchema)
}

func (t *Tx) makeBucket(name string) error {
	if _, err := t.bolt.CreateBucketIfNotExists([]byte(name)); err != nil {
		return fmt.Errorf("cannot make bucket %s: %w", name, err)
	}
	t.writes++
	return nil
}

// migrate applies what a file of schema from lacks, up to schema to.
func (t *Tx) migrate(from, to int) error {
	for _, m := range migrations {
		if m.to <= from || m.to > to {
			continue
		}
		if err := m.run(t); err != nil {
			return fmt.Errorf("cannot migrate to schema %d (%s): %w", m.to, m.why, err)
		}
		if err := t.put(bMeta, []byte(metaSchema), m.to); err != nil {
			return err
		}
	}
	return nil
}

// addStateIndex makes workspace.state. A damaged workspace gets no entry, as it
// has none anywhere that could be trusted.
func addStateIndex(t *Tx) error {
	if err := t.makeBucket(bState); err != nil {
		return err
	}
	for _, key := range t.keys(bWorkspace, nil) {
		w, _, err := load[workspace.Workspace](t, bWorkspace, key)
		if isDamagedRecord(err) {
			continue
		}
		if err != nil {
			return err
		}
		if err := t.mark(bState, stateKey(w.Owner, w.State, w.ID)); err != nil {
			return err
		}
	}
	return nil
}

// schemaOf reads the schema of a file. A file without one is not ours.
func schemaOf(b *bbolt.Tx, s *Store) (int, error) {
	n, ok, err := load[int](&Tx{bolt: b, store: s}, bMeta, []byte(metaSchema))
	if err != nil {
		return 0, storeDamaged(s.path, err)
	}
	if !ok || n < firstSchema {
		return 0, storeDamaged(s.path, fmt.Errorf("the file has no schema number"))
	}
	return n, nil
}
