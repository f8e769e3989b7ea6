package tui

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

// atOnce bounds how many orders of one command are on their way at the same time.
const atOnce = 8

// action is something a person can do now, by its key or by its name in the palette.
type action struct {
	key   string
	short string // in the footer; "": only in the help and the palette
	name  string
	can   func(m *Model) bool
	run   func(m *Model) tea.Cmd
}

// actions is the explicit list of all, in the order of the footer. What a pane adds
// comes first, because the keys are for it.
func (m *Model) actions() []action {
	var all []action
	if m.inside {
		all = m.detail.actions(m)
	}
	return slices.Concat(all, workActions(), screenActions())
}

// workActions change workspaces.
func workActions() []action {
	return []action{
		{"s", "start", "start", ready(verbStates[Start]...), send(Start)},
		{"t", "stop", "stop", ready(verbStates[Stop]...), askAll(Stop)},
		{"x", "shell", "open a shell", one(workspace.Running, workspace.Paused, workspace.Stopped), (*Model).shell},
		{"u", "open", "open it in a browser", one(), (*Model).openURL},
		{"v", "preview", "preview in device frames", (*Model).previewable, (*Model).openPreview},
		{"n", "new", "create a workspace", (*Model).changeable, (*Model).openForm},
		{"h", "hold", "hold: keep it running", (*Model).extendable, (*Model).askHold},
		{"H", "release", "end its newest hold", (*Model).heldHere, (*Model).unhold},
		{"d", "delete", "delete, with all files", ready(), (*Model).askDelete},
		{"e", "extend", "extend: I still use it", (*Model).extendable, send(Extend)},
		{"r", "restart", "restart", ready(verbStates[Restart]...), askAll(Restart)},
		{"p", "pause", "pause: freeze it", ready(verbStates[Pause]...), askAll(Pause)},
		{"P", "resume", "resume", ready(verbStates[Resume]...), send(Resume)},
		{"y", "copy", "copy its address", one(), (*Model).copyURL},
		{"Y", "", "copy its preview's address", (*Model).previewable, (*Model).copyPreview},
		{"X", "exec", "run a command inside", one(workspace.Running), (*Model).askExec},
		{"F", "forward", "forward a port to here", one(workspace.Running), (*Model).askForward},
		{"U", "unforward", "stop forwarding", (*Model).forwardsHere, (*Model).askUnforward},
		{"m", "", "rename", one(), (*Model).askRename},
		{"L", "", "set labels", in(), (*Model).askLabels},
	}
}

// seldom are the keys that the footer names only where there is room after all others.
const seldom = "verpyXF"

// needsWsd are the keys that do nothing while wsd is away: of workActions all but U.
const needsWsd = "stxuvnhHderpPyYXFmL"

// screenActions change only what is seen.
func screenActions() []action {
	always := func(*Model) bool { return true }
	return []action{
		{"/", "filter", "filter", (*Model).anyKnown, (*Model).askFilter},
		{"space", "", "mark, to act on several", (*Model).anyShown, (*Model).markOne},
		{"a", "", "mark all, or none", (*Model).anyShown, (*Model).markAll},
		{"o", "", "sort by the next column", (*Model).anyShown, (*Model).sortNext},
		{"O", "", "sort the other way round", (*Model).anyShown, (*Model).sortBack},
		{"C", "", "choose columns", (*Model).anyShown, (*Model).openChooser},
		{"T", "", "next theme", always, (*Model).nextTheme},
		{":", "", "all commands by name", always, (*Model).openPalette},
		{"?", "help", "help", always, func(m *Model) tea.Cmd { m.help, m.helpTop = true, 0; return nil }},
		{"q", "quit", "quit", always, (*Model).askQuit},
	}
}

func (m *Model) anyKnown() bool  { return m.listShown() && len(m.list.known) > 0 }
func (m *Model) reachable() bool { return m.link.Daemon }

// changeable says that wsd reaches the container engine too.
func (m *Model) changeable() bool { return m.reachable() && m.link.Engine }

