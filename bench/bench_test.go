package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
)

func TestAFigureIsTheMedianWithLeastAndGreatest(t *testing.T) {
	for name, row := range map[string]struct {
		samples []float64
		want    Figure
	}{
		"one":  {[]float64{7}, Figure{7, 7, 7, 1, "ms"}},
		"odd":  {[]float64{9, 1, 2}, Figure{2, 1, 9, 3, "ms"}},
		"even": {[]float64{4, 100, 1, 2}, Figure{3, 1, 100, 4, "ms"}},
	} {
		if got := *figure("ms", row.samples); got != row.want {
			t.Errorf("%s: got %+v, want %+v", name, got, row.want)
		}
	}
}

func TestTheSlowestIsWhatOneInAHundredExceeds(t *testing.T) {
	var samples []float64
	for i := range 200 {
		samples = append(samples, float64(200-i))
	}
	if f := slowest("ms", samples); f.Median != 198 || f.Max != 200 {
		t.Errorf("of 1 to 200: %+v", f)
	}
	if f := slowest("ms", []float64{5, 7}); f.Median != 7 {
		t.Errorf("of two: %+v", f)
	}
}

func TestSamplesAreTakenInTurnsAndEveryOtherTimeBackwards(t *testing.T) {
	var order []string
	note := func(name string) act {
		return act{timed: func(context.Context) error { order = append(order, name); return nil }}
	}
	if _, err := interleave(t.Context(), 3, note("a"), note("b"), note("c")); err != nil {
		t.Fatal(err)
	}
	if want := strings.Split("abccbaabc", ""); !slices.Equal(order, want) {
		t.Errorf("got %v, want %v", order, want)
	}
}

func TestAFailedSampleIsCleanedUpAndEndsTheSeries(t *testing.T) {
	boom, cleaned, begun := errors.New("boom"), 0, 0
	_, err := interleave(t.Context(), 5, act{
		timed: func(context.Context) error { begun++; return boom },
		after: func(context.Context) error { cleaned++; return nil },
	})
	if !errors.Is(err, boom) || begun != 1 || cleaned != 1 {
		t.Errorf("got %v after %d samples and %d clean-ups", err, begun, cleaned)
	}
}

func TestARowTellsWhetherItsGoalIsMet(t *testing.T) {
	fig := func(v float64) *Figure { return figure("ms", []float64{v}) }
	for name, row := range map[string]struct {
		got  Row
		want bool
	}{
		"a ratio at its goal":    {against("x", fig(6), fig(10), 0.6), true},
		"a ratio above its goal": {against("x", fig(7), fig(10), 0.6), false},
		"a value below":          {below("x", fig(39), 40), true},
		"a value at the bound":   {below("x", fig(40), 40), false},
	} {
		if *row.got.Met != row.want {
			t.Errorf("%s: met is %t (%+v)", name, *row.got.Met, row.got)
		}
	}
	var table strings.Builder
	if err := show(&table, false, []Row{against("x", fig(7), fig(10), 0.6), {What: "y", Error: "two\nlines"}}); err != nil {
		t.Fatal(err)
	}
	if text := table.String(); !strings.Contains(text, "MISSED") || !strings.Contains(text, "not measured: two lines") {
		t.Errorf("the table lacks something:\n%s", text)
	}
}

func TestARangeOfPortsBeginsAboveWhatIsTaken(t *testing.T) {
	free, err := freePorts(memoryPorts)
	if err != nil {
		t.Fatal(err)
	}
	held, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", free+500))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	next, err := freePorts(free)
	if err != nil || next <= free+500 {
		t.Errorf("port %d is taken; the range begins at %d (%v)", free+500, next, err)
	}
	if got, err := freePorts(lastPort - 10); err == nil {
		t.Errorf("a range of %d ports from %d is said to be free", portCount, got)
	}
}

func TestTheHeapOfADriverGrowsWithItsWorkspaces(t *testing.T) {
	var list api.WorkspaceList
	for i := range 400 {
		list.Workspaces = append(list.Workspaces, storedWorkspace(i, time.Now()))
	}
	all, err := driverHeap(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	list.Workspaces = list.Workspaces[:100]
	few, err := driverHeap(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	for name, kb := range map[string]float64{"400": all.Median * 1000 / 400, "the first hundred": few.Median * 1000 / 100, "the others": (all.Median - few.Median) * 1000 / 300} {
		if kb < 0.5 || kb > 20 {
			t.Errorf("%s: %.2f KB for each", name, kb)
		}
	}
}
