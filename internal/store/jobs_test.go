package store

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestAWorkspaceHasOneOpenJob(t *testing.T) {
	s := newStore(t)
	w := sample(1)
	j := sampleJob(1, w)
	mustUpdate(t, s, func(tx *Tx) error { return errors.Join(tx.PutWorkspace(w), tx.PutJob(j)) })
	mustUpdate(t, s, func(tx *Tx) error {
		f := wantCode(t, tx.PutJob(sampleJob(2, w)), fault.Conflict, "job_open")
		if f.Hint == "" || tx.Writes() != 0 {
			t.Errorf("hint %q, %d writes", f.Hint, tx.Writes())
		}
		got, ok, err := tx.OpenJob(w.ID)
		if got.ID != j.ID || !ok {
			t.Errorf("open job is %+v, %v", got, ok)
		}
		return err
	})
	mustUpdate(t, s, func(tx *Tx) error {
		j.State, j.EndedAt = workspace.JobCompleted, epoch.Add(time.Minute)
		return errors.Join(tx.EndJob(j), tx.PutJob(sampleJob(2, w)))
	})
	mustView(t, s, func(tx *Tx) error {
		got, ok, err := tx.OpenJob(w.ID)
		if got.ID != sampleJob(2, w).ID || !ok {
			t.Errorf("open job is %+v, %v", got, ok)
		}
		ended, errEnded := tx.Job(j.ID)
		if ended.State != workspace.JobCompleted {
			t.Errorf("ended job is %+v", ended)
		}
		if _, ok, _ := tx.OpenJob("w-other"); ok {
			t.Error("a job of nobody is open")
		}
		return errors.Join(err, errEnded)
	})
}

func TestJobsInTheWrongPlaceAreRefused(t *testing.T) {
	s := newStore(t)
	w := sample(1)
	mustUpdate(t, s, func(tx *Tx) error {
		j := sampleJob(1, w)
		_, err := tx.Job(j.ID)
		wantCode(t, err, fault.NotFound, "job_not_found")
		wantCode(t, tx.EndJob(j), fault.Internal, "job_invalid") // waiting is no end
		j.State = workspace.JobFailed
		wantCode(t, tx.PutJob(j), fault.Internal, "job_invalid") // failed is not open
		wantCode(t, tx.EndJob(j), fault.NotFound, "job_not_found")
		wantCode(t, tx.DropEndedJob(j.ID), fault.NotFound, "job_not_found")
		j.Workspace = ""
		wantCode(t, tx.EndJob(j), fault.Internal, "key_invalid")
		if tx.Writes() != 0 {
			t.Errorf("%d writes", tx.Writes())
		}
		return nil
	})
	mustUpdate(t, s, func(tx *Tx) error {
		j := sampleJob(1, w)
		if err := tx.PutJob(j); err != nil {
			return err
		}
		j.State = workspace.JobFailed
		if err := tx.EndJob(j); err != nil {
			return err
		}
		wantCode(t, tx.EndJob(j), fault.Conflict, "job_ended")
		wantCode(t, tx.PutJob(sampleJob(1, w)), fault.Conflict, "job_ended")
		if err := tx.DropEndedJob(j.ID); err != nil {
			return err
		}
		return tx.PutJob(sampleJob(1, w)) // a retry may keep its id
	})
}

