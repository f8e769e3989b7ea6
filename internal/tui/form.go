package tui

import (
	"cmp"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
)

// form asks for what a new workspace is made of. Fields are checked as they are typed;
// the equal command stands below them.
type form struct {
	templates []api.Template   // nil: not fetched yet
	inputs    map[string]input // by key, also of fields that are not there now
	fields    []field
	at        int
	folder    folderCheck
	// completion is what is listed below the field of a folder; nil: nothing.
	completion *completion
	verdict    string // of the dry run, or what is wrong
	wrong      bool
	busy       bool
}

type (
	templatesMsg struct {
		list []api.Template
		err  error
	}
	folderMsg  struct{ folderCheck }
	createdMsg struct {
		from   *form
		made   Made
		dryRun bool
		line   string
		err    error
	}
)

func (m *Model) openForm() tea.Cmd {
	f := &form{inputs: map[string]input{}}
	f.preset("from", fromTemplate)
	f.preset("files", filesOwn)
	f.preset("folder", ".")
	f.build()
	m.form = f
	ctx, source := m.ctx, m.source
	return func() tea.Msg {
		list, err := source.Templates(ctx)
		return templatesMsg{list, err}
	}
}

// build makes the fields for what is chosen, and keeps what was typed.
func (f *form) build() {
	for _, x := range f.fields {
		f.inputs[x.key] = x.input
	}
	f.fields = f.fieldsFor()
	for i := range f.fields {
		f.fields[i].input = f.inputs[f.fields[i].key]
	}
	f.focus(f.at)
}

// preset gives a field what it begins with.
func (f *form) preset(key, value string) {
	if _, there := f.inputs[key]; !there {
		f.inputs[key] = newInput(value)
	}
}

// value is what was chosen or typed in a field, as of the last build.
func (f *form) value(key string) string {
	in := f.inputs[key]
	return in.value()
}

func (f *form) chosen() *api.Template {
	name := f.value("template")
	if i := slices.IndexFunc(f.templates, func(t api.Template) bool { return t.Name == name }); i >= 0 {
		return &f.templates[i]
	}
	return nil
}

func (f *form) focus(i int) {
	f.at = max(0, min(i, len(f.fields)-1))
	for j := range f.fields {
		f.fields[j].input.focus = j == f.at
	}
}

// wrongIn is what is wrong with what stands in a field; nil also of nothing.
func (x *field) wrongIn() error {
	if v := strings.TrimSpace(x.input.value()); v != "" && x.check != nil {
		return x.check(v)
	}
	return nil
}

// draft is what the form asks for, and the first thing that is wrong with it.
func (f *form) draft() (Draft, error) {
	d := Draft{Create: api.Create{Params: map[string]string{}, Labels: map[string]string{}}}
	for i := range f.fields {
		x := &f.fields[i]
		v := strings.TrimSpace(x.input.value())
		switch err := x.wrongIn(); {
		case err != nil:
			return d, err
		case v == "" && x.missing != "":
			return d, fault.New(fault.Usage, "missing", "%s", x.missing)
		case v != "" && x.put != nil:
			x.put(&d, v)
		}
	}
	return d, nil
}

func (f *form) key(m *Model, k tea.KeyMsg) tea.Cmd {
	f.verdict = ""
	x := &f.fields[f.at]
	name := k.String()
	listed := f.completion != nil
	if name != "tab" && name != "shift+tab" {
		f.completion = nil
	}
	switch {
	case name == "esc" && listed: // that was meant
	case name == "esc":
		m.form = nil
	case x.folder && name == "tab":
		return f.complete(m, 1)
	case x.folder && name == "shift+tab":
		return f.complete(m, -1)
	case name == "up", name == "shift+tab":
		f.focus(f.at - 1)
	case name == "down", name == "tab":
		f.focus(f.at + 1)
	case name == "ctrl+t":
		return f.send(m, true)
	case name == "enter":
		return f.send(m, false)
	case len(x.choices) > 0:
		return f.choose(m, k)
	default:
		x.input.key(k)
		return f.askFolder(m)
	}
	return nil
}

