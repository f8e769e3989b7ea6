package tui

import (
	"cmp"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/wsctl/wsctl/internal/render"
)

// palette is all that can be done when it is opened, found by its name.
type palette struct {
	input   input
	all     []action
	targets []*row // for which that is
	at      int
}

func (m *Model) openPalette() tea.Cmd {
	all := m.usable()
	for i, p := range Panes() {
		if m.anySelected() {
			show := func(m *Model) tea.Cmd {
				m.detail.show(p)
				m.inside = true
				return nil
			}
			all = append(all, action{key: string(rune('1' + i)), name: "show " + strings.ToLower(string(p)), can: (*Model).anySelected, run: show})
		}
	}
	all = slices.DeleteFunc(all, func(a action) bool { return a.key == ":" })
	m.palette = &palette{input: newInput(""), all: all, targets: m.list.targets()}
	return nil
}

func (m *Model) anySelected() bool { return m.list.selected() != nil }

// found are the actions whose name has every word that was typed; first those that begin
// with it, then those of which a word does.
func (p *palette) found() []action {
	typed := strings.ToLower(strings.TrimSpace(p.input.value()))
	words := strings.Fields(typed)
	found := slices.DeleteFunc(slices.Clone(p.all), func(a action) bool {
		return slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(a.name, w) })
	})
	rank := func(a action) int {
		switch {
		case strings.HasPrefix(a.name, typed):
			return 0
		case strings.Contains(a.name, " "+typed):
			return 1
		}
		return 2
	}
	slices.SortStableFunc(found, func(a, b action) int { return cmp.Compare(rank(a), rank(b)) })
	return found
}

func (p *palette) key(m *Model, k tea.KeyMsg) tea.Cmd {
	found := p.found()
	switch k.String() {
	case "esc":
		m.palette = nil
	case "up", "ctrl+p":
		p.at = max(0, p.at-1)
	case "down", "ctrl+n":
		p.at = max(0, min(len(found)-1, p.at+1))
	case "enter":
		m.palette = nil
		if p.at < len(found) {
			return p.do(m, found[p.at])
		}
	default:
		p.input.key(k)
		p.at = 0
	}
	return nil
}

// do runs an action for what was chosen when the palette was opened, and for nothing else.
func (p *palette) do(m *Model, a action) tea.Cmd {
	if !slices.Equal(p.targets, m.list.targets()) {
		m.say("·", "not now: "+a.name+", because what was chosen has changed")
		return nil
	}
	return m.do(a)
}

func (p *palette) view(m *Model, width, height int) []string {
	out := []string{" " + m.theme.key.paint(":") + " " + p.input.view(m.theme, max(4, width-6)), ""}
	found := p.found()
	from, to := inView(len(found), p.at, height-len(out))
	for i, a := range found[from:to] {
		text := cell(a.key, 6, false) + " " + a.name
		if from+i == p.at {
			out = append(out, m.theme.chosen.paint(cell(" ▸ "+text, width, false)))
		} else {
			out = append(out, "   "+m.theme.key.paint(cell(a.key, 6, false))+" "+render.Fit(a.name, width-10))
		}
	}
	out = append(out, m.moreBelow(len(found)-to)...)
	if len(found) == 0 {
		out = append(out, m.theme.faint.paint("   nothing that can be done now has that name"))
	}
	return out
}

// helpKey scrolls the help; any other key ends it.
func (m *Model) helpKey(name string) {
	step := map[string]int{"up": -1, "k": -1, "down": 1, "j": 1, "pgup": -m.bodyHeight(), "pgdown": m.bodyHeight(), " ": m.bodyHeight()}[name]
	if step == 0 {
		m.help = false
	}
	m.helpTop = max(0, min(m.helpTop+step, len(m.helpLines())-m.bodyHeight()))
}

// helpView is the part of the help that fits.
func (m *Model) helpView() []string {
	lines := m.helpLines()
	return lines[min(m.helpTop, max(0, len(lines)-m.bodyHeight())):]
}

// helpLines list the keys that work now, in two columns where there is room.
func (m *Model) helpLines() []string {
	moves := [][2]string{
		{"↑ ↓ j k", "move"},
		{"pgup pgdn", "move by a page"},
		{"g G", "first, last"},
		{"enter →", "look at one"},
		{"esc ←", "back"},
		{"tab", "next pane"},
		{"1 to 8", "overview, logs, ... spec"},
	}
	var rows [][2]string
	for _, a := range m.usable() {
		rows = append(rows, [2]string{a.key, a.name})
	}
	rows = slices.Concat(rows, moves)
	per := len(rows)
	columns, width := 1, m.width-2
	if m.width >= 76 {
		columns, width = 2, m.width/2-2
		per = (len(rows) + 1) / 2
	}
	out := []string{" " + m.theme.bold.paint("What works now")}
	for i := range per {
		line := " "
		for c := range columns {
			if j := c*per + i; j < len(rows) {
				text := render.Fit(rows[j][1], width-12)
				line += pad(m.theme.key.paint(cell(rows[j][0], 10, false))+" "+text, width) + " "
			}
		}
		out = append(out, strings.TrimRight(line, " "))
	}
	for _, note := range []string{
		"A filter is words that must all fit: state:running, label:team=web, level:idle, owner:1000, or a part of a name; -word turns one round.",
	} {
		out = append(out, "")
		for _, part := range broken(note, m.width-3) {
			out = append(out, " "+m.theme.faint.paint(part))
		}
	}
	return out
}
