package tui

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// maxHeld bounds the forwarded ports of one dashboard.
const maxHeld = 32

// forward is a port that the dashboard holds open, until it is stopped, its workspace is
// deleted or the dashboard ends.
type forward struct {
	id, name string
	pair     PortPair
	now      Forwarded // the newest that was told; no Address: not listening yet
	stream   *stream[Forwarded]
}

// forwardsOf are those of one workspace.
func (m *Model) forwardsOf(id string) []*forward {
	return slices.DeleteFunc(slices.Clone(m.held), func(f *forward) bool { return f.id != id })
}

// listening counts the ports of this machine that are open.
func (m *Model) listening() int {
	n := 0
	for _, f := range m.held {
		if f.now.Address != "" {
			n++
		}
	}
	return n
}

func (m *Model) forwardsHere() bool {
	r := m.list.selected()
	return r != nil && m.list.marks() == 0 && len(m.forwardsOf(r.w.ID)) > 0
}

func (m *Model) askForward() tea.Cmd {
	w := m.list.selected().w
	return m.ask(prompt{
		title: "forward which port of " + w.Name + ", [LOCAL:]PORT:",
		check: func(s string) error {
			p, err := parsePair(s)
			if err == nil {
				err = m.free(w.ID, p)
			}
			return err
		},
		enter: func(m *Model, s string) tea.Cmd {
			p, _ := parsePair(s)
			m.say("›", forwardLine(w.Name, p))
			return m.hold(w.ID, w.Name, p)
		},
		line: func(s string) string {
			p, err := parsePair(s)
			if err != nil {
				return "reaches what listens inside, on localhost too"
			}
			return forwardLine(w.Name, p)
		},
	}, "")
}

// free refuses what is forwarded already.
func (m *Model) free(id string, p PortPair) error {
	for _, f := range m.held {
		if f.pair.Local == p.Local && p.Local != 0 || f.id == id && f.pair == p {
			return fault.New(fault.Conflict, "port_in_use", "port %d is forwarded already, to port %d of %s", p.Local, f.pair.Remote, f.name)
		}
	}
	if len(m.held) >= maxHeld {
		return fault.New(fault.Limit, "too_many_forwards", "at most %d ports are forwarded here", maxHeld)
	}
	return nil
}

// parsePair reads PORT or LOCAL:PORT, as wsctl forward does.
func parsePair(s string) (PortPair, error) {
	here, there, both := strings.Cut(s, ":")
	if !both {
		there = here
	}
	local, errL := strconv.ParseUint(here, 10, 16)
	remote, errR := strconv.ParseUint(there, 10, 16)
	p := PortPair{int(local), int(remote)}
	if errL != nil || errR != nil || workspace.ValidatePort(p.Remote) != nil {
		return p, fault.New(fault.Usage, "port_invalid", "give a port inside, such as 5432, or LOCAL:PORT")
	}
	return p, nil
}

// forwardLine is the equal command.
func forwardLine(name string, p PortPair) string {
	word := strconv.Itoa(p.Remote)
	if p.Local != p.Remote {
		word = strconv.Itoa(p.Local) + ":" + word
	}
	return "wsctl forward " + name + " " + word
}

// hold begins to forward a port.
func (m *Model) hold(id, name string, p PortPair) tea.Cmd {
	s, cmd := begin(m.ctx, newsPace, func(ctx context.Context, put func(func(*Forwarded))) error {
		return m.source.Forward(ctx, id, p, func(f Forwarded) { put(func(last *Forwarded) { *last = f }) })
	})
	m.held = append(m.held, &forward{id: id, name: name, pair: p, stream: s})
	return cmd
}

// takeForwarded is news of a forwarded port, or its end.
func (m *Model) takeForwarded(p parcel[Forwarded]) tea.Cmd {
	i := slices.IndexFunc(m.held, func(f *forward) bool { return f.stream == p.stream })
	if i < 0 {
		return nil
	}
	f := m.held[i]
	if p.over {
		m.held = slices.Delete(m.held, i, i+1)
		m.fail(forwardLine(f.name, f.pair), p.err)
		return nil
	}
	if f.now.Address == "" {
		m.say("✓", fmt.Sprintf("%s leads to port %d of %s", p.got.Address, f.pair.Remote, f.name))
	}
	f.now = p.got
	return p.stream.next()
}

// release ends what leads to workspaces that are gone.
func (m *Model) release(gone map[string]bool) {
	m.unforward(func(f *forward) bool { return gone[f.id] })
}

func (m *Model) unforward(which func(*forward) bool) {
	m.held = slices.DeleteFunc(m.held, func(f *forward) bool {
		if !which(f) {
			return false
		}
		f.stream.stop()
		return true
	})
}

// askUnforward stops the only one, or asks which.
func (m *Model) askUnforward() tea.Cmd {
	r := m.list.selected()
	held := m.forwardsOf(r.w.ID)
	if len(held) == 1 {
		m.stopForward(held)
		return nil
	}
	ports := make([]string, len(held))
	for i, f := range held {
		ports[i] = strconv.Itoa(f.pair.Remote)
	}
	named := func(s string) []*forward {
		return slices.DeleteFunc(m.forwardsOf(r.w.ID), func(f *forward) bool { return s != "all" && s != strconv.Itoa(f.pair.Remote) })
	}
	return m.ask(prompt{
		title: "stop forwarding " + strings.Join(ports, ", ") + "; which port, or all:",
		check: func(s string) error {
			if len(named(s)) == 0 {
				return fault.New(fault.Usage, "not_forwarded", "give one of %s, or all", strings.Join(ports, ", "))
			}
			return nil
		},
		enter: func(m *Model, s string) tea.Cmd { m.stopForward(named(s)); return nil },
	}, "all")
}

func (m *Model) stopForward(held []*forward) {
	m.unforward(func(f *forward) bool { return slices.Contains(held, f) })
	m.say("✓", plural(len(held), "port")+" of "+held[0].name+" not forwarded any more")
}

// askQuit quits; where that ends forwarded ports, only after a question.
func (m *Model) askQuit() tea.Cmd {
	if len(m.held) == 0 {
		m.quit = true
		return nil
	}
	return m.ask(prompt{
		title: "quit, and end " + plural(len(m.held), "forwarded port") + "?",
		enter: func(m *Model, _ string) tea.Cmd { m.quit = true; return nil },
	}, "")
}

// forwards are the rows of the forwarded ports of the workspace.
func (p *page) forwards() {
	held := p.m.forwardsOf(p.r.w.ID)
	if len(held) == 0 {
		return
	}
	var rows [][]render.Cell
	for _, f := range held {
		note := ""
		if f.now.Wrong != nil {
			note = fault.From(f.now.Wrong).Text
		}
		rows = append(rows, texts(f.now.Address, strconv.Itoa(f.pair.Remote), strconv.Itoa(f.now.Open), strconv.Itoa(f.now.Total), note))
	}
	p.line("")
	p.table([]string{"FORWARDED", "TO PORT", "OPEN", "SO FAR", "LAST FAILURE"}, rows, "")
}

// forwardText is the forwarded ports of the workspace in one line.
func (p *page) forwardText() string {
	var words []string
	for _, f := range p.m.forwardsOf(p.r.w.ID) {
		words = append(words, fmt.Sprintf("%s to port %d", f.now.Address, f.pair.Remote))
	}
	return strings.Join(words, ", ")
}
