package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// From how many columns list and detail stand side by side, and from how many lines one
// above the other.
const (
	wide = 160
	tall = 34
)

// arrangement is how list and detail share the body.
type arrangement int

const (
	alone  arrangement = iota // one of them at a time
	beside                    // the list on the left
	above                     // the list on top
)

func (m *Model) arrangement() arrangement {
	switch {
	case len(m.list.shown) == 0:
		return alone
	case m.width >= wide:
		return beside
	case m.height >= tall && m.width >= 60:
		return above
	}
	return alone
}

func (m *Model) split() bool       { return m.arrangement() != alone }
func (m *Model) listShown() bool   { return m.split() || !m.inside }
func (m *Model) detailShown() bool { return m.split() || m.inside }

// overlaid reports whether something else stands in the place of list and detail.
func (m *Model) overlaid() bool {
	return m.help || m.form != nil || m.palette != nil || m.chooser != nil
}

// listSize is the columns and lines of the list, its headings included.
func (m *Model) listSize() (cols, rows int) {
	switch m.arrangement() {
	case beside:
		return m.width * 9 / 20, m.bodyHeight()
	case above:
		return m.width, min(len(m.list.shown)+1, m.bodyHeight()/2)
	}
	return m.width, m.bodyHeight()
}

// bodyHeight is what header, state and keys leave.
func (m *Model) bodyHeight() int { return max(1, m.height-2-len(m.status())) }

// layout fits the parts into the terminal; it changes where they are looked at, so it
// belongs to Update.
func (m *Model) layout() {
	_, rows := m.listSize()
	m.list.height = max(1, rows-1)
	m.list.move(0)
	if m.list.selected() == nil {
		m.inside = false
	}
}

// View draws the frame.
func (m *Model) View() string {
	if m.width < 20 || m.height < 5 {
		return render.Fit("wsctl needs 20x5", m.width)
	}
	body := m.body()
	for len(body) < m.bodyHeight() {
		body = append(body, "")
	}
	lines := append([]string{m.header()}, body[:m.bodyHeight()]...)
	lines = append(append(lines, m.status()...), m.footer())
	return strings.Join(lines, "\n")
}

func (m *Model) body() []string {
	switch {
	case m.help:
		return m.helpView()
	case m.palette != nil:
		return m.palette.view(m, m.width, m.bodyHeight())
	case m.form != nil:
		return m.form.view(m, m.width, m.bodyHeight())
	case m.chooser != nil:
		return m.chooser.view(m, m.width, m.bodyHeight())
	case len(m.list.shown) == 0:
		lines := m.emptyView()
		for i := range lines {
			lines[i] = cut(lines[i], m.width)
		}
		return lines
	}
	cols, rows := m.listSize()
	switch m.arrangement() {
	case above:
		out := m.list.view(m, cols, rows)
		out = append(out, m.theme.faint.paint(strings.Repeat("─", m.width)))
		return append(out, m.detail.view(m, m.list.selected(), m.width, m.bodyHeight()-len(out))...)
	case beside:
		return m.besideView(cols)
	}
	if m.inside {
		return m.detail.view(m, m.list.selected(), m.width, m.bodyHeight())
	}
	return m.list.view(m, cols, rows)
}

func (m *Model) besideView(cols int) []string {
	left := m.list.view(m, cols, m.bodyHeight())
	right := m.detail.view(m, m.list.selected(), m.width-cols-2, m.bodyHeight())
	out := make([]string, m.bodyHeight())
	bar := m.theme.faint.paint("│")
	for i := range out {
		var l, r string
		if i < len(left) {
			l = left[i]
		}
		if i < len(right) {
			r = right[i]
		}
		out[i] = pad(l, cols) + " " + bar + r
	}
	return out
}

// leastFilter is the columns below which the header leaves out the filter.
const leastFilter = 4

