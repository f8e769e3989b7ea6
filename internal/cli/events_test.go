package cli

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
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
		{event.ActivityLevel, map[string]string{"stop_at": "2030-01-31T12:00:00.039574961Z", "from": "active", "to": "idle"}, "active to idle, stop_at=" + time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC).Local().Format(time.DateTime)},
		{event.WorkspaceCreated, map[string]string{"template": "", "port": "8001"}, "port=8001"},
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

func TestFramesAreThoseOfTheGatewayOneALine(t *testing.T) {
	h := testHost(t)
	h.must(t, "create", "framed", "--stopped")
	lines := h.stream(t, "events", "-f", "--frames", "--workspace", "framed").lines
	next := func(typ string) (f api.Frame) {
		t.Helper()
		for f.Type != typ {
			f = api.Frame{}
			if !lines.Scan() {
				t.Fatalf("no frame %s came", typ)
			}
			if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
				t.Fatalf("%s: %v", lines.Text(), err)
			}
		}
		return f
	}
	first := next(api.FrameSnapshot)
	h.must(t, "label", "framed", "frame=1")
	if f := next(api.FrameUpdated); f.Seq != first.Seq+1 || f.Epoch != first.Epoch || f.Workspace != first.Workspace {
		t.Errorf("the snapshot is %+v, the change %+v", first, f)
	}
	if y := h.must(t, "sessions", "framed", "--json"); strings.Contains(y, `"id"`) {
		t.Errorf("who looks on is a session: %s", y)
	}
}

func TestTheNewestFactsOfAWorkspaceAreShown(t *testing.T) {
	h := testHost(t)
	h.must(t, "create", "demo", "--stopped")
	for _, n := range []string{"n=1", "n=2", "n=3"} {
		h.must(t, "label", "demo", n)
		h.must(t, "create", "other"+n[2:], "--stopped")
	}
	seqs := func(args ...string) (all []uint64) {
		t.Helper()
		for line := range strings.Lines(h.must(t, append([]string{"events", "--json"}, args...)...)) {
			var e event.Event
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			all = append(all, e.Seq)
		}
		return all
	}
	whole := seqs("--workspace", "demo")
	if len(whole) < 4 {
		t.Fatalf("facts of demo: %v", whole)
	}
	if got, want := seqs("--workspace", "demo", "--limit", "2"), whole[len(whole)-2:]; !slices.Equal(got, want) {
		t.Errorf("the newest 2 are %v, want %v of %v", got, want, whole)
	}
	if got, want := seqs("--workspace", "demo", "--limit", "2", "--after", "0"), whole[:2]; !slices.Equal(got, want) {
		t.Errorf("the first 2 are %v, want %v of %v", got, want, whole)
	}
	if all := seqs(); len(all) <= len(whole) || !slices.IsSorted(all) {
		t.Errorf("of all: %v", all)
	}
}
