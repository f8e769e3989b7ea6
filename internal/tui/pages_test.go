package tui

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestFactsAreToldInWords(t *testing.T) {
	for want, e := range map[string]event.Event{
		"active → idle, stops at 2030-03-01 12:30:00": {Kind: event.ActivityLevel, Detail: map[string]string{"from": "active", "to": "idle", "stop_at": "2030-03-01T12:30:00Z", "cause": "work"}, Result: "ok"},
		"labels=changed":                       {Kind: event.WorkspaceUpdated, Detail: map[string]string{"labels": "changed", "template": ""}, Result: "ok"},
		"registry_unreachable, again in 2.5 s": {Kind: event.JobRetried, Detail: map[string]string{"code": "registry_unreachable", "in": "2.513s", "job": "j1"}, Result: "ok"},
		"a=b denied":                           {Kind: event.WorkspaceUpdated, Detail: map[string]string{"a": "b"}, Result: "denied"},
	} {
		if got := eventText(e); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What the table of jobs cuts of the newest failure stands below it.
func TestTheNewestFailureOfAJobIsToldWhole(t *testing.T) {
	d := drive(t, 80, 24)
	d.world.details = everything()
	failed := d.world.details.Jobs[1]
	failed.Code, failed.Error, failed.Hint = "registry_unreachable", "the registry of the image no-such-image-xyz:1 did not answer in time", "look whether this machine is online"
	d.world.details.Jobs = []workspace.Job{d.world.details.Jobs[0], failed}
	d.snapshot(some()...).keys("6").shows("did not answer").shows("hint        look whether this machine is online")
	if s := strings.Join(strings.Fields(d.View()), " "); !strings.Contains(s, failed.Error+" [registry_unreachable]") {
		t.Errorf("the error is cut:\n%s", d.View())
	}
}

// The pane of events ends with the creation, or says where the rest is.
func TestOlderFactsThatAreNotShownAreToldOf(t *testing.T) {
	long := make([]event.Event, maxRows+1)
	for i := range long {
		long[i] = event.Event{Seq: uint64(i + 2), Time: noon, Kind: event.WorkspaceUpdated, Workspace: "wapi"}
	}
	created := someEvents("wapi")[:1]
	for name, tt := range map[string]struct {
		facts []event.Event
		older bool
	}{
		"all are shown":                 {slices.Concat(created, long[:5]), false},
		"none is among the newest":      {nil, true},
		"the creation is long ago":      {long[:5], true},
		"there are more than are drawn": {slices.Concat(created, long), true},
	} {
		t.Run(name, func(t *testing.T) {
			d := drive(t, 80, 24)
			d.world.details = Details{Events: tt.facts}
			d.snapshot(some()...).keys("3").until("they are fetched", func() bool { return d.detail.loaded }).keys("G")
			if got := strings.Contains(d.View(), "older ones are told by wsctl events --workspace api"); got != tt.older {
				t.Errorf("it is told: %v\n%s", got, d.View())
			}
		})
	}
}

func TestATimeOfAnotherDayHasItsDay(t *testing.T) {
	for in, want := range map[time.Duration]string{0: "12:00", 11 * time.Hour: "23:00", 13 * time.Hour: "Sat 01:00", 5 * 24 * time.Hour: "Wed 12:00", 7 * 24 * time.Hour: "8 Mar 12:00", 365 * 24 * time.Hour: "1 Mar 12:00"} {
		if got := clockTime(noon, noon.Add(in)); got != want {
			t.Errorf("in %s: %s, want %s", in, got, want)
		}
	}
}
