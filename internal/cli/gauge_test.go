package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

// heardBy is a gauge that was told these frames.
func heardBy(t *testing.T, g *gauge, frames ...api.Frame) reading {
	t.Helper()
	for _, f := range frames {
		g.take(client.Update{Link: client.Live, Frame: &f})
	}
	return g.read()
}

func running(names ...string) api.Snapshot {
	var s api.Snapshot
	for _, n := range names {
		s.Workspaces = append(s.Workspaces, api.Live{Workspace: workspace.Workspace{ID: "w" + n, Name: n, State: workspace.Running}})
	}
	return s
}

func TestAGaugeKnowsWhatIsPushed(t *testing.T) {
	at := func(seconds float64) time.Time {
		return time.Unix(1000, 0).Add(time.Duration(seconds * float64(time.Second)))
	}
	pushed := func(id string, seconds, cpu float64) api.Frame {
		return frameOf(t, api.FrameSample, api.Sample{Workspace: id, Usage: workspace.Usage{Time: at(seconds), CPUSeconds: cpu, Memory: 7}})
	}
	g := newGauge(nil, []sample{{Workspace: "b", ID: "wb", Usage: workspace.Usage{Time: at(0), CPUSeconds: 10}}}, false)
	r := heardBy(t, g, frameOf(t, api.FrameSnapshot, running("b", "a")), pushed("wb", 0.1, 10.1), pushed("wa", 0.1, 3))
	if len(r.samples) != 2 || r.samples[0].Workspace != "a" || r.samples[0].CPU != nil || r.samples[1].Workspace != "b" || r.samples[1].CPU != nil || r.samples[1].Memory != 7 {
		t.Errorf("what is used is told from counts of too short a time: %+v", r)
	}
	r = heardBy(t, g, pushed("wb", 2, 11), pushed("wa", 2.1, 7))
	if a, b := r.samples[0].CPU, r.samples[1].CPU; a == nil || *a != 2 || b == nil || *b != 0.5 {
		t.Errorf("cores %+v", r.samples)
	}
	if r = heardBy(t, g, pushed("wa", 4.1, 1)); r.samples[0].CPU != nil || r.samples[0].CPUSeconds != 1 {
		t.Errorf("a count that began anew: %+v", r.samples[0])
	}
	stopped := running("a").Workspaces[0].Workspace
	stopped.State = workspace.Stopped
	r = heardBy(t, g, frameOf(t, api.FrameState, api.Fact{Event: event.Event{Kind: event.WorkspaceState}, Workspace: &stopped}))
	if len(r.samples) != 1 || r.samples[0].Workspace != "b" || len(g.all()) != 2 {
		t.Errorf("after one has stopped %+v", r)
	}
	g.take(client.Update{Link: client.Lost, Since: at(9)})
	if r = g.read(); !r.away.Equal(at(9)) || len(r.samples) != 1 {
		t.Errorf("while wsd is away %+v", r)
	}
}

func TestAGaugeMeasuresAtMostWhatWsdMeasures(t *testing.T) {
	var names []string
	for i := range gaugeMost + 2 {
		names = append(names, fmt.Sprintf("w%03d", i))
	}
	g := newGauge(nil, nil, false)
	if r := heardBy(t, g, frameOf(t, api.FrameSnapshot, running(names...))); r.skipped != 2 {
		t.Errorf("%d are left out", r.skipped)
	}
}

func TestAGaugeOfWorkspacesThatAreGoneIsOver(t *testing.T) {
	g := newGauge(nil, []sample{{Workspace: "a", ID: "wa"}}, true)
	if g.over() {
		t.Error("it is over before anything is known")
	}
	if r := heardBy(t, g, frameOf(t, api.FrameSnapshot, running("a", "b"))); g.over() || len(g.all()) != 2 || len(r.samples) != 1 {
		t.Errorf("over: %v, %+v", g.over(), r)
	}
	heardBy(t, g, frameOf(t, api.FrameDeleted, api.Fact{Event: event.Event{Kind: event.WorkspaceDeleted, Workspace: "wa"}}))
	if !g.over() {
		t.Error("it goes on")
	}
}

// TestStatsAreFollowedWithoutAsking looks at a wsd whose log tells each request.
func TestStatsAreFollowedWithoutAsking(t *testing.T) {
	h := testHost(t)
	h.env = append(h.env, "WSD_LOG_LEVEL=debug")
	h.must(t, "create", "demo")
	for _, args := range [][]string{{"stats", "-f", "--json"}, {"top", "-n", "9", "--every", "2s", "--json"}} {
		cmd := h.command(args...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		before := h.usages(t)
		lines := bufio.NewScanner(out)
		for range 3 {
			if !lines.Scan() || !json.Valid(lines.Bytes()) || !strings.Contains(lines.Text(), `"demo"`) {
				t.Fatalf("%v wrote %s", args, lines.Text())
			}
		}
		if !strings.Contains(lines.Text(), `"cpus":0.0`) {
			t.Errorf("%v does not tell the processor: %s", args, lines.Text())
		}
		if n := h.usages(t) - before; n < 1 || n > 2 { // of the first round
			t.Errorf("%v asked %d times", args, n)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// usages counts the questions for what a workspace uses that wsd has answered.
func (h *host) usages(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(h.dir, "state", "wsd.log"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), `route="GET /v1/workspaces/{ref}/usage"`)
}

func TestStatsOfAWsdThatIsAwayAreOld(t *testing.T) {
	h := testHost(t)
	h.must(t, "create", "demo")
	s := onTerminal(t, h, 120, 10, nil, "stats", "-f")
	s.shows("(?s)NAME.*demo")
	h.stop()
	s.shows("wsd is away; this is as of .*ago")
	h.must(t, "create", "second")
	s.shows(`(?s)ago.*second.*\x1b\[J$`)
	s.types("\x03")
	if status := s.ends(); status != 130 {
		t.Errorf("status %d, want 130", status)
	}
}
