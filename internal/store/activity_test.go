package store

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/workspace"
)

func recordOf(w workspace.Workspace, level activity.Level) activity.Record {
	return activity.Record{Workspace: w.ID, Run: w.Run, Level: level, StopAt: epoch.Add(time.Hour), Cause: activity.ByEngagement}
}

func TestActivityIsFoundByLevelAndGoesWithItsWorkspace(t *testing.T) {
	s := newStore(t)
	one, two := sample(1), sample(2)
	mustUpdate(t, s, func(tx *Tx) error {
		return errors.Join(tx.PutWorkspace(one), tx.PutWorkspace(two),
			tx.PutActivity(recordOf(one, activity.Active)), tx.PutActivity(recordOf(two, activity.Active)),
			tx.PutActivity(recordOf(two, activity.Idle)),
			tx.PutDeadline(Deadline{epoch, DeadlineActivity, two.ID}))
	})
	mustView(t, s, func(tx *Tx) error {
		if got := tx.ActivityAt(activity.Active); !slices.Equal(got, []string{one.ID}) {
			t.Errorf("active: %v", got)
		}
		if n := tx.CountByLevel(); n[activity.Active] != 1 || n[activity.Idle] != 1 || len(n) != 2 {
			t.Errorf("counts: %v", n)
		}
		r, ok, err := tx.Activity(two.ID)
		if !ok || r.Level != activity.Idle || !r.StopAt.Equal(epoch.Add(time.Hour)) {
			t.Errorf("got %+v", r)
		}
		return err
	})
	mustUpdate(t, s, func(tx *Tx) error {
		quiet := recordOf(one, "")
		return errors.Join(tx.DeleteWorkspace(two.ID), tx.PutActivity(quiet))
	})
	mustView(t, s, func(tx *Tx) error {
		_, ok, err := tx.Activity(two.ID)
		_, waits, err2 := tx.Deadline(DeadlineActivity, two.ID)
		if ok || waits || len(tx.CountByLevel()) != 0 {
			t.Errorf("there is still a record %t, a deadline %t, levels %v", ok, waits, tx.CountByLevel())
		}
		return errors.Join(err, err2)
	})
}

func TestVerifySeesAnActivityThatItsIndexDoesNotKnow(t *testing.T) {
	s := newStore(t)
	w := sample(1)
	mustUpdate(t, s, func(tx *Tx) error {
		return errors.Join(tx.PutWorkspace(w), tx.PutActivity(recordOf(w, activity.Idle)),
			tx.drop(bActivityLevel, []byte("idle\x00"+w.ID)), tx.mark(bActivityLevel, []byte("active\x00"+w.ID)))
	})
	var r Report
	mustView(t, s, func(tx *Tx) error { return verifyTx(tx, &r, true) })
	if len(r.Problems) != 2 {
		t.Errorf("got %q", r.Problems)
	}
}
