package engine

import (
	"errors"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/runtime/memory"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestDoctorRightAfterAStartWaitsForTheEnginesFirstAnswer(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.box.SetFaults(memory.Faults{Latency: map[memory.Op]time.Duration{memory.OpInfo: time.Second}})
		r.restart()
		checks, err := r.Doctor(r.t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		if c := checks[0]; c.Name != "engine" || c.Status != "ok" {
			t.Errorf("the engine answers after a second, but the first check is %+v", c)
		}
	})
}

func TestDoctorWarnsOfAFailedJobUntilItsWorkspaceIsDeleted(t *testing.T) {
	inBubble(t, func(r *rig) {
		jobs := func() string {
			checks, err := r.Doctor(r.t.Context(), alice)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range checks {
				if c.Name == "jobs" {
					return c.Status
				}
			}
			return "missing"
		}
		r.box.SetFaults(memory.Faults{Script: []memory.Fault{{Op: memory.OpEnsure, Err: errors.New("broken")}}})
		r.begin("demo")
		r.settle()
		r.want("demo", workspace.Failed)
		if got := jobs(); got != "warn" {
			t.Errorf("with a failed job the check is %s", got)
		}
		r.box.SetFaults(memory.Faults{})
		if _, err := r.Delete(r.t.Context(), alice, "demo", 0, true); err != nil {
			t.Fatal(err)
		}
		r.settle()
		if got := jobs(); got != "ok" {
			t.Errorf("with nothing left to do the check is %s", got)
		}
	})
}
