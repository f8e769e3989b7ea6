package cli

import (
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
	"github.com/wsctl/wsctl/internal/fault"
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

func TestAGaugeHasSubscriptionsForAllThatRun(t *testing.T) {
	for _, c := range []struct{ running, links, skipped int }{
		{0, 1, 0}, {gaugeMost, 1, 0}, {gaugeMost + 1, 2, 0}, {gaugeMost * gaugeLinks, gaugeLinks, 0}, {gaugeMost*gaugeLinks + 2, gaugeLinks, 2},
	} {
		var names []string
		for i := range c.running {
			names = append(names, fmt.Sprintf("w%04d", i))
		}
		g, begun := newGauge(nil, nil, false), 1
		g.further = func(*gaugeLink) { begun++ }
		r := heardBy(t, g, frameOf(t, api.FrameSnapshot, running(names...)))
		if r.skipped != c.skipped || begun != c.links || len(g.links) != c.links {
			t.Errorf("of %d that run %d are left out, over %d subscriptions", c.running, r.skipped, begun)
		}
	}
}

func TestAGaugeTellsHowManyWsdRefusesToMeasure(t *testing.T) {
	var names []string
	for i := range gaugeMost + 2 {
		names = append(names, fmt.Sprintf("w%04d", i))
	}
	g := newGauge(nil, nil, false)
	heardBy(t, g, frameOf(t, api.FrameSnapshot, running(names...)))
	full := fault.New(fault.Limit, "too_many_connections", "too many clients of the gateway are connected")
	live, lost := client.Update{Link: client.Live}, client.Update{Link: client.Lost, Err: full}
	for _, c := range []struct {
		name          string
		first, second client.Update
		refused       int
		away          bool
	}{
		{"both measure", live, live, 0, false},
		{"the second is refused", live, lost, 2, false},
		{"both are refused", client.Update{Link: client.Polling, Err: full}, lost, gaugeMost + 2, false},
		{"wsd is away", client.Update{Link: client.Lost, Since: time.Unix(9, 0), Err: full}, lost, 0, true},
		{"both measure again", live, live, 0, false},
	} {
		g.take(c.first)
		g.sampled(g.links[1], c.second)
		if r := g.read(); r.refused != c.refused || r.lost() != c.away || c.refused > 0 && r.why.Code != full.Code {
			t.Errorf("%s: %d are refused because of %v; away: %v", c.name, r.refused, r.why, r.lost())
		}
	}
}

func TestASampleOfWhatHasStoppedIsDropped(t *testing.T) {
	stopped := workspace.Workspace{ID: "wa", Name: "a", State: workspace.Stopped}
	r := heardBy(t, newGauge(nil, nil, false), frameOf(t, api.FrameSnapshot, running("a")),
		frameOf(t, api.FrameState, api.Fact{Event: event.Event{Kind: event.WorkspaceState}, Workspace: &stopped}),
		frameOf(t, api.FrameSample, api.Sample{Workspace: "wa", Usage: workspace.Usage{Pids: 1}}))
	if len(r.samples) != 0 {
		t.Errorf("shown is %+v", r.samples)
	}
}

// TestStatsAreFollowedOfMoreThanOneSubscriptionMeasures runs more workspaces than wsd measures
// for one subscription.
func TestStatsAreFollowedOfMoreThanOneSubscriptionMeasures(t *testing.T) {
	h := testHost(t)
	h.env = append(h.env, "WSD_PORTS_FIRST=30000", "WSD_PORTS_LAST=30999", "WSD_GATEWAY_PER_USER=2") // a port each
	h.must(t, "daemon", "start")
	c := client.New(client.Options{Socket: h.socket})
	defer c.Close()
	const all = gaugeMost + 2
	for i := range all {
		if _, err := c.Create(t.Context(), api.Create{Name: fmt.Sprintf("w%03d", i), Image: "wsd:base"}, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"stats", "-f", "--json"}, {"top", "-n", "99", "--every", "1s", "--json"}} {
		t.Run(args[0], func(t *testing.T) {
			s, best := h.stream(t, args...), 0
			for best < all && s.lines.Scan() {
				best = max(best, strings.Count(s.lines.Text(), `"cpus":`))
			}
			if best < all {
				t.Errorf("it tells the processor of %d, want %d", best, all)
			}
		})
	}
	t.Run("a second subscription is refused", func(t *testing.T) {
		if other := h.stream(t, "events", "-f", "--frames"); !other.lines.Scan() {
			t.Fatal("nobody else is connected")
		}
		s := onTerminal(t, h, 120, 150, nil, "stats", "-f")
		s.shows("2 that run are not measured now: too many clients")
		for _, args := range [][]string{{"stats", "-f", "--json"}, {"top", "-n", "99", "--every", "1s", "--json"}} {
			s := h.stream(t, args...)
			for told := false; !told; told = strings.Contains(s.lines.Text(), `"unmeasured":`) {
				if !s.lines.Scan() {
					t.Fatalf("%s ends without a word of those that are not measured", args[0])
				}
			}
		}
	})
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
		t.Run(args[0], func(t *testing.T) {
			before := h.usages(t)
			lines := h.stream(t, args...).lines
			for range 3 {
				if !lines.Scan() || !json.Valid(lines.Bytes()) || !strings.Contains(lines.Text(), `"demo"`) {
					t.Fatalf("it wrote %s", lines.Text())
				}
			}
			if !strings.Contains(lines.Text(), `"cpus":0.0`) {
				t.Errorf("it does not tell the processor: %s", lines.Text())
			}
			if n := h.usages(t) - before; n < 1 || n > 2 { // of the first round
				t.Errorf("it asked %d times", n)
			}
		})
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
