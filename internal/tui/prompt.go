package tui

import (
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// inputRoom is the columns that an answer has at least beside its question.
const inputRoom = 16

// prompt is a question of one line above the footer.
type prompt struct {
	title string
	input input
	// check says what is wrong with an answer; it is shown while typing. May be nil.
	check func(string) error
	live  func(m *Model, text string)         // with every change; may be nil
	enter func(m *Model, text string) tea.Cmd // with the answer
	leave func(m *Model)                      // where it is taken back; may be nil
	line  func(text string) string            // the equal command; may be nil

	refused bool // an answer was; so the aside tells even of nothing what is wrong with it
}

func (m *Model) ask(p prompt, text string) tea.Cmd {
	p.input = newInput(text)
	m.prompt = &p
	return nil
}

func (p *prompt) key(m *Model, k tea.KeyMsg) tea.Cmd {
	switch k.String() {
	case "esc", "ctrl+c":
		m.prompt = nil
		if p.leave != nil {
			p.leave(m)
		}
		return nil
	case "enter":
		text := strings.TrimSpace(p.input.value())
		if p.check != nil {
			if p.refused = p.check(text) != nil; p.refused {
				return nil // the aside says why
			}
		}
		m.prompt = nil
		return p.enter(m, text)
	}
	p.input.key(k)
	if p.live != nil {
		p.live(m, p.input.value())
	}
	return nil
}

// view is the question and what is typed: on one line, or below each other where the
// question alone fills one and there are lines to spare.
func (p *prompt) view(m *Model, width int) []string {
	title := render.Escape(p.title)
	if render.Width(title) > width-inputRoom && m.height > 8 {
		var lines []string
		for _, part := range broken(title, width-2) {
			lines = append(lines, " "+m.theme.key.paint(part))
		}
		return append(lines, " ▸ "+p.input.view(m.theme, max(4, width-4)))
	}
	title = " " + render.Fit(title, max(8, width-inputRoom)) + " "
	return []string{m.theme.key.paint(title) + p.input.view(m.theme, max(4, width-render.Width(title)-2))}
}

// aside is what stands below the question: what is wrong, or the equal command.
func (p *prompt) aside() (text string, wrong bool) {
	text = strings.TrimSpace(p.input.value())
	if p.check != nil && (text != "" || p.refused) {
		if err := p.check(text); err != nil {
			return refusal(fault.From(err), false), true
		}
	}
	if p.line != nil {
		return p.line(text), false
	}
	return "", false
}

func (m *Model) askFilter() tea.Cmd {
	before := m.list.filter
	apply := func(m *Model, text string) {
		m.list.setFilter(parseFilter(text))
	}
	return m.ask(prompt{
		title: "filter:", live: apply,
		enter: func(m *Model, text string) tea.Cmd { apply(m, text); return nil },
		leave: func(m *Model) { m.list.setFilter(before) },
	}, before.text)
}

// askDelete wants the name typed, or how many there are.
func (m *Model) askDelete() tea.Cmd {
	orders := m.ordersFor(Order{Verb: Delete}, nil)
	want, title := orders[0].Name, "delete it with all files? type "+orders[0].Name+":"
	if len(orders) > 1 {
		want = fmt.Sprint(len(orders))
		title = fmt.Sprintf("delete %d workspaces with all files? type %s:", len(orders), want)
	}
	return m.ask(prompt{
		title: title,
		check: func(s string) error {
			if s != want {
				return fault.New(fault.Usage, "not_confirmed", "type %s to delete, or press esc", want)
			}
			return nil
		},
		enter: func(m *Model, _ string) tea.Cmd { return m.order(orders) },
		line:  func(string) string { return commandLine(orders) },
	}, "")
}

func (m *Model) askRename() tea.Cmd {
	orders := m.ordersFor(Order{Verb: Rename}, nil)
	with := func(s string) []Order { return filled(orders, func(o *Order) { o.Text = s }) }
	return m.ask(prompt{
		title: "new name:", check: workspace.ValidateName,
		enter: func(m *Model, s string) tea.Cmd { return m.order(with(s)) },
		line:  func(s string) string { return commandLine(with(s)) },
	}, orders[0].Name)
}

// askLabels takes KEY=VALUE to set and KEY- to remove, as wsctl label does.
func (m *Model) askLabels() tea.Cmd {
	orders := m.ordersFor(Order{Verb: Label}, nil)
	with := func(s string) []Order {
		labels, _ := parseLabels(s)
		return filled(orders, func(o *Order) { o.Labels = labels })
	}
	return m.ask(prompt{
		title: "labels, KEY=VALUE or KEY-:",
		check: func(s string) error {
			labels, err := parseLabels(s)
			if err == nil && len(labels) == 0 {
				err = fault.New(fault.Usage, "label_invalid", "give KEY=VALUE, or KEY- to remove one")
			}
			return err
		},
		enter: func(m *Model, s string) tea.Cmd { return m.order(with(s)) },
		line:  func(s string) string { return commandLine(with(s)) },
	}, "")
}

func parseLabels(s string) (map[string]*string, error) {
	labels := map[string]*string{}
	for word := range strings.FieldsSeq(s) {
		k, v, set := strings.Cut(word, "=")
		if !set {
			k, removes := strings.CutSuffix(word, "-")
			if !removes {
				return labels, fault.New(fault.Usage, "label_invalid", "%.40q is neither KEY=VALUE nor KEY-", word)
			}
			if err := workspace.ValidateLabel(k, ""); err != nil {
				return labels, err
			}
			labels[k] = nil
			continue
		}
		if err := workspace.ValidateLabel(k, v); err != nil {
			return labels, err
		}
		labels[k] = &v
	}
	return labels, nil
}

// heldFor is how long an answer holds that names no time.
const heldFor = time.Hour

// askHold takes how long and why, both of which may be left out.
func (m *Model) askHold() tea.Cmd {
	orders := m.ordersFor(Order{Verb: Hold}, verbStates[Extend])
	with := func(s string) []Order {
		d, reason, _ := parseHold(s)
		return filled(orders, func(o *Order) { o.For, o.Text = d, reason })
	}
	return m.ask(prompt{
		title: "hold for how long (1h), and why:",
		check: func(s string) error {
			_, _, err := parseHold(s)
			return err
		},
		enter: func(m *Model, s string) tea.Cmd { return m.order(with(s)) },
		line:  func(s string) string { return commandLine(with(s)) },
	}, "")
}

// parseHold reads "2h a demo". What does not begin like a number is a reason alone.
func parseHold(s string) (d time.Duration, reason string, err error) {
	first, rest, _ := strings.Cut(s, " ")
	d, err = time.ParseDuration(first)
	switch {
	case err == nil && d > 0:
		return d, strings.TrimSpace(rest), nil
	case err == nil, strings.ContainsAny(s[:min(1, len(s))], "0123456789+-."):
		return 0, "", fault.New(fault.Usage, "duration_invalid", "%.20q is not a time such as 30m or 2h", first)
	}
	return heldFor, s, nil
}
