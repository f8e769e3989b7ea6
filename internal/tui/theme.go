package tui

import (
	"io"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// ink is how a piece of text looks: what is written before and after it. Both are empty
// without colours, so that painting costs nothing but the copy.
type ink struct{ open, close string }

func (i ink) paint(s string) string {
	if i.open == "" || s == "" {
		return s
	}
	return i.open + s + i.close
}

// theme is the inks by their role.
type theme struct {
	name string

	plain, bold, faint  ink
	good, busy, bad     ink
	accent, key, chosen ink // chosen: the selected row, over its whole width
	title               ink
}

// ThemeNames are the themes, in the order in which one key walks through them.
func ThemeNames() []string { return []string{"16", "dark", "light", "none"} }

// shade is the colours of a theme by role; "" is the terminal's own.
type shade struct {
	good, busy, bad, accent, faint, chosen, chosenText string
	profile                                            termenv.Profile
}

// shades hold colours of the 256 (xterm) or, in "16", the terminal's own palette, which
// people have already made readable on their background.
func shades() map[string]shade {
	return map[string]shade{
		"dark":  {"114", "179", "203", "75", "245", "237", "255", termenv.ANSI256},
		"light": {"28", "130", "160", "25", "243", "253", "16", termenv.ANSI256},
		"16":    {"2", "3", "1", "6", "", "", "", termenv.ANSI},
		"none":  {profile: termenv.Ascii},
	}
}

// newTheme returns the theme of this name; an unknown one is "none".
func newTheme(name string) *theme {
	s, ok := shades()[name]
	if !ok {
		name, s = "none", shades()["none"]
	}
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(s.profile)
	ground := r.NewStyle()
	colour := func(c string) ink {
		if c == "" {
			return inkOf(ground)
		}
		return inkOf(ground.Foreground(lipgloss.Color(c)))
	}
	t := &theme{
		name: name, bold: inkOf(ground.Bold(true)), faint: colour(s.faint),
		good: colour(s.good), busy: colour(s.busy), bad: colour(s.bad), accent: colour(s.accent),
		key: inkOf(ground.Bold(true)), title: inkOf(ground.Bold(true)), chosen: inkOf(ground.Reverse(true)),
	}
	if s.faint == "" {
		t.faint = inkOf(ground.Faint(true))
	}
	if s.accent != "" {
		t.key = inkOf(ground.Foreground(lipgloss.Color(s.accent)).Bold(true))
		t.title = t.key
	}
	if s.chosen != "" {
		t.chosen = inkOf(ground.Background(lipgloss.Color(s.chosen)).Foreground(lipgloss.Color(s.chosenText)))
	}
	return t
}

// inkOf asks a style once what it writes around a text.
func inkOf(s lipgloss.Style) ink {
	before, after, _ := strings.Cut(s.Render("x"), "x")
	return ink{before, after}
}

// chooseTheme is the theme for an environment (no-color.org; COLORFGBG is set by rxvt,
// Konsole and others). Where the background is not known the sixteen colours of the
// terminal itself are right on any.
func chooseTheme(env func(string) string) string {
	switch {
	case env("NO_COLOR") != "", env("TERM") == "dumb":
		return "none"
	case !strings.Contains(env("TERM"), "256color") && env("COLORTERM") == "":
		return "16"
	}
	_, back, ok := strings.Cut(env("COLORFGBG"), ";")
	if i := strings.LastIndexByte(back, ';'); i >= 0 {
		back = back[i+1:]
	}
	switch {
	case !ok:
		return "16"
	case back == "7" || back == "15":
		return "light"
	}
	return "dark"
}

// state is the ink of a state.
func (t *theme) state(s workspace.State) ink {
	switch s {
	case workspace.Running:
		return t.good
	case workspace.Failed:
		return t.bad
	case workspace.Stopped:
		return t.faint
	}
	return t.busy
}

// of is the ink of a colour that render names by its role.
func (t *theme) of(c render.Colour) ink {
	switch c {
	case render.Good:
		return t.good
	case render.Busy:
		return t.busy
	case render.Bad:
		return t.bad
	case render.Faint:
		return t.faint
	case render.Bold:
		return t.bold
	}
	return t.plain
}
