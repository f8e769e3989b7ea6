package tui

import (
	"slices"
	"strconv"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/wsctl/wsctl/internal/workspace"
)

// takeKeys takes what was typed. Characters that came together, as over a slow line, are
// keys one by one. What was pasted is for a field, and never for the actions. What was typed
// ahead for a visit comes too early for that and is dropped: here it would be other actions.
func (m *Model) takeKeys(k tea.KeyMsg) tea.Cmd {
	switch {
	case m.visiting:
		return nil
	case k.Paste && m.prompt == nil && m.form == nil && m.palette == nil:
		return nil
	case k.Paste || k.Type != tea.KeyRunes || k.Alt:
		return m.handleKey(k)
	}
	var cmds []tea.Cmd
	for _, r := range k.Runes {
		one := tea.Key{Type: tea.KeyRunes, Runes: []rune{r}}
		if r == ' ' {
			one.Type = tea.KeySpace
		}
		if cmds = append(cmds, m.handleKey(tea.KeyMsg(one))); m.visiting {
			break
		}
	}
	return tea.Batch(cmds...)
}

// handleKey gives a key to whatever has the floor: a question, the form, the palette, the
// help, and else to moving about and to the actions.
func (m *Model) handleKey(k tea.KeyMsg) tea.Cmd {
	switch {
	case m.prompt != nil:
		return m.prompt.key(m, k)
	case k.String() == "ctrl+c":
		m.quit = true
		return nil
	case m.form != nil:
		return m.form.key(m, k)
	case m.palette != nil:
		return m.palette.key(m, k)
	case m.chooser != nil:
		return m.chooser.key(m, k)
	case m.help:
		m.helpKey(k.String())
		return nil
	}
	name := k.String()
	if name == " " {
		name = "space"
	}
	all := slices.Concat(m.usable(), m.actions())
	if i := slices.IndexFunc(all, func(a action) bool { return a.key == name }); i >= 0 {
		return m.do(all[i])
	}
	m.navigate(name)
	return nil
}

// do runs an action, or says why it cannot be done now.
func (m *Model) do(a action) tea.Cmd {
	if !a.can(m) {
		name, _, _ := strings.Cut(a.name, ":") // without what it is good for
		m.say("·", "not now: "+name+suffix(", because ", m.hindrance(a.key)))
		return nil
	}
	return a.run(m)
}

// hindrance is why what a key does cannot be done now; "" where that is not told in a few
// words.
func (m *Model) hindrance(key string) string {
	r := m.list.selected()
	switch {
	case !m.listShown() && (key == "space" || isOneOf(key, "/aoOC")):
		return "it is for the list"
	case !m.link.Daemon && isOneOf(key, needsWsd):
		return "wsd is away"
	case !m.link.Engine && isOneOf(key, "strpPdn"):
		return "the engine is away"
	case r == nil:
		return "no workspace is chosen"
	case m.list.marks() > 0 && isOneOf(key, "xuvyYXFUHm"):
		return "it is for one workspace and " + strconv.Itoa(m.list.marks()) + " are marked"
	case key == "H":
		return "no hold of it is seen; 1 shows those that there are"
	case m.link.Names == "" && isOneOf(key, "vY"):
		return "workspaces are not served by name"
	case r.w.State == workspace.Running && isOneOf(key, "eh"):
		return "nothing is known of its use yet"
	case m.list.marks() == 0 && isOneOf(key, "strpPxXFeh"):
		return r.w.Name + " is " + string(r.w.State)
	}
	return ""
}

// isOneOf reports whether key is a letter of letters.
func isOneOf(key, letters string) bool { return len(key) == 1 && strings.Contains(letters, key) }

// navigate moves about. In the detail the same keys scroll.
func (m *Model) navigate(name string) {
	if i := slices.Index([]string{"1", "2", "3", "4", "5", "6", "7", "8"}, name); i >= 0 && m.list.selected() != nil {
		m.detail.show(Panes()[i])
		m.inside = true
		return
	}
	page := m.list.height - 1
	if m.inside {
		page = m.detail.room - 1
	}
	page = max(1, page)
	switch name {
	case "up", "k":
		m.step(-1)
	case "down", "j":
		m.step(1)
	case "pgup", "ctrl+b":
		m.step(-page)
	case "pgdown", "ctrl+f":
		m.step(page)
	case "ctrl+u":
		m.step(-page / 2)
	case "ctrl+d":
		m.step(page / 2)
	case "home", "g":
		m.step(-1 << 30)
	case "end", "G":
		m.step(1 << 30)
	case "enter", "right":
		if m.list.selected() != nil {
			m.inside = true
		}
	case "left":
		m.inside = false
	case "tab":
		m.turn(1)
	case "shift+tab":
		m.turn(-1)
	case "esc":
		m.escape()
	}
}

// step moves the cursor, or scrolls what the keys are for.
func (m *Model) step(n int) {
	switch {
	case !m.inside:
		m.list.move(n)
	case m.detail.pane == Logs:
		m.detail.logs.move(n)
	default:
		m.detail.scroll = max(0, m.detail.scroll+n)
		if n >= 1<<30 {
			m.detail.scroll = 1 << 20 // the view knows how long the pane is
		}
	}
}

// turn shows the next pane.
func (m *Model) turn(n int) {
	if m.list.selected() == nil {
		return
	}
	i := slices.Index(Panes(), m.detail.pane)
	if m.inside || m.split() {
		i = (i + n + len(Panes())) % len(Panes())
	}
	m.detail.show(Panes()[i])
	m.inside = true
}

// escape takes back one thing: the detail, a failure that is told, the marks, the filter.
func (m *Model) escape() {
	failed := m.toast != nil && m.toast.bad // that is what it is meant for; good news goes by itself
	switch {
	case m.inside:
		m.inside = false
	case failed:
		m.toast = nil
	case m.list.marks() > 0:
		m.list.mark(false)
	case m.list.filter.text != "":
		m.list.setFilter(filter{})
	}
}

// handleMouse: the wheel moves, a click chooses, a click on what is chosen enters it.
func (m *Model) handleMouse(e tea.MouseMsg) tea.Cmd {
	if m.prompt != nil || m.overlaid() {
		return nil
	}
	cols, rows := m.listSize()
	overList := m.listShown() && e.X < cols && e.Y <= rows
	switch {
	case e.Button == tea.MouseButtonWheelUp, e.Button == tea.MouseButtonWheelDown:
		n := 3
		if e.Button == tea.MouseButtonWheelUp {
			n = -3
		}
		was := m.inside
		m.inside = !overList
		m.step(n)
		m.inside = was
	case e.Action != tea.MouseActionPress || e.Button != tea.MouseButtonLeft:
	case overList:
		m.clickRow(e.Y - 2) // below the header and the headings
	case m.detailShown() && e.Y == m.tabsLine():
		x := e.X
		if m.arrangement() == beside {
			x -= cols + 2
		}
		if p := m.detail.tabAt(x); p != "" {
			m.detail.show(p)
			m.inside = true
		}
	}
	return nil
}

// tabsLine is the line of the terminal on which the tabs are.
func (m *Model) tabsLine() int {
	if m.arrangement() == above {
		_, rows := m.listSize()
		return rows + 3
	}
	return 2
}

func (m *Model) clickRow(line int) {
	i := m.list.top + line
	if line < 0 || line >= m.list.height || i >= len(m.list.shown) {
		return
	}
	m.inside = i == m.list.cursor
	m.list.move(i - m.list.cursor)
}