// extendable says that a stop is known which could be put off.
func (m *Model) extendable() bool {
	return m.reachable() && slices.ContainsFunc(m.fitting(verbStates[Extend]), func(r *row) bool { return r.act != nil })
}

// holdsHere are the holds of the selected workspace, where the pane Overview tells them.
func (m *Model) holdsHere() []activity.Hold {
	r, why := m.list.selected(), m.detail.got.Why
	if r == nil || why == nil || m.detail.id != r.w.ID || !m.detailShown() {
		return nil
	}
	return why.Holds
}

func (m *Model) heldHere() bool {
	return m.reachable() && m.list.marks() == 0 && len(m.holdsHere()) > 0
}

// unhold ends the newest hold.
func (m *Model) unhold() tea.Cmd {
	held, w := m.holdsHere(), m.list.selected().w
	return m.order([]Order{{Verb: Release, ID: w.ID, Name: w.Name, Text: held[len(held)-1].ID}})
}

func (m *Model) anyShown() bool { return m.listShown() && len(m.list.shown) > 0 }

// in says that an action is possible where any of the targets is in one of these states;
// none are all states but deleting.
func in(states ...workspace.State) func(*Model) bool {
	return func(m *Model) bool { return m.reachable() && len(m.fitting(states)) > 0 }
}

// ready is in for what the container engine has a part in.
func ready(states ...workspace.State) func(*Model) bool {
	can := in(states...)
	return func(m *Model) bool { return m.changeable() && can(m) }
}

// one is in for actions that are for a single workspace.
func one(states ...workspace.State) func(*Model) bool {
	return func(m *Model) bool { return m.reachable() && m.list.marks() == 0 && len(m.fitting(states)) == 1 }
}

func (m *Model) fitting(states []workspace.State) []*row {
	return slices.DeleteFunc(m.list.targets(), func(r *row) bool {
		if len(states) == 0 {
			return r.w.State == workspace.Deleting
		}
		return !slices.Contains(states, r.w.State)
	})
}

// verbStates are where the verbs without a question apply.
var verbStates = map[Verb][]workspace.State{
	Start:   {workspace.Stopped, workspace.Failed},
	Stop:    {workspace.Running, workspace.Paused, workspace.Creating, workspace.Initializing},
	Restart: {workspace.Running, workspace.Failed},
	Pause:   {workspace.Running},
	Resume:  {workspace.Paused},
	Extend:  {workspace.Running},
}

func send(v Verb) func(*Model) tea.Cmd {
	return func(m *Model) tea.Cmd { return m.order(m.ordersFor(Order{Verb: v}, verbStates[v])) }
}

// askAll is send for what interrupts people: of several workspaces it asks first.
func askAll(v Verb) func(*Model) tea.Cmd {
	return func(m *Model) tea.Cmd {
		orders := m.ordersFor(Order{Verb: v}, verbStates[v])
		if len(orders) < 2 {
			return m.order(orders)
		}
		return m.ask(prompt{
			title: fmt.Sprintf("%s %d workspaces? enter does it:", v, len(orders)),
			enter: func(m *Model, _ string) tea.Cmd { return m.order(orders) },
			line:  func(string) string { return commandLine(orders) },
		}, "")
	}
}

// ordersFor is one order like o for each target in one of the states.
func (m *Model) ordersFor(o Order, states []workspace.State) []Order {
	var out []Order
	for _, r := range m.fitting(states) {
		o.ID, o.Name = r.w.ID, r.w.Name
		o.Force = o.Verb == Delete && r.w.State != workspace.Stopped && r.w.State != workspace.Failed
		out = append(out, o)
	}
	return out
}

// waits reports whether the end of a verb is seen only later, in the state.
func waits(v Verb) bool { return v != Hold && v != Release && v != Extend && v != Rename && v != Label }

