package tui

import (
	"fmt"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
)

// chooser is the question which columns the list has. What is ticked is taken at once.
type chooser struct{ at int }

// ColumnNames are the words that Options.Columns takes, in the order of the columns.
func ColumnNames() []string {
	var names []string
	for _, c := range columns() {
		names = append(names, c.word())
	}
	return names
}

// word is the title as it is typed: stops-in.
func (c column) word() string { return strings.ReplaceAll(strings.ToLower(c.title), " ", "-") }

func (m *Model) openChooser() tea.Cmd {
	m.chooser = &chooser{at: 1} // the name is always there
	return nil
}

// key takes one key. The first tick makes a choice of what is seen now.
func (c *chooser) key(m *Model, k tea.KeyMsg) tea.Cmd {
	all := ColumnNames()
	switch k.String() {
	case "esc", "enter", "q":
		m.chooser = nil
		m.sayColumns()
	case "up", "k":
		c.at = max(0, c.at-1)
	case "down", "j":
		c.at = min(len(all)-1, c.at+1)
	case "a":
		m.list.columns = nil
	case " ":
		if m.list.columns == nil {
			m.list.columns = m.shownColumns()
		}
		if i := slices.Index(m.list.columns, all[c.at]); i >= 0 && c.at > 0 {
			m.list.columns = slices.Delete(slices.Clone(m.list.columns), i, i+1)
		} else if i < 0 {
			m.list.columns = append(slices.Clone(m.list.columns), all[c.at])
		}
	}
	return nil
}

// sayColumns tells how to have the same columns again.
func (m *Model) sayColumns() {
	if m.list.columns == nil {
		m.say("·", "columns as they fit")
		return
	}
	chosen := slices.DeleteFunc(ColumnNames(), func(n string) bool { return !slices.Contains(m.list.columns, n) })
	m.say("·", "keep them with --columns "+strings.Join(chosen, ","))
}

// shownColumns are those that the list has now.
func (m *Model) shownColumns() []string {
	width, _ := m.listSize()
	var names []string
	for _, c := range m.list.fit(width) {
		names = append(names, c.word())
	}
	return names
}

func (c *chooser) view(m *Model, width, height int) []string {
	shown := m.shownColumns()
	lines := []string{" " + m.theme.bold.paint("Columns"), ""}
	if height < 10 {
		lines = lines[:1]
	}
	all := columns()
	from, to := inView(len(all), c.at, height-len(lines))
	for i, col := range all[from:to] {
		i += from
		tick, note := "[ ]", ""
		if visible := slices.Contains(shown, col.word()); visible {
			tick = "[x]"
		} else if slices.Contains(m.list.columns, col.word()) {
			tick, note = "[x]", "no room for it"
		}
		if i == 0 {
			note = "always there"
		}
		text := tick + " " + cell(col.title, 10, false) + " "
		if i == c.at {
			lines = append(lines, m.theme.chosen.paint(cell(" ▸ "+text+note, width, false)))
		} else {
			lines = append(lines, cut("   "+text+m.theme.faint.paint(note), width))
		}
	}
	return append(lines, m.moreBelow(len(all)-to)...)
}

// inView is the part of a list of n that is drawn in so many lines, with the one at in it. Of a
// list that does not fit the last line is left for moreBelow.
func inView(n, at, lines int) (from, to int) {
	if n > lines {
		lines--
	}
	lines = max(1, lines)
	from = max(0, at-lines+1)
	return min(from, n), min(from+lines, n)
}

// moreBelow is the line that says how many of a list are below it; none where there are none.
func (m *Model) moreBelow(n int) []string {
	if n <= 0 {
		return nil
	}
	return []string{m.theme.faint.paint(fmt.Sprintf("   ↓ %d more", n))}
}

func (c *chooser) footer(m *Model) string {
	return m.keys([][2]string{{"space", "tick"}, {"↑↓", "choose"}, {"a", "as they fit"}, {"esc", "done"}})
}
