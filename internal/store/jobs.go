package store

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// PutJob writes an open job, new or changed. Conflict "job_open" if its workspace
// has another open job, "job_ended" if a job of this id has ended.
func (t *Tx) PutJob(j workspace.Job) error {
	if err := checkJob(j, j.State.Open()); err != nil {
		return err
	}
	_, old, _, err := loadIndexed(t, bJob, j.ID, jobIndexes, jobEntries)
	if err != nil {
		return err
	}
	if id, ok := t.holder(bJobWorkspace, []byte(j.Workspace)); ok && id != j.ID {
		return fault.New(fault.Conflict, "job_open", "the workspace %s has an open job already (%s)", j.Name, id).
			WithHint("wait for it, or cancel it: wsctl jobs cancel %s", id)
	}
	if t.bucket(bJobEnded).Get([]byte(j.ID)) != nil {
		return jobEnded(j.ID)
	}
	if err := t.put(bJob, []byte(j.ID), j); err != nil {
		return err
	}
	return t.reindex(old, jobEntries(j))
}

func checkJob(j workspace.Job, stateFits bool) error {
	if err := checkTexts("id", j.ID, "workspace", j.Workspace, "kind", string(j.Kind)); err != nil {
		return err
	}
	if !stateFits {
		return fault.New(fault.Internal, "job_invalid", "job %s cannot be kept here in state %.40q", j.ID, j.State)
	}
	return nil
}

func jobEnded(id string) error {
	return fault.New(fault.Conflict, "job_ended", "the job %s has ended", id)
}

func jobNotFound(id string) error {
	return fault.New(fault.NotFound, "job_not_found", "there is no job %.60q", id).WithHint("see: wsctl jobs ls")
}

// OpenJob returns the open job of a workspace, and whether there is one.
func (t *Tx) OpenJob(workspaceID string) (workspace.Job, bool, error) {
	id, ok := t.holder(bJobWorkspace, []byte(workspaceID))
	if !ok {
		return workspace.Job{}, false, nil
	}
	return load[workspace.Job](t, bJob, []byte(id))
}

// Job returns an open or ended job. NotFound "job_not_found".
func (t *Tx) Job(id string) (workspace.Job, error) {
	for _, bucket := range []string{bJob, bJobEnded} {
		if j, ok, err := load[workspace.Job](t, bucket, []byte(id)); ok || err != nil {
			return j, err
		}
	}
	return workspace.Job{}, jobNotFound(id)
}

// DueJobs returns waiting and delayed jobs with DueAt <= now, oldest DueAt first,
// at most limit (0 or less is all). A damaged job is left out: it can never run.
func (t *Tx) DueJobs(now time.Time, limit int) ([]workspace.Job, error) {
	var out []workspace.Job
	end := timeKey(now)
	c := t.bucket(bJobDue).Cursor()
	for k, _ := c.First(); len(k) > 8 && bytes.Compare(k[:8], end) <= 0; k, _ = c.Next() {
		j, ok, err := load[workspace.Job](t, bJob, k[8:])
		if isDamagedRecord(err) || !ok && err == nil {
			continue
		}
		if err != nil {
			return out, err
		}
		if out = append(out, j); len(out) == limit {
			break
		}
	}
	return out, nil
}

// NextJobDue returns the earliest DueAt above after of a waiting or delayed job.
func (t *Tx) NextJobDue(after time.Time) (time.Time, bool) {
	c := t.bucket(bJobDue).Cursor()
	begin := timeKey(after)
	for k, _ := c.Seek(begin); len(k) > 8; k, _ = c.Next() {
		if bytes.Equal(k[:8], begin) {
			continue
		}
		if j, ok, err := load[workspace.Job](t, bJob, k[8:]); ok && err == nil {
			return j.DueAt, true
		}
	}
	return time.Time{}, false
}

// ResetActive makes every active job waiting again and returns how many there
// were. It is for the start of the daemon, when no worker can be alive: the attempt
// that was cut off has not failed, and is given back.
func (t *Tx) ResetActive() (int, error) {
	n := 0
	for j, err := range each[workspace.Job](t, bJob) {
		switch {
		case isDamagedRecord(err):
			continue
		case err != nil:
			return n, err
		case j.State != workspace.JobActive:
			continue
		}
		j.State, j.Attempt = workspace.JobWaiting, max(0, j.Attempt-1)
		if err := t.PutJob(j); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// Jobs returns open and kept ended jobs in any of the states (none is all) of a
// workspace ("" is all), newest first. Damaged ones are left out.
func (t *Tx) Jobs(states []workspace.JobState, workspaceID string) ([]workspace.Job, error) {
	var out []workspace.Job
	for _, bucket := range []string{bJob, bJobEnded} {
		for j, err := range each[workspace.Job](t, bucket) {
			if isDamagedRecord(err) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if (workspaceID == "" || j.Workspace == workspaceID) && (len(states) == 0 || slices.Contains(states, j.State)) {
				out = append(out, j)
			}
		}
	}
	slices.SortFunc(out, func(a, b workspace.Job) int {
		if c := b.CreatedAt.Compare(a.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(b.ID, a.ID)
	})
	return out, nil
}
