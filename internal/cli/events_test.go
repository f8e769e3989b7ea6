package cli

import (
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/event"
)

func TestFactsAreWordedForPeople(t *testing.T) {
	for _, c := range []struct {
		kind   event.Kind
		detail map[string]string
		want   string
	}{
		{event.WorkspaceState, map[string]string{"from": "stopping", "to": "stopped", "trigger": "has_stopped"}, "stopping to stopped"},
		{event.JobEnded, map[string]string{"job": "j2k4mqrz3abcd", "kind": "stop", "state": "failed", "code": "timeout_stop"}, "stop failed, code=timeout_stop"},
		{event.CommandAccepted, map[string]string{"command": "start"}, "command=start"},
		{event.DaemonStarted, nil, ""},
	} {
		e := event.Event{Kind: c.kind, Detail: c.detail}
		if got := strings.Join(detailTexts(e), ", "); got != c.want {
			t.Errorf("%s: %q, want %q", c.kind, got, c.want)
		}
		if c.detail != nil && len(e.Detail) != len(c.detail) {
			t.Errorf("%s: the fact itself was changed", c.kind)
		}
	}
}
