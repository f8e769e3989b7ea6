package tui

import (
	"fmt"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/wsctl/wsctl/internal/render"
)

// folderColumn bounds the columns of a name that is listed below a field.
const folderColumn = 24

// completion is the folders, two or more, that a beginning of a path may become.
type completion struct {
	found []string // as they would be typed
	at    int      // the one that stands in the field; -1: none
}

type foldersMsg struct {
	text  string // what they begin with
	found []string
}

// complete is tab in a field for a folder: it asks for those that begin as typed or, where
// they are listed, puts the next one into the field, with -1 the one before.
func (f *form) complete(m *Model, step int) tea.Cmd {
	x := &f.fields[f.at]
	if c := f.completion; c != nil {
		if c.at < 0 && step < 0 {
			c.at = 0
		}
		c.at = (c.at + step + len(c.found)) % len(c.found)
		x.input.set(c.found[c.at])
		return f.askFolder(m)
	}
	if step < 0 {
		f.focus(f.at - 1)
		return nil
	}
	text, source := x.input.value(), m.source
	return func() tea.Msg {
		return foldersMsg{text, source.Folders(text)}
	}
}

// takeFolders completes as far as that is certain. Where nothing can be completed tab goes on
// to the next field, as everywhere else.
func (f *form) takeFolders(m *Model, msg foldersMsg) tea.Cmd {
	x := &f.fields[f.at]
	if !x.folder || x.input.value() != msg.text {
		return nil // something else was typed meanwhile
	}
	switch len(msg.found) {
	case 0:
		f.focus(f.at + 1)
		return nil
	case 1:
		x.input.set(msg.found[0] + "/")
	default:
		f.completion = &completion{found: msg.found, at: -1}
		if same := commonBeginning(msg.found); len(same) > len(msg.text) {
			x.input.set(same)
		}
	}
	return f.askFolder(m)
}

// commonBeginning is the text with which all of words, which are in order, begin.
func commonBeginning(words []string) string {
	first, last := []rune(words[0]), []rune(words[len(words)-1])
	n := 0
	for n < min(len(first), len(last)) && first[n] == last[n] {
		n++
	}
	return string(first[:n])
}

// view lists the names of the folders in columns and at most so many rows below their field,
// with the one that stands in it.
func (c *completion) view(m *Model, width, rows int) []string {
	names := make([]string, len(c.found))
	wide := 0
	for i, path := range c.found {
		names[i] = render.Escape(path[strings.LastIndexByte(path, '/')+1:])
		wide = min(max(wide, render.Width(names[i])), folderColumn)
	}
	wide += 3 // the pointer and a space between
	across := max(1, (width-labelColumns)/wide)
	from := 0
	for c.at >= from+across*rows {
		from += across * rows
	}
	var lines []string
	for row := range slices.Chunk(names[from:min(len(names), from+across*rows)], across) {
		line := strings.Repeat(" ", labelColumns-2)
		for i, name := range row {
			text, colour := "  "+name, m.theme.faint
			if from+len(lines)*across+i == c.at {
				text, colour = "▸ "+name, m.theme.key
			}
			line += colour.paint(cell(text, wide-1, false)) + " "
		}
		lines = append(lines, cut(line, width))
	}
	if rest := len(names) - from - across*rows; rest > 0 {
		lines = append(lines, strings.Repeat(" ", labelColumns)+m.theme.faint.paint(fmt.Sprintf("… %d more", rest)))
	}
	return lines
}
