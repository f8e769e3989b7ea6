package tui

import (
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
)

func TestLinesThatArePastedIntoAFieldAreApart(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...).keys("/")
	d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("state:run\nlabel:team\x1b[2J\ttier"), Paste: true})
	if got := d.prompt.input.value(); got != "state:run label:team[2J tier" {
		t.Errorf("typed is %q", got)
	}
}

func TestAFieldShowsThatItsBeginningIsCutOff(t *testing.T) {
	in := newInput(strings.Repeat("0123456789", 3))
	if got := in.view(newTheme("none"), 12); got != "…123456789▏" || plainWidth(got) > 12 {
		t.Errorf("%q", got)
	}
	in.set("0123456")
	if got := in.view(newTheme("none"), 12); got != "0123456▏" {
		t.Errorf("%q", got)
	}
}