// header counts, and tells when what is shown is not what is.
func (m *Model) header() string {
	counts := m.list.counts
	left := " " + m.theme.title.paint("wsctl") + "  " + plural(len(m.list.known), "workspace")
	if n := m.list.marks(); n > 0 {
		left += "  " + m.theme.accent.paint(fmt.Sprintf("● %d marked", n))
	}
	if n := m.listening(); n > 0 {
		left += "  " + m.theme.accent.paint("⇄ "+plural(n, "forwarded port"))
	}
	for _, s := range workspace.States() {
		if counts[s] > 0 && m.width >= 60 {
			left += "  " + m.theme.state(s).paint(fmt.Sprintf("%d %s", counts[s], s))
		}
	}
	right := m.linkText()
	if f := m.list.filter.text; f != "" {
		shown := fmt.Sprintf(" %d shown", len(m.list.shown))
		room := 30
		if right != "" { // that what is shown is old matters more
			room = min(room, m.width-plainWidth(right)-len("  /  ")-len(shown))
		}
		if room >= leastFilter {
			right = m.theme.accent.paint("/"+render.Fit(render.Escape(f), room)) + m.theme.faint.paint(shown) + suffix("  ", right)
		}
	}
	room := m.width - plainWidth(right) - 2
	if right == "" {
		return cut(left, m.width)
	}
	return cut(pad(cut(left, room), room)+" "+right, m.width)
}

// linkText is nothing while all is well.
func (m *Model) linkText() string {
	age := render.Span(max(0, m.now.Sub(m.link.Since)))
	switch {
	case !m.link.Daemon:
		return m.theme.bad.paint("✗ wsd is away, as of " + age + " ago")
	case !m.link.Engine:
		return m.theme.busy.paint("! engine is away, as of " + age + " ago")
	}
	return ""
}

// status is a question, what has just happened, or what matters about the selected one;
// one line, or two where there is a hint.
func (m *Model) status() []string {
	switch {
	case m.prompt != nil:
		return m.prompt.view(m, m.width)
	case m.toast != nil:
		return m.toastLines(m.width)
	case m.list.selected() == nil || m.overlaid() || m.inside && !m.split():
		return []string{""}
	}
	text := render.Escape(m.sentence(m.list.selected()))
	if n := len(m.list.shown); n > m.list.height {
		place := fmt.Sprintf(" %d of %d", m.list.cursor+1, n)
		text = cell(text, max(0, m.width-2-len(place)), false) + place
	}
	return []string{" " + m.theme.faint.paint(render.Fit(text, m.width-2))}
}

// sentence is one line about a workspace: what it does, or why it is as it is.
func (m *Model) sentence(r *row) string {
	w := &r.w
	switch {
	case r.stages.Current() != nil:
		return w.Name + ": " + stageText(*r.stages.Current(), m.now)
	case w.State == workspace.Running && r.act != nil:
		return w.Name + " stops " + m.stopSentence(r)
	case w.State == workspace.Running:
		return w.Name + " " + portURL(w.Port) + "  " + from(w)
	case w.Stop != nil && w.State.Settled():
		return w.Name + " " + string(w.State) + " " + render.Ago(m.now, w.Stop.Time) + ", " + stopText(*w.Stop)
	}
	return w.Name + "  " + from(w)
}

// footer is the keys that do something now.
func (m *Model) footer() string {
	if m.prompt != nil {
		text, wrong := m.prompt.aside()
		colour := m.theme.faint
		if wrong {
			colour = m.theme.busy
		}
		keys := m.keys([][2]string{{"enter", "ok"}, {"esc", "back"}}) + "  "
		if wrong && plainWidth(keys)+render.Width(text) > m.width-1 {
			keys = "" // what is wrong matters more
		}
		return cut(" "+keys+colour.paint(render.Escape(text)), m.width)
	}
	switch {
	case m.help:
		keys := [][2]string{{"any key", "back"}}
		if len(m.helpLines()) > m.bodyHeight() {
			keys = [][2]string{{"↑↓", "more"}, {"any other key", "back"}}
		}
		return cut(" "+m.keys(keys), m.width)
	case m.palette != nil:
		return cut(" "+m.keys([][2]string{{"↑↓", "choose"}, {"enter", "do it"}, {"esc", "back"}}), m.width)
	case m.form != nil:
		return cut(" "+m.form.footer(m), m.width)
	case m.chooser != nil:
		return cut(" "+m.chooser.footer(m), m.width)
	}
	var keys [][2]string
	if m.inside {
		keys = append(keys, [2]string{"esc", "list"}, [2]string{"tab", "next"})
	} else if len(m.list.shown) > 0 {
		keys = append(keys, [2]string{"enter", "look"})
	}
	return " " + m.fitKeys(append(keys, m.actionKeys()...), m.width-2)
}

