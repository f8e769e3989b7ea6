package tui

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Model is the whole state of the dashboard. It belongs to the goroutine of bubbletea.
type Model struct {
	ctx    context.Context //nolint:containedctx // of the program; commands are derived from it
	source Source
	clock  func() time.Time
	theme  *theme
	env    func(string) string
	out    io.Writer
	screen *screen // on which it is drawn; nil in tests

	width, height int
	now           time.Time
	link          Link
	heard         bool // the first snapshot is here
	blurred       bool // nobody looks: nothing is sampled
	visiting      bool // the terminal is somebody else's, or about to be
	quit          bool
	lost          error // why the terminal cannot be used any more
	ticking       time.Duration

	list    list
	detail  detail
	inside  bool // the keys are for the detail
	prompt  *prompt
	form    *form
	palette *palette
	chooser *chooser
	help    bool
	helpTop int // its first line that is shown
	toast   *toast
	facts   []event.Event      // newest facts of all workspaces, at most maxFacts
	pending map[string]pending // by workspace
	held    []*forward         // forwarded ports, oldest first

	watch *stream[news]
	seen  []string // ids whose samples are told, sorted
}

// maxFacts bounds the facts that are kept of everything.
const maxFacts = 1000

// New returns the model of a dashboard.
func New(ctx context.Context, o Options) *Model {
	m := &Model{ctx: ctx, source: o.Source, clock: o.Now, env: o.Env, out: o.Out, list: newList(), pending: map[string]pending{}}
	if m.clock == nil {
		m.clock = time.Now
	}
	if m.env == nil {
		m.env = func(string) string { return "" }
	}
	name := o.Theme
	if name == "" {
		name = chooseTheme(m.env)
	}
	m.theme = newTheme(name)
	m.list.filter, m.list.columns = parseFilter(o.Filter), o.Columns
	m.now = m.clock()
	m.link = Link{Daemon: true, Engine: true, Since: m.now}
	m.width, m.height = 80, 24
	if o.dimensions[0] > 0 {
		m.width, m.height = o.dimensions[0], o.dimensions[1]
	}
	m.detail = newDetail()
	return m
}

// Init begins to listen.
func (m *Model) Init() tea.Cmd {
	s, cmd := begin(m.ctx, newsPace, func(ctx context.Context, put func(func(*news))) error {
		return m.source.Watch(ctx, func(c Change) { put(func(n *news) { n.add(c) }) })
	})
	m.watch = s
	return tea.Batch(cmd, m.tick())
}

// Messages of commands.
type (
	tickMsg struct{ every time.Duration }
	doneMsg struct {
		orders   []Order
		accepted []Accepted // of each
		failed   []error    // of each; nil: it was accepted
	}
	outcomeMsg struct { // something small was done
		text string
		err  error
	}
)

// Update takes one message. It does no I/O.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	m.now = m.clock()
	cmds := []tea.Cmd{m.handle(msg)}
	if m.quit {
		return m, tea.Quit
	}
	m.layout()
	cmds = append(cmds, m.detail.follow(m), m.tick())
	m.look() // after the detail, which says what is seen
	return m, tea.Batch(cmds...)
}

func (m *Model) handle(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyMsg:
		return m.takeKeys(msg)
	case tea.MouseMsg:
		return m.handleMouse(msg)
	case tea.FocusMsg:
		m.blurred = false
	case tea.BlurMsg:
		m.blurred = true
	case tickMsg:
		if m.ticking == msg.every {
			m.ticking = 0
		}
	case parcel[news]:
		return m.takeNews(msg)
	case parcel[lines]:
		return m.detail.takeLines(m, msg)
	case detailsMsg:
		m.detail.take(m, msg)
	case templatesMsg, folderMsg, foldersMsg, createdMsg:
		return m.handleForm(msg)
	case doneMsg:
		m.takeDone(msg)
	case visitMsg:
		m.takeVisit(msg)
	case parcel[Forwarded]:
		return m.takeForwarded(msg)
	case outcomeMsg:
		if msg.err != nil {
			m.fail("", msg.err)
		} else if msg.text != "" {
			m.say("✓", msg.text)
		}
	}
	return nil
}

// takeNews merges what happened and says what came of the orders.
func (m *Model) takeNews(p parcel[news]) tea.Cmd {
	if p.stream != m.watch {
		return nil
	}
	n := p.got
	n.lose(m.list.known)
	m.takeLink(n)
	m.heard = m.heard || n.reset
	m.keepFacts(n.events)
	m.part(n)
	m.list.take(n, m.now)
	m.settle(n.gone)
	m.release(n.gone)
	if n.touched[m.detail.id] {
		m.detail.stale = true
	}
	if p.over {
		m.fail("", p.err)
		m.link.Daemon, m.link.Since = false, m.now
		return nil
	}
	return p.stream.next()
}

