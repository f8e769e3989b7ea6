package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestWhatTheListLeavesOut(t *testing.T) {
	now := time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC)
	w := api.Brief{
		Name: "demo", State: workspace.Running, Port: 8000, Template: "static", CreatedAt: now.Add(-time.Minute), Labels: map[string]string{"team": "web"},
		Level: activity.Disconnected, StopAt: now.Add(30 * time.Minute),
	}
	f := newFactory(Streams{})
	f.Now = func() time.Time { return now }
	for width, want := range map[int]string{
		120: "NAME STATE LEVEL STOPS IN URL FROM AGE LABELS",
		80:  "NAME STATE STOPS IN URL FROM AGE LABELS",
		75:  "NAME STATE STOPS IN URL AGE LABELS",
		66:  "NAME STATE URL FROM AGE LABELS",
	} {
		got := strings.Join(f.workspaceTable([]api.Brief{w}, width).Header, " ")
		if got != want {
			t.Errorf("%d columns hold %s, want %s", width, got, want)
		}
	}
}
