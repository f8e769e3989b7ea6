package tui

import (
	"context"
	"fmt"
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
)

// Pane is one view of a workspace.
type Pane string

// The panes.
const (
	Overview Pane = "Overview"
	Logs     Pane = "Logs"
	Events   Pane = "Events"
	Sessions Pane = "Sessions"
	Ports    Pane = "Ports" // and terminals, and what runs in them
	Jobs     Pane = "Jobs"
	Graphs   Pane = "Graphs"
	Spec     Pane = "Spec"
)

// Panes returns the panes in the order of their keys, from 1.
func Panes() []Pane { return []Pane{Overview, Logs, Events, Sessions, Ports, Jobs, Graphs, Spec} }

// settleTime is how long the cursor has to rest, and a burst of facts to last, before
// something is fetched.
const settleTime = 150 * time.Millisecond

// detail is what is shown of one workspace.
type detail struct {
	id     string
	pane   Pane
	scroll int
	room   int   // lines of the pane on the screen
	drawn  []tab // the tabs on it
	got    Details
	err    error
	loaded bool
	stale  bool // something has happened since it was fetched
	busy   bool
	cancel context.CancelFunc // of the fetch
	turn   int                // tells fetches apart
	logs   logs
}

func newDetail() detail { return detail{pane: Overview, cancel: func() {}} }

type detailsMsg struct {
	turn int
	got  Details
	err  error
}

// fetched reports whether a pane needs more than what the list knows.
func (p Pane) fetched() bool { return p != Logs && p != Graphs && p != Spec }

func (d *detail) show(p Pane) {
	if d.pane != p {
		d.pane, d.scroll = p, 0
		d.forget()
	}
}

func (d *detail) forget() {
	d.cancel()
	d.turn++
	d.got, d.err, d.loaded, d.stale, d.busy = Details{}, nil, false, false, false
}

// renew asks for everything again.
func (d *detail) renew() {
	d.stale = true
	d.logs.renew()
}

// follow keeps what is fetched and streamed on what is shown.
func (d *detail) follow(m *Model) tea.Cmd {
	id := ""
	if r := m.list.selected(); r != nil && m.detailShown() {
		id = r.w.ID
	}
	if id != d.id {
		d.id, d.scroll = id, 0
		d.forget()
		d.logs.close()
	}
	if id == "" {
		return nil
	}
	return tea.Batch(d.fetch(m), d.logs.follow(m, d))
}

func (d *detail) fetch(m *Model) tea.Cmd {
	if !d.pane.fetched() || d.busy || d.loaded && !d.stale || !m.link.Daemon {
		return nil
	}
	d.turn++
	d.busy, d.stale = true, false
	ctx, cancel := context.WithCancel(m.ctx)
	d.cancel = cancel
	id, pane, turn, source := d.id, d.pane, d.turn, m.source
	return func() tea.Msg {
		defer cancel()
		rest := time.NewTimer(settleTime)
		defer rest.Stop()
		select {
		case <-rest.C:
		case <-ctx.Done():
			return nil
		}
		got, err := source.Details(ctx, id, pane)
		return detailsMsg{turn, got, err}
	}
}

func (d *detail) take(m *Model, msg detailsMsg) {
	if msg.turn != d.turn {
		return
	}
	d.busy = false
	if d.loaded && fault.Is(msg.err, fault.Unavailable) {
		return // what is known stays; the header says that it is old
	}
	d.loaded, d.err = true, msg.err
	if msg.err == nil {
		d.got = msg.got
	}
}

func (d *detail) takeLines(m *Model, p parcel[lines]) tea.Cmd { return d.logs.take(m, p) }

// actions are the keys of the pane.
func (d *detail) actions(m *Model) []action {
	if d.pane == Logs {
		return d.logs.actions()
	}
	return nil
}

