package fault

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestStatusOfAKindLeadsBackToIt(t *testing.T) {
	seen := map[int]Kind{}
	for _, k := range Kinds() {
		if k == Usage {
			continue // never on the wire
		}
		status := ClassOf(k).HTTP
		if other, taken := seen[status]; taken {
			t.Errorf("%s and %s share status %d", k, other, status)
		}
		seen[status] = k
		if back := KindOfStatus(status); back != k {
			t.Errorf("status %d of %s leads back to %s", status, k, back)
		}
	}
	if KindOfStatus(418) != Invalid || KindOfStatus(502) != Internal {
		t.Error("unknown statuses are not told apart by their class")
	}
	if len(Kinds()) != len(classes) {
		t.Errorf("%d kinds are listed, %d have a class", len(Kinds()), len(classes))
	}
}

func TestFromKeepsWhatIsKnown(t *testing.T) {
	known := New(NotFound, "x", "no x").WithHint("make one")
	for _, c := range []struct {
		what string
		err  error
		kind Kind
	}{
		{"a fault inside of a wrapper", fmt.Errorf("cannot y: %w", known), NotFound},
		{"a deadline", fmt.Errorf("cannot y: %w", context.DeadlineExceeded), Timeout},
		{"an interruption", context.Canceled, Interrupted},
		{"anything else", errors.New("secret of the host"), Internal},
	} {
		f := From(c.err)
		if f.Kind != c.kind {
			t.Errorf("%s becomes %s", c.what, f.Kind)
		}
		if c.kind == Internal && f.Text == c.err.Error() {
			t.Errorf("%s is shown raw", c.what)
		}
	}
	if From(nil) != nil {
		t.Error("nothing becomes something")
	}
}

func TestWithLeavesTheOriginalAlone(t *testing.T) {
	e := New(Invalid, "x", "x").WithField("/a", "a", "")
	_ = e.WithField("/b", "b", "")
	_ = e.WithHint("h")
	if len(e.Fields) != 1 || e.Hint != "" {
		t.Errorf("the original changed: %+v", e)
	}
}