// actionKeys are the actions that can be done now and have a short name: the usual ones,
// then the seldom ones, then help and quit.
func (m *Model) actionKeys() [][2]string {
	place := func(key string) int {
		switch {
		case isOneOf(key, "?q"):
			return 2
		case strings.Contains(seldom, key):
			return 1
		}
		return 0
	}
	var keys [][2]string
	for _, a := range m.usable() {
		if a.short != "" {
			keys = append(keys, [2]string{a.key, a.short})
		}
	}
	slices.SortStableFunc(keys, func(a, b [2]string) int { return cmp.Compare(place(a[0]), place(b[0])) })
	return keys
}

// usable are the actions that can be done now; of two with one key the first counts.
func (m *Model) usable() []action {
	seen := map[string]bool{}
	return slices.DeleteFunc(m.actions(), func(a action) bool {
		if seen[a.key] || !a.can(m) {
			return true
		}
		seen[a.key] = true
		return false
	})
}

// fitKeys always keeps the last two, which are help and quit.
func (m *Model) fitKeys(keys [][2]string, width int) string {
	tail := keys[max(0, len(keys)-2):]
	first := keys[:len(keys)-len(tail)]
	for {
		text := m.keys(slices.Concat(first, tail))
		if plainWidth(text) <= width || len(first) == 0 {
			return cut(text, width)
		}
		first = first[:len(first)-1]
	}
}

func (m *Model) keys(keys [][2]string) string {
	words := make([]string, len(keys))
	for i, k := range keys {
		words[i] = m.theme.key.paint(k[0]) + " " + m.theme.faint.paint(k[1])
	}
	return strings.Join(words, "  ")
}

// emptyView teaches: how to make the first one, or that the filter hides them.
func (m *Model) emptyView() []string {
	t := m.theme
	switch {
	case !m.heard && m.link.Daemon:
		return []string{"", "  " + t.faint.paint("asking wsd …")}
	case !m.heard:
		return []string{"", "  " + t.bad.paint("wsd cannot be reached."), "", "  " + render.Escape(m.link.Why), "", "  It is asked again and again. Look at: wsctl daemon logs"}
	case len(m.list.known) > 0:
		return []string{"", "  No workspace matches.", "", "  " + t.key.paint("/") + " changes the filter, " + t.key.paint("esc") + " drops it."}
	}
	return []string{
		"", "  " + t.bold.paint("No workspaces yet."), "",
		"  " + t.key.paint("n") + "  creates one, with a form", "",
		"  or from a shell:", "",
		"    " + t.accent.paint("wsctl create demo"),
		"    " + t.accent.paint("wsctl create app --git URL"),
		"    " + t.accent.paint("wsctl create here --from ."),
		"    " + t.accent.paint("wsctl tour") + "   to see how it works", "",
		"  A workspace is an isolated place with a URL of its",
		"  own. It stops by itself when nobody uses it.",
	}
}

// cut fits a painted line into width columns.
func cut(s string, width int) string { return ansi.Truncate(s, max(0, width), "…") }

// plainWidth is the columns of a painted line.
func plainWidth(s string) int { return ansi.StringWidth(s) }

// pad fills a painted line up to width.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-plainWidth(s)))
}