// choose turns a field with choices, or goes to the next that begins with what is typed.
func (f *form) choose(m *Model, k tea.KeyMsg) tea.Cmd {
	x := &f.fields[f.at]
	n, at := len(x.choices), max(0, slices.Index(x.choices, x.input.value()))
	step := 0
	switch k.String() {
	case "left":
		step = n - 1
	case "right", " ":
		step = 1
	default:
		for i := n - 1; i > 0 && k.Type == tea.KeyRunes; i-- {
			if strings.HasPrefix(x.choices[(at+i)%n], string(k.Runes)) {
				step = i
			}
		}
	}
	x.input.set(x.choices[(at+step)%n])
	f.build()
	return f.askFolder(m)
}

// askFolder asks this machine about the folder, where another one stands there now.
func (f *form) askFolder(m *Model) tea.Cmd {
	i := slices.IndexFunc(f.fields, func(x field) bool { return x.key == "folder" })
	if i < 0 {
		return nil
	}
	text := strings.TrimSpace(f.fields[i].input.value())
	if text == f.folder.text || text == "" {
		return nil
	}
	f.folder = folderCheck{text: text}
	source := m.source
	return func() tea.Msg {
		full, err := source.Folder(text)
		return folderMsg{folderCheck{text, full, err}}
	}
}

// send creates, or asks what would be created.
func (f *form) send(m *Model, dryRun bool) tea.Cmd {
	d, err := f.draft()
	if err != nil {
		f.verdict, f.wrong = refusal(fault.From(err), false), true
	}
	if err != nil || f.busy {
		return nil
	}
	f.busy, d.DryRun = true, dryRun
	ctx, source := m.ctx, m.source
	return func() tea.Msg {
		made, err := source.Create(ctx, d)
		return createdMsg{f, made, dryRun, createLine(d), err}
	}
}

// refusal is an error as one text; the code is for what somebody else has refused.
func refusal(e *fault.Error, code bool) string {
	text := e.Text
	if code {
		text += " [" + e.Code + "]"
	}
	return text + suffix(" · ", e.Hint)
}

// handleForm takes the answers that the form has asked for.
func (m *Model) handleForm(msg tea.Msg) tea.Cmd {
	f := m.form
	switch msg := msg.(type) {
	case templatesMsg:
		if msg.err != nil {
			m.fail("templates", msg.err)
		} else if f != nil {
			f.takeTemplates(msg.list)
		}
	case folderMsg:
		if f != nil && f.folder.text == msg.text {
			f.folder = msg.folderCheck
			f.build()
		}
	case foldersMsg:
		if f != nil {
			return f.takeFolders(m, msg)
		}
	case createdMsg:
		m.takeCreated(msg)
	}
	return nil
}

func (f *form) takeTemplates(list []api.Template) {
	f.templates = list
	if len(list) > 0 {
		usual := max(0, slices.IndexFunc(list, func(t api.Template) bool { return t.Name == "static" }))
		f.preset("template", list[usual].Name)
	}
	f.build()
}

func (m *Model) takeCreated(msg createdMsg) {
	f := m.form
	if f != msg.from {
		f = nil // the one that asked was left, and this is another
	}
	if f != nil {
		f.busy = false
	}
	w := &msg.made.Workspace
	notes := strings.Join(msg.made.Notes, "; ")
	switch {
	case msg.err != nil && f != nil:
		f.verdict, f.wrong = refusal(fault.From(msg.err), true), true
	case msg.err != nil:
		m.fail("create", msg.err)
	case msg.dryRun && f != nil:
		f.verdict, f.wrong = "this would be "+cmp.Or(w.Name, "a made-up name")+" from "+from(w)+", "+render.Limits(w.Spec.Limits)+suffix("; ", notes), false
	case !msg.dryRun:
		if f != nil {
			m.form = nil
		}
		m.list.choose(w.ID)
		m.pending[w.ID] = pending{Order{ID: w.ID, Name: w.Name}, true, w.Revision}
		m.say("›", msg.line)
		m.toast.hint = notes
	}
}