// order sends orders and shows the equal command.
func (m *Model) order(orders []Order) tea.Cmd {
	if len(orders) == 0 {
		return nil
	}
	m.say("›", commandLine(orders))
	for _, o := range orders {
		if waits(o.Verb) {
			m.pending[o.ID] = pending{Order: o}
		}
	}
	m.list.mark(false)
	ctx, source := m.ctx, m.source
	return func() tea.Msg {
		done := doneMsg{orders, make([]Accepted, len(orders)), make([]error, len(orders))}
		slots := make(chan struct{}, atOnce)
		var wg sync.WaitGroup
		for i, o := range orders {
			slots <- struct{}{}
			wg.Go(func() {
				done.accepted[i], done.failed[i] = source.Do(ctx, o)
				<-slots
			})
		}
		wg.Wait()
		return done
	}
}

// openURL does what wsctl open does.
func (m *Model) openURL() tea.Cmd { return m.browse("open", "opened", m.source.Open) }

// openPreview does what wsctl preview does.
func (m *Model) openPreview() tea.Cmd { return m.browse("preview", "preview of", m.source.Preview) }

// browse lets show open a page of the selected workspace.
func (m *Model) browse(command, done string, show func(ctx context.Context, id string) (string, error)) tea.Cmd {
	w := &m.list.selected().w
	m.say("›", "wsctl "+command+" "+w.Name)
	ctx, id, name := m.ctx, w.ID, w.Name
	return func() tea.Msg {
		url, err := show(ctx, id)
		return outcomeMsg{done + " " + name + " at " + url, err}
	}
}

// previewURL is the address of a workspace's preview page; "" where there is none.
func (m *Model) previewURL(w *workspace.Workspace) string {
	if w.Spec.Port == 0 {
		return ""
	}
	return api.PreviewURL(m.link.Names, w.Name, nil)
}

// previewable says that the selected workspace has a preview page.
func (m *Model) previewable() bool {
	return one()(m) && m.previewURL(&m.list.selected().w) != ""
}

func (m *Model) copyPreview() tea.Cmd { return m.copyText(m.previewURL(&m.list.selected().w)) }

// copyURL copies what wsctl open prints.
func (m *Model) copyURL() tea.Cmd {
	w := &m.list.selected().w
	url := cmp.Or(api.NameURL(m.link.Names, w.Name, w.Spec.Port, w.Spec.Port), portURL(w.Port))
	if url == "" {
		m.say("·", w.Name+" has no port")
		return nil
	}
	return m.copyText(url)
}

// copyText gives an address to the terminal's clipboard by OSC 52 (xterm), which works
// over ssh too; inside tmux that asks for set-clipboard.
func (m *Model) copyText(url string) tea.Cmd {
	out := m.out
	return func() tea.Msg {
		_, err := io.WriteString(out, "\x1b]52;c;"+base64.StdEncoding.EncodeToString([]byte(url))+"\a")
		return outcomeMsg{"copied " + url, err}
	}
}

func (m *Model) markOne() tea.Cmd {
	m.list.toggle()
	return nil
}

func (m *Model) markAll() tea.Cmd {
	m.list.mark(m.list.marks() < len(m.list.shown))
	return nil
}

func (m *Model) sortNext() tea.Cmd {
	m.list.nextSort(m.list.life())
	text := "sorted by " + strings.ToLower(m.list.sort)
	if c := m.list.sort; (c == "CPU" || c == "MEMORY") && len(m.list.shown) > m.list.height {
		text += ", of those that were on the screen; wsctl top sorts all"
	}
	m.say("·", text)
	return nil
}

func (m *Model) sortBack() tea.Cmd {
	m.list.reverse = !m.list.reverse
	m.list.arrange()
	return nil
}

func (m *Model) nextTheme() tea.Cmd {
	names := ThemeNames()
	m.theme = newTheme(names[(slices.Index(names, m.theme.name)+1)%len(names)])
	m.say("·", "theme "+m.theme.name+"; keep it with --theme "+m.theme.name)
	return nil
}
