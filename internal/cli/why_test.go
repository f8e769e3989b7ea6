package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestTimesOfASentenceAreSaidAsPeopleCountThem(t *testing.T) {
	now := time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"nobody has used it since it was ready at 2030-01-02T12:00:00Z":                "nobody has used it since it was ready just now",
		"held until 2030-01-02T14:00:00Z":                                              "held for another 2 h",
		"nobody is connected, last used at 2030-01-02T11:52:00Z (input terminal main)": "nobody is connected, last used 8 min ago (input terminal main)",
		"2030 is no time": "2030 is no time",
	} {
		if got := render.Relative(now, text); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSpansAhead(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1200 * time.Millisecond: "1 s", 59 * time.Second: "59 s", 90 * time.Second: "1 min 30 s", 5 * time.Minute: "5 min",
		29*time.Minute + 59*time.Second: "30 min", 2*time.Hour - time.Millisecond: "2 h", 150 * time.Minute: "2 h 30 min",
	} {
		if got := render.Left(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

// A terminal of 80 columns takes the whole screen of a busy workspace.
func TestWhyFitsATerminal(t *testing.T) {
	now := time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	y := api.Why{
		Now: now, Level: activity.Idle, StopAt: now.Add(25 * time.Minute), Policy: api.Policy{Name: "default"},
		Workspace: workspace.Workspace{
			Name: "demo", State: workspace.Running, StoppedAt: ago(26 * time.Hour),
			Stop: &workspace.Stop{Reason: "idle", Actor: "wsd", Detail: "nobody was connected, last used at 2030-01-01T10:00:00Z (input terminal main by uid:1000)"},
		},
		Sessions: []activity.Session{
			{Kind: activity.Terminal, User: "uid:1000", Since: ago(time.Hour), LastInput: ago(5 * time.Minute), Quality: activity.Stable, SRTT: 0.4},
			{Kind: activity.HTTP, User: workspace.FrontDoor, Since: ago(time.Minute), Quality: activity.Stable},
		},
		Ledger: activity.Ledger{
			{Kind: activity.Input, Who: "uid:1000", What: "terminal main", Last: ago(5 * time.Minute), Count: 120},
			{Kind: activity.Busy, Who: "wsd", What: "webpack", Last: ago(time.Minute), Count: 3},
		},
		Holds: []activity.Hold{{ID: "h123456789abc", Actor: "uid:1000", Until: now.Add(time.Hour), Reason: "a demonstration for everybody who comes"}},
		Next:  []api.Transition{{At: now.Add(25 * time.Minute), What: "stop", Why: "nobody has used it, last used at 2030-01-02T11:55:00Z, which counts for 30 min"}},
	}
	var b strings.Builder
	if err := explainUse(&b, y, render.Palette{}, 80); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if render.Width(strings.TrimSuffix(line, "\n")) > 80 {
			t.Errorf("too wide: %s", line)
		}
	}
	golden(t, "testdata/why.txt", b.String())
}

func TestWhyTellsThatThePolicyIsMissing(t *testing.T) {
	y := api.Why{Now: time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC), Workspace: workspace.Workspace{Name: "demo", State: workspace.Running}}
	y.Workspace.SetCondition(y.Now, workspace.Condition{Type: workspace.PolicyMissing, Status: true, Detail: "its policy night is gone, so the policy default decides"})
	var out strings.Builder
	if err := explainUse(&out, y, render.Palette{}, 0); err != nil {
		t.Fatal(err)
	}
	if want := "\nNote: its policy night is gone, so the policy default decides; choose one with `wsctl policy`.\n"; !strings.Contains(out.String(), want) {
		t.Errorf("got\n%s", out.String())
	}
}
