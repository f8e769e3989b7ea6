package tui

import (
	"strings"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
)

// Columns of the form.
const (
	labelColumns = 16 // pointer, label and a space
	asideColumn  = 42 // where the note of a field begins, if it stands beside it
)

func (f *form) footer(m *Model) string {
	keys := [][2]string{{"enter", "create"}, {"ctrl+t", "check"}}
	if len(f.fields[f.at].choices) > 0 {
		keys = append(keys, [2]string{"←→", "choices"})
	}
	if f.fields[f.at].folder {
		keys = append(keys, [2]string{"tab", "complete"})
	}
	return m.fitKeys(append(keys, [2]string{"↑↓", "fields"}, [2]string{"esc", "back"}), m.width-2)
}

// view draws the fields and, always to be seen, what they come to: the equal command and
// what was said of it.
func (f *form) view(m *Model, width, height int) []string {
	head := []string{" " + m.theme.bold.paint("New workspace"), ""}
	tail := f.outcome(m, width)
	listed := 4
	most := height / 2
	if height < 12 {
		listed = 2
		head = head[:1]
		most = max(1, height/3)
	}
	if len(tail) > most {
		tail = append(tail[:most-1], tail[most-1]+"…")
	}
	var rows []string
	begin, here := 0, 0 // of the field that has the keys, and below it
	for i := range f.fields {
		lines := f.fields[i].view(m, width)
		if i == f.at && f.completion != nil && height < 12 {
			lines = lines[:1] // what there is to choose from matters more than what it is for
		}
		rows = append(rows, lines...)
		if i == f.at {
			begin = len(rows) - len(lines)
			if f.completion != nil {
				rows = append(rows, f.completion.view(m, width, listed)...)
			}
			here = len(rows)
		}
	}
	room := max(1, height-len(head)-len(tail))
	if len(rows) > room {
		top := max(0, min(here-room, begin, len(rows)-room))
		rows = rows[top : top+room]
	}
	return append(append(head, rows...), tail...)
}

// outcome is what the form comes to, or what it lacks.
func (f *form) outcome(m *Model, width int) []string {
	t := m.theme
	var lines []string
	add := func(sign, text string, colour ink) {
		for i, part := range broken(text, width-4) {
			if i > 0 {
				sign = " "
			}
			lines = append(lines, " "+sign+" "+colour.paint(render.Escape(part)))
		}
	}
	d, err := f.draft()
	switch {
	case f.verdict != "" && f.wrong:
		add("✗", f.verdict, t.bad)
	case f.verdict != "":
		add("✓", f.verdict, t.good)
	case f.busy:
		add("…", "asking wsd", t.faint)
	}
	switch {
	case err == nil:
		add("›", createLine(d), t.accent)
	case f.verdict == "":
		add("·", refusal(fault.From(err), false), t.faint)
	}
	if m.bodyHeight() >= 12 {
		lines = append([]string{""}, lines...)
	}
	return lines
}

// view is one field: its label, its value, and what is wrong with it or what it is for.
// Where that does not fit beside the value it stands below, of the field that has the keys
// and of those that are wrong.
func (x *field) view(m *Model, width int) []string {
	line := "   " + m.theme.faint.paint(cell(x.label, labelColumns-4, false)) + " "
	if x.input.focus {
		line = " ▸ " + m.theme.key.paint(cell(x.label, labelColumns-4, false)) + " "
	}
	if len(x.choices) > 0 {
		line += "‹ " + render.Escape(x.input.value()) + " ›"
	} else {
		line += x.input.view(m.theme, max(8, width-labelColumns-2))
	}
	note, colour := x.note, m.theme.faint
	err := x.wrongIn()
	if err != nil {
		note, colour = fault.From(err).Text, m.theme.bad
	}
	note = render.Escape(note)
	switch {
	case note != "" && plainWidth(line) < asideColumn && asideColumn+render.Width(note) <= width:
		return []string{pad(line, asideColumn) + colour.paint(note)}
	case note == "" || !x.input.focus && err == nil:
		return []string{cut(line, width)}
	}
	lines := []string{cut(line, width)}
	for _, part := range broken(note, width-labelColumns) {
		lines = append(lines, strings.Repeat(" ", labelColumns)+colour.paint(part))
	}
	return lines
}
