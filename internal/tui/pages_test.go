package tui

import (
	"strings"
	"testing"

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
