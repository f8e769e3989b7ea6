package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestTheTour(t *testing.T) {
	h := newHouse(t)
	out := h.ok("tour")
	for _, want := range []string{"$ wsctl create tour", "hello from tour", "It stops in", "tour is held", "tour is stopped", "tour is deleted", "That was the tour."} {
		if !strings.Contains(out, want) {
			t.Errorf("the tour never says %q:\n%s", want, out)
		}
	}
	lines := strings.Split(strings.TrimSpace(h.ok("tour", "--json", "--name", "other")), "\n")
	for i, line := range lines {
		var step struct {
			Step, Of, Status int
			Command          string
		}
		if err := json.Unmarshal([]byte(line), &step); err != nil || step.Step != i+1 || step.Of != len(lines) || step.Status != 0 || step.Command == "" {
			t.Errorf("step %d is %s: %v", i+1, line, err)
		}
	}
	if left := h.ok("list", "-q"); left != "" {
		t.Errorf("the tours left %q", left)
	}
}

func TestATourThatIsEndedEarlyCleansUp(t *testing.T) {
	h := newHouse(t)
	m := h.terminal()
	m.types("wsctl tour")
	m.shows("enter goes on")
	if left := h.ok("list", "-q"); left != "tour\n" {
		t.Errorf("the tour made %q", left)
	}
	m.do("send-keys", "-t", "x", "C-c")
	m.shows("deleting the workspace of the tour")
	m.shows("interrupted")
	if left := h.ok("list", "-q"); left != "" {
		t.Errorf("the tour left %q", left)
	}
}

func TestATourThatFailsSaysSoAndCleansUp(t *testing.T) {
	h := newHouse(t, "WSD_ACTIVITY_MAX_HOLD=5m")
	out, errs, status := h.Wsctl("tour")
	if status == 0 || !strings.Contains(errs, "the tour ends here: step 5 of 9") || strings.Contains(out, "That was the tour") {
		t.Errorf("a hold that is refused ends the tour with %d: %s%s", status, out, errs)
	}
	if left := h.ok("list", "-q"); left != "" {
		t.Errorf("the tour left %q", left)
	}
	kept := h.create("tour")
	if out, errs, status := h.Wsctl("tour"); status != 4 || !strings.Contains(errs, "name_taken") {
		t.Errorf("a taken name ends with %d: %s%s", status, out, errs)
	}
	if got := h.ok("show", "tour", "--json"); !strings.Contains(got, kept.ID) {
		t.Errorf("the workspace of somebody else is now %s", got)
	}
}
