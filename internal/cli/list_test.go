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
	long := w
	long.Labels = map[string]string{"team": "platform", "purpose": "a demonstration for everybody"}
	named := w
	named.Name = "longer-name-of-a-workspace"
	for _, c := range []struct {
		w     api.Brief
		width int
		want  string
	}{
		{w, 120, "NAME STATE LEVEL STOPS IN URL FROM AGE LABELS"},
		{w, 80, "NAME STATE STOPS IN URL FROM AGE LABELS"},
		{w, 75, "NAME STATE STOPS IN URL AGE LABELS"},
		{w, 66, "NAME STATE STOPS IN URL LABELS"},
		{w, 50, "NAME STATE STOPS IN URL"},
		{w, 40, "NAME STATE URL"},
		{named, 40, "NAME STATE URL"},
		{named, 80, "NAME STATE STOPS IN URL LABELS"},
		{long, 120, "NAME STATE LEVEL STOPS IN URL FROM AGE LABELS"},
		{long, 80, "NAME STATE STOPS IN URL FROM AGE LABELS"},
		{api.Brief{Name: "demo", State: workspace.Stopped, Port: 8000, CreatedAt: now}, 120, "NAME STATE URL FROM AGE LABELS"},
	} {
		var out strings.Builder
		if err := f.workspaceTable([]api.Brief{c.w}, c.width).Write(&out); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(strings.Fields(strings.Split(out.String(), "\n")[0]), " ")
		if got != c.want {
			t.Errorf("%d columns hold %s, want %s", c.width, got, c.want)
		}
		if !strings.Contains(out.String(), "http://127.0.0.1:8000/") {
			t.Errorf("%d columns have no whole address:\n%s", c.width, out.String())
		}
		if c.width >= narrow && !strings.Contains(out.String(), c.w.Name) {
			t.Errorf("%d columns cut the name:\n%s", c.width, out.String())
		}
	}
}