// title is the name, the state and the tabs. The active one is in brackets, so that it
// can be told without colours.
func (d *detail) title(m *Model, r *row, width int) []string {
	name := m.theme.bold.paint(render.Escape(render.Fit(r.w.Name, max(8, width-30))))
	head := " " + name + "  " + m.theme.state(r.w.State).paint(string(r.w.State))
	if s := r.stages.Current(); s != nil {
		head += m.theme.faint.paint("  " + s.Name)
	} else if url := portURL(r.w.Port); url != "" && width > 50 {
		head += m.theme.faint.paint("  " + url)
	}
	return []string{cut(head, width), cut(d.tabs(m, width), width)}
}

// tab is where the tab of a pane stands: the columns from one up to the other.
type tab struct {
	pane     Pane
	from, to int
}

// tabs are all panes where they fit, else the active one and how many there are.
func (d *detail) tabs(m *Model, width int) string {
	for _, short := range []bool{false, true} {
		if line := d.tabRow(m, short); plainWidth(line) <= width {
			return line
		}
	}
	d.drawn = nil
	i := slices.Index(Panes(), d.pane)
	return " " + m.theme.faint.paint("‹ ") + m.theme.title.paint("["+string(d.pane)+"]") +
		m.theme.faint.paint(" "+string(rune('1'+i))+" of 8 ›")
}

// tabRow draws all tabs, with short names except of the active one.
func (d *detail) tabRow(m *Model, short bool) string {
	line := " "
	d.drawn = d.drawn[:0]
	for i, p := range Panes() {
		text, from := string(p), plainWidth(line)
		switch {
		case p == d.pane:
			line += m.theme.title.paint("["+text+"]") + " "
		case short:
			line += m.theme.faint.paint(string(rune('1'+i))) + text[:3] + " "
		default:
			line += m.theme.faint.paint(string(rune('1'+i))) + text + " "
		}
		d.drawn = append(d.drawn, tab{p, from, plainWidth(line)})
	}
	return line
}

// tabAt is the pane whose tab is at column x; "" is none.
func (d *detail) tabAt(x int) Pane {
	for _, t := range d.drawn {
		if x >= t.from && x < t.to {
			return t.pane
		}
	}
	return ""
}

// view draws the detail in width columns and height lines.
func (d *detail) view(m *Model, r *row, width, height int) []string {
	out := d.title(m, r, width)
	if height > 8 {
		out = append(out, "")
	}
	room := max(1, height-len(out))
	d.room = room
	if d.pane == Logs {
		return append(out, d.logs.view(m, width, room)...)
	}
	body := d.body(m, r, width, room)
	d.scroll = max(0, min(d.scroll, len(body)-room))
	below := len(body) - d.scroll - room
	body = body[d.scroll:min(len(body), d.scroll+room)]
	for _, line := range body {
		out = append(out, cut(line, width))
	}
	if below > 0 {
		out[len(out)-1] = cut(m.theme.faint.paint(fmt.Sprintf(" ↓ %s more", plural(below+1, "line"))), width)
	}
	return out
}

// faultLines are an error with its code and what to do next.
func (m *Model) faultLines(err error, width int) []string {
	f := fault.From(err)
	var out []string
	for _, line := range broken(render.Escape(f.Text)+" ["+f.Code+"]", width-2) {
		out = append(out, " "+m.theme.bad.paint(line))
	}
	out = append(out, "")
	for _, line := range broken(render.Escape(f.Hint), width-2) {
		out = append(out, " "+line)
	}
	return out
}

func (d *detail) body(m *Model, r *row, width, height int) []string {
	if d.pane.fetched() && d.err != nil {
		return m.faultLines(d.err, width)
	}
	if d.pane.fetched() && d.pane != Overview && !d.loaded {
		if !m.link.Daemon {
			return []string{m.theme.faint.paint(" wsd is away; this is asked for when it is back")}
		}
		return []string{m.theme.faint.paint(" …")}
	}
	p := page{m: m, r: r, width: width, height: height}
	switch d.pane {
	case Overview:
		p.overview()
	case Events:
		p.events()
	case Sessions:
		p.sessions()
	case Ports:
		p.ports()
	case Jobs:
		p.jobs()
	case Graphs:
		p.graphs()
	case Spec:
		p.spec()
	}
	if d.got.Note != "" {
		p.line("")
		p.line(m.theme.faint.paint(" " + render.Escape(d.got.Note)))
	}
	return p.lines
}