func TestDueJobsAreTheWaitingOnesOldestFirst(t *testing.T) {
	s := newStore(t)
	due := []time.Duration{5, -3, 0, 9, 2}
	mustUpdate(t, s, func(tx *Tx) error {
		for i, d := range due {
			j := sampleJob(i+1, sample(i+1))
			j.DueAt = epoch.Add(d * time.Second)
			j.State = []workspace.JobState{workspace.JobWaiting, workspace.JobDelayed}[i%2]
			if err := tx.PutJob(j); err != nil {
				return err
			}
		}
		never := sampleJob(8, sample(8))
		never.DueAt = time.Time{}
		running := sampleJob(9, sample(9))
		running.State = workspace.JobActive
		return errors.Join(tx.PutJob(never), tx.PutJob(running))
	})
	ids := func(now time.Time, limit int) (out []string) {
		mustView(t, s, func(tx *Tx) error {
			jobs, err := tx.DueJobs(now, limit)
			for _, j := range jobs {
				out = append(out, j.ID[len(j.ID)-1:])
			}
			return err
		})
		return out
	}
	for _, c := range []struct {
		name  string
		now   time.Time
		limit int
		want  []string
	}{
		{"to the nanosecond before", epoch.Add(-3*time.Second - 1), 0, []string{"8"}},
		{"at the instant", epoch.Add(-3 * time.Second), 0, []string{"8", "2"}},
		{"all", epoch.Add(time.Hour), 0, []string{"8", "2", "3", "5", "1", "4"}},
		{"limited", epoch.Add(time.Hour), 2, []string{"8", "2"}},
		{"before 1970", time.Unix(-1, 0), 0, []string{"8"}},
		{"the zero time", time.Time{}, 0, []string{"8"}},
	} {
		if got := ids(c.now, c.limit); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	mustUpdate(t, s, func(tx *Tx) error {
		if at, ok := tx.NextJobDue(time.Time{}); !ok || !at.Equal(epoch.Add(-3*time.Second)) {
			t.Errorf("after the zero time comes %v, %v", at, ok)
		}
		j, err := tx.Job(sampleJob(8, sample(8)).ID)
		j.State = workspace.JobActive
		return errors.Join(err, tx.PutJob(j))
	})
	mustView(t, s, func(tx *Tx) error {
		if at, ok := tx.NextJobDue(epoch.Add(-3 * time.Second)); !ok || !at.After(epoch.Add(-3*time.Second)) {
			t.Errorf("after the first comes %v, %v", at, ok)
		}
		if at, ok := tx.NextJobDue(epoch.Add(time.Hour)); ok {
			t.Errorf("after the last comes %v", at)
		}
		return nil
	})
}

func TestActiveJobsWaitAgainAfterAStart(t *testing.T) {
	s := newStore(t)
	mustUpdate(t, s, func(tx *Tx) error {
		for i := 1; i <= 6; i++ {
			j := sampleJob(i, sample(i))
			if i%2 == 0 {
				j.State, j.Attempt = workspace.JobActive, 3
			}
			if err := tx.PutJob(j); err != nil {
				return err
			}
		}
		return nil
	})
	mustUpdate(t, s, func(tx *Tx) error {
		n, err := tx.ResetActive()
		if n != 3 {
			t.Errorf("%d were active", n)
		}
		jobs, errDue := tx.DueJobs(epoch.Add(time.Hour), 0)
		if len(jobs) != 6 {
			t.Errorf("%d are due", len(jobs))
		}
		if n := slices.IndexFunc(jobs, func(j workspace.Job) bool { return j.Attempt > 2 }); n >= 0 {
			t.Errorf("an attempt that was cut off counts: %+v", jobs[n])
		}
		again, errAgain := tx.ResetActive()
		if again != 0 {
			t.Errorf("%d are active still", again)
		}
		return errors.Join(err, errDue, errAgain)
	})
}

func TestJobsAreListedNewestFirstByStateAndWorkspace(t *testing.T) {
	s := newStore(t)
	mustUpdate(t, s, func(tx *Tx) error {
		for i := 1; i <= 6; i++ {
			j := sampleJob(i, sample(1+i%2))
			j.CreatedAt = epoch.Add(time.Duration(i%4) * time.Second)
			if err := tx.PutJob(j); err != nil {
				return err
			}
			j.State, j.EndedAt = workspace.JobFailed, j.CreatedAt
			if i%3 == 0 {
				j.State = workspace.JobCompleted
			}
			if i < 5 {
				if err := tx.EndJob(j); err != nil {
					return err
				}
			}
		}
		return nil
	})
	mustView(t, s, func(tx *Tx) error {
		for _, c := range []struct {
			name   string
			states []workspace.JobState
			ws     string
			want   []string
		}{
			{"all", nil, "", []string{"3", "6", "2", "5", "1", "4"}},
			{"failed", []workspace.JobState{workspace.JobFailed}, "", []string{"2", "1", "4"}},
			{"open or completed", []workspace.JobState{workspace.JobWaiting, workspace.JobCompleted}, "", []string{"3", "6", "5"}},
			{"of one workspace", nil, sample(1).ID, []string{"6", "2", "4"}},
			{"of none", nil, "w0", nil},
		} {
			jobs, err := tx.Jobs(c.states, c.ws)
			var got []string
			for _, j := range jobs {
				got = append(got, j.ID[len(j.ID)-1:])
			}
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%s: got %v (%v), want %v", c.name, got, err, c.want)
			}
		}
		return nil
	})
}

