package engine

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
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

// A failed job is history once a later one of its workspace has ended well, or the
// workspace is deleted. The list of jobs still has it, so doctor counts it.
func TestDoctorWarnsOfAFailedJobUntilItIsHistory(t *testing.T) {
	inBubble(t, func(r *rig) {
		jobs := func() string {
			checks, err := r.Doctor(r.t.Context(), alice)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range checks {
				if c.Name == "jobs" {
					return c.Status + ": " + c.Detail
				}
			}
			return "missing"
		}
		r.box.SetFaults(memory.Faults{Script: []memory.Fault{{Op: memory.OpEnsure, Err: errors.New("broken")}}})
		r.begin("demo")
		r.settle()
		r.want("demo", workspace.Failed)
		if got := jobs(); !strings.HasPrefix(got, "warn: 1 failed") {
			t.Errorf("with a failed job: %s", got)
		}
		r.box.SetFaults(memory.Faults{})
		if _, err := r.Command(r.t.Context(), alice, "demo", api.Start); err != nil {
			t.Fatal(err)
		}
		r.settle()
		r.want("demo", workspace.Running)
		if got := jobs(); got != "ok: none needs a look; 1 failed before, which is history" {
			t.Errorf("after a start that ended well: %s", got)
		}
		r.box.SetFaults(memory.Faults{Script: []memory.Fault{{Op: memory.OpEnsure, Err: errors.New("broken")}}})
		r.begin("other")
		r.settle()
		r.box.SetFaults(memory.Faults{})
		if _, err := r.Delete(r.t.Context(), alice, "other", 0, true); err != nil {
			t.Fatal(err)
		}
		r.settle()
		if got := jobs(); got != "ok: none needs a look; 2 failed before, which is history" {
			t.Errorf("with a deleted workspace: %s", got)
		}
	})
}
