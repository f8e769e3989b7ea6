package workspace

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite golden files and generated parts of documents")

func TestEveryPairIsAllowedOrRefusedWithBothNames(t *testing.T) {
	for _, s := range States() {
		for _, tr := range Triggers() {
			next, err := s.On(tr)
			if err == nil {
				if !next.Valid() {
					t.Errorf("%s on %s leads to %q, which is no state", s, tr, next)
				}
				continue
			}
			if next != s {
				t.Errorf("%s on %s is refused but gives %s", s, tr, next)
			}
			if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), string(s)) || !strings.Contains(err.Error(), string(tr)) {
				t.Errorf("%s on %s: the error %q does not name both", s, tr, err)
			}
		}
	}
}

func TestDeleteIsAllowedFromEveryState(t *testing.T) {
	for _, s := range States() {
		if next, err := s.On(DeleteAsked); err != nil || next != Deleting {
			t.Errorf("%s on %s gives %s, %v", s, DeleteAsked, next, err)
		}
	}
}

func TestEveryStateCanBeReachedAndLeft(t *testing.T) {
	reached := map[State]bool{Creating: true}
	for range States() {
		for s := range reached {
			for _, tr := range Triggers() {
				if next, err := s.On(tr); err == nil {
					reached[next] = true
				}
			}
		}
	}
	for _, s := range States() {
		if !reached[s] {
			t.Errorf("%s cannot be reached", s)
		}
		if len(transitions[s]) == 0 {
			t.Errorf("%s cannot be left", s)
		}
	}
}

func TestNoSequenceRunsAgainWithoutAStart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, began := Stopped, false
		for range 30 {
			tr := rapid.SampledFrom(Triggers()).Draw(t, "trigger")
			next, err := s.On(tr)
			if err != nil {
				continue
			}
			began = began || tr == StartAsked || tr == SeenRunning
			if next == Running && !began {
				t.Fatalf("%s on %s runs without having been started", s, tr)
			}
			if next == Stopped || next == Failed {
				began = false
			}
			s = next
		}
	})
}

func TestStateRefusesAWordThatIsNone(t *testing.T) {
	var s State
	if err := s.UnmarshalText([]byte("sleeping")); !fault.HasCode(err, "state_unknown") {
		t.Errorf("got %v", err)
	}
	if err := s.UnmarshalText([]byte("paused")); err != nil || s != Paused {
		t.Errorf("got %s, %v", s, err)
	}
}

func TestDiagramInDocumentsIsTheTable(t *testing.T) {
	const path, begin, end = "../../docs/architecture.md", "<!-- states:begin -->\n", "<!-- states:end -->"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(b), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the diagram between %q and %q", path, begin, end)
	}
	want := head + begin + Diagram() + end + tail
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(b) != want {
		t.Errorf("the state diagram in %s is not the table's; run `make generate`", path)
	}
}