// takeLink is how the way to the workspaces is now. Where it was cut, what is shown is asked
// for again: its streams have ended, and what would have touched it was missed.
func (m *Model) takeLink(n news) {
	if n.link == nil {
		return
	}
	if n.link.Daemon && (n.lost || !m.link.Daemon || n.link.Engine && !m.link.Engine) {
		m.detail.renew()
	}
	m.link = *n.link
}

// part leaves the detail of a workspace that is gone: the keys would be for its neighbour.
func (m *Model) part(n news) {
	r := m.list.selected()
	if !m.inside || r == nil {
		return
	}
	if n.gone[r.w.ID] {
		m.inside = false
		m.say("·", r.w.Name+" was deleted"+suffix(" by ", deleter(n.events, r.w.ID)))
	}
}

// deleter is who asked for a deletion, as far as that is told; "": nobody knows.
func deleter(events []event.Event, id string) string {
	for _, e := range events {
		if e.Workspace == id && e.Kind == event.WorkspaceDeleted {
			return e.Actor
		}
	}
	return ""
}

// keepFacts appends to the ring, which is moved only when it has doubled.
func (m *Model) keepFacts(events []event.Event) {
	m.facts = append(m.facts, events...)
	if len(m.facts) > 2*maxFacts {
		m.facts = slices.Clone(m.facts[len(m.facts)-maxFacts:])
	}
}

// settle tells the end of what was ordered here.
func (m *Model) settle(gone map[string]bool) {
	for id, p := range m.pending {
		r := m.list.known[id]
		switch {
		case gone[id]:
			m.sayDone(p.Name + " is deleted")
		case r == nil || !p.ended(&r.w):
			continue
		case r.w.State == workspace.Failed:
			m.sayFailed(r.w)
		default:
			m.sayDone(done(r.w))
		}
		delete(m.pending, id)
	}
}

// takeDone is the answer to orders: accepted, or refused.
func (m *Model) takeDone(msg doneMsg) {
	failed := 0
	var notes []string
	for i, o := range msg.orders {
		p, waited := m.pending[o.ID]
		waited = waited && p.Verb == o.Verb // else another has taken its place
		switch err := msg.failed[i]; {
		case err != nil:
			failed++
			m.fail(o.Name, err)
			if waited {
				delete(m.pending, o.ID)
			}
		case waited:
			p.accepted, p.revision = true, msg.accepted[i].Revision
			m.pending[o.ID] = p
		}
		notes = append(notes, msg.accepted[i].Notes...)
	}
	if failed > 0 && m.toast != nil { // none is told at the end of the program
		m.toast.failures = failed
	}
	if failed > 1 && m.toast != nil {
		m.toast.text = fmt.Sprintf("%d of %d refused; the last: %s", failed, len(msg.orders), m.toast.text)
	}
	switch {
	case failed > 0:
	case !waits(msg.orders[0].Verb):
		m.say("✓", outcome(msg.orders))
	case len(notes) > 0:
		m.say("›", commandLine(msg.orders))
		m.toast.hint = strings.Join(distinct(notes), "; ")
	}
	m.detail.stale = true
	m.settle(nil) // the end may have been told already
}

// distinct are the words in their order, each once.
func distinct(words []string) []string {
	var out []string
	for _, w := range words {
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// look keeps the samples on what is visible.
func (m *Model) look() {
	var ids []string
	if !m.blurred && m.link.Daemon {
		for _, r := range m.list.visible() {
			if r.live() && m.listShown() {
				ids = append(ids, r.w.ID)
			}
		}
		if r := m.list.known[m.detail.id]; r != nil && r.live() && m.detailShown() && !slices.Contains(ids, r.w.ID) {
			ids = append(ids, r.w.ID)
		}
	}
	slices.Sort(ids)
	if !slices.Equal(ids, m.seen) {
		m.seen = ids
		m.source.Look(ids)
	}
}

// tick lets times go on: every second where seconds are shown, else rarely. It does
// nothing while a tick is on its way that comes soon enough.
func (m *Model) tick() tea.Cmd {
	every := m.pace()
	if m.ticking != 0 && m.ticking <= every {
		return nil
	}
	m.ticking = every
	return tea.Tick(every, func(time.Time) tea.Msg { return tickMsg{every} })
}

func (m *Model) pace() time.Duration {
	if m.toast != nil && !m.now.Before(m.toast.until) {
		m.toast = nil
	}
	if m.toast != nil || !m.link.Daemon || !m.link.Engine {
		return time.Second
	}
	for _, r := range m.list.visible() {
		left, ok := r.stopsIn(m.now)
		if !r.w.State.Settled() || ok && left < 2*time.Minute || m.now.Sub(r.w.CreatedAt) < time.Minute {
			return time.Second
		}
	}
	return 20 * time.Second
}
