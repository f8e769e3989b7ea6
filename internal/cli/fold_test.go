package cli

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/render"
)

func TestLinesAreFoldedBelowTheirDescription(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"  short  is left alone\n", "  short  is left alone\n"},
		{"  3    not found, nor anything that is like it\n", "  3    not found, nor anything that is\n       like it\n"},
		{"      --a-long-flag NAME   what it is for\n", "      --a-long-flag NAME\n        what it is for\n"},
		{"  only a description, without a name before it\n", "  only a description, without a name\n  before it\n"},
	} {
		if got := fold(c.text, 40); got != c.want {
			t.Errorf("%q is folded to %q, want %q", c.text, got, c.want)
		}
		if got := fold(c.text, 0); got != c.text {
			t.Errorf("without a width %q is folded to %q", c.text, got)
		}
	}
}

func TestParagraphsAreReflowed(t *testing.T) {
	text := "One sentence that is\nbroken. Another.\n\n  kept = as it is, however long the line may be\n\nThe end."
	want := "One sentence that is broken.\nAnother.\n\n  kept = as it is, however long the line may be\n\nThe end."
	if got := reflow(text, 30); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// No help is wider than a terminal, and none lacks a word for it. Examples are not broken.
func TestHelpFitsTheTerminal(t *testing.T) {
	for _, width := range []int{40, 60, 80, 100} {
		for _, cmd := range commandTree(wholeTree()) {
			_ = helpText(cmd, 0) // cobra gathers flags while it is asked for the first time
			whole, got := helpText(cmd, 0), helpText(cmd, width)
			if !slices.Equal(strings.Fields(whole), strings.Fields(got)) {
				t.Errorf("%s in %d columns says something else:\n%s", cmd.CommandPath(), width, got)
			}
			part := "" // its title; what is indented before the first is kept
			for line := range strings.Lines(got) {
				if line = strings.TrimSuffix(line, "\n"); line != "" && line == strings.ToUpper(line) {
					part = line
				}
				broken := part != "" && part != "EXAMPLES" && part != "USAGE" && strings.HasPrefix(line, " ") || part == "" && !strings.HasPrefix(line, " ")
				if broken && render.Width(line) > width && !unbreakable(line, width) {
					t.Errorf("%s in %d columns: %q", cmd.CommandPath(), width, line)
				}
			}
		}
	}
}

// unbreakable reports whether one word stands alone where the description begins, as near to
// the left as that may be.
func unbreakable(line string, width int) bool {
	name, about := described(line)
	return len(strings.Fields(about)) == 1 && (strings.TrimSpace(name) == "" || width-len(name) >= foldRoom)
}

func TestHelpOnANarrowTerminalIsFolded(t *testing.T) {
	h := testHost(t)
	s := onTerminal(t, h, 60, 50, nil, "jobs", "--help")
	if status := s.ends(); status != 0 {
		t.Fatalf("status %d: %s", status, s)
	}
	for _, line := range strings.Split(s.String(), "\r\n") {
		if render.Width(line) > 60 {
			t.Error(fmt.Sprintf("a line of %d columns: ", render.Width(line)), line)
		}
	}
}
