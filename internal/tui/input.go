package tui

import (
	"slices"
	"strings"
	"unicode"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/wsctl/wsctl/internal/render"
)

// maxInput bounds what can be typed into one field, in characters: a path (Linux's PATH_MAX),
// which is more than the address of a repository may have.
const maxInput = 4096

// input is one line that is typed. It is our own because the one of bubbles looks for
// clipboard programs in PATH while the program is loaded, so in every `wsctl list` too.
type input struct {
	text  []rune
	at    int
	focus bool
}

func newInput(text string) input {
	r := []rune(text)
	return input{text: r, at: len(r), focus: true}
}

func (in *input) value() string { return string(in.text) }

func (in *input) set(s string) {
	in.text = []rune(s)
	in.at = len(in.text)
}

// key takes one key, with the usual ones of a shell's line.
func (in *input) key(k tea.KeyMsg) {
	switch k.String() {
	case "left", "ctrl+b":
		in.at = max(0, in.at-1)
	case "right", "ctrl+f":
		in.at = min(len(in.text), in.at+1)
	case "home", "ctrl+a":
		in.at = 0
	case "end", "ctrl+e":
		in.at = len(in.text)
	case "backspace", "ctrl+h":
		in.remove(in.at-1, in.at)
	case "delete", "ctrl+d":
		in.remove(in.at, in.at+1)
	case "ctrl+u":
		in.remove(0, in.at)
	case "ctrl+k":
		in.remove(in.at, len(in.text))
	case "ctrl+w", "alt+backspace":
		in.remove(in.wordStart(), in.at)
	default:
		if k.Type == tea.KeyRunes || k.Type == tea.KeySpace {
			in.insert(k.Runes)
		}
	}
}

// insert takes what can be seen; the ends of pasted lines and tabs become spaces.
func (in *input) insert(runes []rune) {
	runes = slices.Clone(runes)
	for i, r := range runes {
		if r == '\n' || r == '\r' || r == '\t' {
			runes[i] = ' '
		}
	}
	runes = slices.DeleteFunc(runes, func(r rune) bool { return !unicode.IsPrint(r) })
	runes = runes[:min(len(runes), maxInput-min(maxInput, len(in.text)))]
	in.text = slices.Insert(in.text, in.at, runes...)
	in.at += len(runes)
}

func (in *input) remove(from, to int) {
	from, to = max(0, from), min(len(in.text), to)
	if from < to {
		in.text = slices.Delete(in.text, from, to)
		in.at = from
	}
}

func (in *input) wordStart() int {
	i := in.at
	for i > 0 && in.text[i-1] == ' ' {
		i--
	}
	for i > 0 && in.text[i-1] != ' ' {
		i--
	}
	return i
}

// view draws the part around the cursor in at most width columns; "…" stands where more is
// cut off. The cursor is a block, without colours a bar before the character.
func (in *input) view(t *theme, width int) string {
	if !in.focus {
		return render.Fit(string(in.text), width)
	}
	from, mark := max(0, in.at-4*width), "" // as if each column had at most four
	if from > 0 {
		mark = "…"
	}
	for from < in.at && render.Width(mark+string(in.text[from:in.at])) > width-2 {
		from, mark = from+1, "…"
	}
	before, here, after := mark+string(in.text[from:in.at]), " ", ""
	if in.at < len(in.text) {
		here, after = string(in.text[in.at]), string(in.text[in.at+1:])
	}
	if t.chosen.open == "" {
		here = "▏" + strings.TrimSuffix(here, " ")
	} else {
		here = "\x1b[7m" + here + "\x1b[27m" // reverse video (ECMA-48), in every theme with colours
	}
	return before + here + render.Fit(after, max(0, width-render.Width(before)-1))
}
