package store

import (
	"slices"
	"time"

	"github.com/wsctl/wsctl/internal/workspace"
)

// How many ended jobs are kept; the oldest go.
const (
	keptDone   = 500  // completed and cancelled together
	keptFailed = 1000 // failed ones stay until dropped, within this bound
)

// jobCounters is the row of job.stats.
type jobCounters struct {
	Completed uint64        `json:"completed"`
	Failed    uint64        `json:"failed"`
	Cancelled uint64        `json:"cancelled"`
	Retried   uint64        `json:"retried"`
	Total     time.Duration `json:"total_ns"` // of completed jobs, creation to end
}

// EndJob moves a job, whose state is completed, failed or cancelled, from the
// open ones to the ended ones and counts it. NotFound "job_not_found" if it was
// not open, Conflict "job_ended" if it has ended already.
func (t *Tx) EndJob(j workspace.Job) error {
	ended := j.State == workspace.JobCompleted || j.State == workspace.JobFailed || j.State == workspace.JobCancelled
	if err := checkJob(j, ended); err != nil {
		return err
	}
	_, old, there, err := loadIndexed(t, bJob, j.ID, jobIndexes, jobEntries)
	switch {
	case err != nil:
		return err
	case !there && t.bucket(bJobEnded).Get([]byte(j.ID)) != nil:
		return jobEnded(j.ID)
	case !there:
		return jobNotFound(j.ID)
	}
	if err := t.put(bJobEnded, []byte(j.ID), j); err != nil {
		return err
	}
	if err := t.drop(bJob, []byte(j.ID)); err != nil {
		return err
	}
	if err := t.reindex(old, endedEntries(j)); err != nil {
		return err
	}
	if err := t.count(j.Kind, func(c *jobCounters) { c.ended(j) }); err != nil {
		return err
	}
	return t.pruneEnded()
}

func (c *jobCounters) ended(j workspace.Job) {
	switch j.State {
	case workspace.JobCompleted:
		c.Completed++
		c.Total += max(0, j.EndedAt.Sub(j.CreatedAt)) // a clock set back is no time spent
	case workspace.JobFailed:
		c.Failed++
	case workspace.JobCancelled:
		c.Cancelled++
	}
}

// CountRetry counts an attempt after the first.
func (t *Tx) CountRetry(kind workspace.JobKind) error {
	return t.count(kind, func(c *jobCounters) { c.Retried++ })
}

// count changes the counters of a kind. Damaged counters begin anew.
func (t *Tx) count(kind workspace.JobKind, change func(*jobCounters)) error {
	if err := checkText("kind", string(kind)); err != nil {
		return err
	}
	c, _, err := load[jobCounters](t, bJobStats, []byte(kind))
	if err != nil && !isDamagedRecord(err) {
		return err
	}
	change(&c)
	return t.put(bJobStats, []byte(kind), c)
}

// pruneEnded drops the oldest ended jobs beyond what is kept.
func (t *Tx) pruneEnded() error {
	for bucket, keep := range map[string]int{bJobDone: keptDone, bJobFailed: keptFailed} {
		for _, key := range t.olderThan(bucket, keep) {
			if err := t.drop(bJobEnded, key[min(8, len(key)):]); err != nil {
				return err
			}
			if err := t.drop(bucket, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// olderThan collects the keys of a time index before its newest keep ones.
func (t *Tx) olderThan(bucket string, keep int) [][]byte {
	var out [][]byte
	c := t.bucket(bucket).Cursor()
	for k, _ := c.Last(); k != nil; k, _ = c.Prev() {
		if keep--; keep < 0 {
			out = append(out, slices.Clone(k))
		}
	}
	return out
}

// DropEndedJob forgets an ended job, damaged or not. NotFound "job_not_found".
func (t *Tx) DropEndedJob(id string) error {
	_, old, there, err := loadIndexed(t, bJobEnded, id, endedIndexes, endedEntries)
	if err != nil {
		return err
	}
	if !there {
		return jobNotFound(id)
	}
	if err := t.drop(bJobEnded, []byte(id)); err != nil {
		return err
	}
	return t.reindex(old, nil)
}

// JobStats returns the counters of every kind, in the order of JobKinds, then of
// kinds that only another version of this program knows.
func (t *Tx) JobStats() ([]workspace.JobStats, error) {
	open, err := t.Jobs([]workspace.JobState{workspace.JobWaiting, workspace.JobDelayed, workspace.JobActive}, "")
	if err != nil {
		return nil, err
	}
	kinds := workspace.JobKinds()
	for _, key := range t.keys(bJobStats, nil) {
		if k := workspace.JobKind(key); !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	out := make([]workspace.JobStats, 0, len(kinds))
	for _, kind := range kinds {
		c, _, err := load[jobCounters](t, bJobStats, []byte(kind))
		if err != nil && !isDamagedRecord(err) {
			return nil, err
		}
		out = append(out, c.stats(kind, open))
	}
	return out, nil
}

func (c jobCounters) stats(kind workspace.JobKind, open []workspace.Job) workspace.JobStats {
	s := workspace.JobStats{
		Kind: kind, Completed: c.Completed, Failed: c.Failed, Cancelled: c.Cancelled, Retried: c.Retried, TotalTime: c.Total,
	}
	if c.Completed > 0 {
		s.MeanMS = float64(c.Total) / float64(time.Millisecond) / float64(c.Completed)
	}
	for _, j := range open {
		if j.Kind != kind {
			continue
		}
		switch j.State {
		case workspace.JobWaiting:
			s.Waiting++
		case workspace.JobDelayed:
			s.Delayed++
		case workspace.JobActive:
			s.Active++
		}
	}
	return s
}