func TestStatsCountEveryKind(t *testing.T) {
	s := newStore(t)
	end := func(n int, state workspace.JobState, took time.Duration) {
		mustUpdate(t, s, func(tx *Tx) error {
			j := sampleJob(n, sample(n))
			if err := tx.PutJob(j); err != nil {
				return err
			}
			j.State, j.EndedAt = state, j.CreatedAt.Add(took)
			return tx.EndJob(j)
		})
	}
	end(1, workspace.JobCompleted, 100*time.Millisecond)
	end(2, workspace.JobCompleted, 300*time.Millisecond)
	end(3, workspace.JobCompleted, -time.Hour) // the clock was set back
	end(4, workspace.JobFailed, time.Hour)
	end(5, workspace.JobCancelled, time.Hour)
	mustUpdate(t, s, func(tx *Tx) error {
		active := sampleJob(6, sample(6))
		active.State = workspace.JobActive
		stop := sampleJob(7, sample(7))
		stop.Kind = workspace.JobStop
		strange := sampleJob(8, sample(8))
		strange.Kind = "transmogrify" // of a newer version
		return errors.Join(tx.PutJob(active), tx.PutJob(stop), tx.PutJob(strange),
			tx.CountRetry(workspace.JobStart), tx.CountRetry(workspace.JobStart), tx.CountRetry("transmogrify"),
			tx.DropEndedJob(sampleJob(4, sample(4)).ID)) // dropping is not uncounting
	})
	mustView(t, s, func(tx *Tx) error {
		all, err := tx.JobStats()
		if len(all) != len(workspace.JobKinds())+1 {
			t.Errorf("%d kinds", len(all))
		}
		for _, st := range all {
			want := workspace.JobStats{Kind: st.Kind}
			switch st.Kind {
			case workspace.JobStart:
				total := 400 * time.Millisecond
				want = workspace.JobStats{
					Kind: st.Kind, Active: 1, Completed: 3, Failed: 1, Cancelled: 1, Retried: 2,
					MeanMS: 400.0 / 3, TotalTime: total,
				}
			case workspace.JobStop:
				want.Waiting = 1
			case "transmogrify":
				want.Waiting, want.Retried = 1, 1
			}
			if st != want {
				t.Errorf("got %+v, want %+v", st, want)
			}
		}
		return err
	})
}

func TestTheOldestEndedJobsGo(t *testing.T) {
	s := newStore(t)
	const done, failed = keptDone + 7, keptFailed + 5
	mustUpdate(t, s, func(tx *Tx) error {
		for i := 1; i <= done+failed; i++ {
			j := sampleJob(i, sample(1))
			if err := tx.PutJob(j); err != nil {
				return err
			}
			j.State, j.EndedAt = workspace.JobFailed, epoch.Add(time.Duration(-i)*time.Second) // later ids ended earlier
			if i <= done {
				j.State = []workspace.JobState{workspace.JobCompleted, workspace.JobCancelled}[i%2]
			}
			if err := tx.EndJob(j); err != nil {
				return err
			}
		}
		return nil
	})
	mustView(t, s, func(tx *Tx) error {
		failedJobs, err := tx.Jobs([]workspace.JobState{workspace.JobFailed}, "")
		all, errAll := tx.Jobs(nil, "")
		if len(failedJobs) != keptFailed || len(all) != keptFailed+keptDone {
			t.Errorf("%d failed of %d are kept", len(failedJobs), len(all))
		}
		for _, id := range []int{done, done + failed} { // the oldest ends
			_, err := tx.Job(sampleJob(id, sample(1)).ID)
			wantCode(t, err, fault.NotFound, "job_not_found")
		}
		_, errFirst := tx.Job(sampleJob(1, sample(1)).ID)
		return errors.Join(err, errAll, errFirst)
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if r := mustBeSound(t, s.path); r.Jobs != keptDone+keptFailed {
		t.Errorf("%d jobs in the file", r.Jobs)
	}
}
