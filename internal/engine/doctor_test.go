package engine

import (
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/runtime/memory"
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
