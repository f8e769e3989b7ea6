package tui

import (
	"cmp"
	"context"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// form asks for what a new workspace is made of. Fields are checked as they are typed;
// the equal command stands below them.
type form struct {
	templates []api.Template // nil: not fetched yet
	template  int
	fields    []field
	at        int    // 0 is the template, then the fields
	verdict   string // of the dry run
	wrong     bool
	busy      bool
}

// field is one line of the form.
type field struct {
	name, note string
	input      input
	options    []string
	param      bool // of the template
	check      func(string) error
}

type (
	templatesMsg struct {
		list []api.Template
		err  error
	}
	createdMsg struct {
		w      workspace.Workspace
		dryRun bool
		line   string
		err    error
	}
)

func (m *Model) openForm() tea.Cmd {
	m.form = &form{}
	m.form.build()
	ctx, source := m.ctx, m.source
	return func() tea.Msg {
		list, err := source.Templates(ctx)
		return templatesMsg{list, err}
	}
}

// build makes the fields for the chosen template and keeps what was typed into fields of
// the same name.
func (f *form) build() {
	old := map[string]string{}
	for _, x := range f.fields {
		old[x.name] = x.input.value()
	}
	f.fields = []field{{name: "name", note: "empty: one is made up", check: workspace.ValidateName}}
	if t := f.chosen(); t != nil {
		for _, p := range t.Params {
			f.fields = append(f.fields, field{name: p.Name, note: p.Description, options: options(p), param: true, check: checkParam(p)})
			if _, typed := old[p.Name]; !typed {
				old[p.Name] = p.Default
			}
		}
	}
	f.fields = append(f.fields, field{name: "labels", note: "KEY=VALUE, several with spaces", check: checkLabels})
	for i := range f.fields {
		f.fields[i].input = newInput(old[f.fields[i].name])
		f.fields[i].input.focus = false
	}
	f.focus(f.at)
}

func options(p api.Param) []string {
	if p.Type == "bool" && len(p.Options) == 0 {
		return []string{"true", "false"}
	}
	return p.Options
}

func checkParam(p api.Param) func(string) error {
	return func(s string) error {
		if o := options(p); len(o) > 0 && !slices.Contains(o, s) {
			return fault.New(fault.Usage, "param_invalid", "one of: %s", strings.Join(o, ", "))
		}
		if p.Type == "int" && strings.ContainsFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '-' }) {
			return fault.New(fault.Usage, "param_invalid", "a whole number")
		}
		return nil
	}
}

func checkLabels(s string) error {
	for word := range strings.FieldsSeq(s) {
		k, v, ok := strings.Cut(word, "=")
		if !ok {
			return fault.New(fault.Usage, "label_invalid", "%.40q is not KEY=VALUE", word)
		}
		if err := workspace.ValidateLabel(k, v); err != nil {
			return err
		}
	}
	return nil
}

func (f *form) chosen() *api.Template {
	if f.template < len(f.templates) {
		return &f.templates[f.template]
	}
	return nil
}

func (f *form) focus(i int) {
	f.at = max(0, min(i, len(f.fields)))
	for j := range f.fields {
		if j+1 == f.at {
			f.fields[j].input.focus = true
		} else {
			f.fields[j].input.focus = false
		}
	}
}

// request is what the form asks for, and the first thing that is wrong with it.
func (f *form) request() (api.Create, error) {
	req := api.Create{Params: map[string]string{}, Labels: map[string]string{}}
	t := f.chosen()
	if t == nil {
		return req, fault.New(fault.Usage, "no_template", "the templates are not known yet")
	}
	req.Template = t.Name
	for _, x := range f.fields {
		v := strings.TrimSpace(x.input.value())
		if v == "" {
			continue
		}
		if err := x.check(v); err != nil {
			return req, err
		}
		switch {
		case x.param:
			if i := slices.IndexFunc(t.Params, func(p api.Param) bool { return p.Name == x.name && p.Default == v }); i < 0 {
				req.Params[x.name] = v
			}
		case x.name == "name":
			req.Name = v
		default:
			for word := range strings.FieldsSeq(v) {
				k, v, _ := strings.Cut(word, "=")
				req.Labels[k] = v
			}
		}
	}
	return req, nil
}

func (f *form) key(m *Model, k tea.KeyMsg) tea.Cmd {
	f.verdict = ""
	switch name := k.String(); name {
	case "esc":
		m.form = nil
	case "up", "shift+tab":
		f.focus(f.at - 1)
	case "down", "tab":
		f.focus(f.at + 1)
	case "left", "right":
		if f.turn(map[string]int{"left": -1, "right": 1}[name]) {
			return nil
		}
		return f.typed(k)
	case "ctrl+t":
		return f.send(m, true)
	case "enter":
		return f.send(m, false)
	default:
		return f.typed(k)
	}
	return nil
}

func (f *form) typed(k tea.KeyMsg) tea.Cmd {
	if f.at > 0 {
		x := &f.fields[f.at-1]
		x.input.key(k)
	}
	return nil
}

// turn takes the next of several values; false where the field is for typing.
func (f *form) turn(n int) bool {
	if f.at == 0 {
		if len(f.templates) > 0 {
			f.template = (f.template + n + len(f.templates)) % len(f.templates)
			f.build()
		}
		return true
	}
	x := &f.fields[f.at-1]
	if len(x.options) == 0 {
		return false
	}
	i := (slices.Index(x.options, x.input.value()) + n + len(x.options)) % len(x.options)
	x.input.set(x.options[i])
	return true
}

// send creates, or asks what would be created.
func (f *form) send(m *Model, dryRun bool) tea.Cmd {
	req, err := f.request()
	if err != nil || f.busy {
		if err != nil {
			f.verdict, f.wrong = fault.From(err).Text, true
		}
		return nil
	}
	f.busy, req.DryRun = true, dryRun
	ctx, source := m.ctx, m.source
	return func() tea.Msg { return create(ctx, source, req) }
}

func create(ctx context.Context, source Source, req api.Create) tea.Msg {
	w, err := source.Create(ctx, req)
	return createdMsg{w, req.DryRun, createLine(req), err}
}

// handleForm takes the answers that the form has asked for.
func (m *Model) handleForm(msg tea.Msg) tea.Cmd {
	f := m.form
	switch msg := msg.(type) {
	case templatesMsg:
		if msg.err != nil {
			m.fail("templates", msg.err)
		} else if f != nil {
			f.templates = msg.list
			f.template = max(0, slices.IndexFunc(msg.list, func(t api.Template) bool { return t.Name == "static" }))
			f.build()
		}
	case createdMsg:
		if f != nil {
			f.busy = false
		}
		switch {
		case msg.err != nil && f != nil:
			e := fault.From(msg.err)
			f.verdict, f.wrong = e.Text+" ["+e.Code+"]"+suffix(" · ", e.Hint), true
		case msg.err != nil:
			m.fail("create", msg.err)
		case msg.dryRun && f != nil:
			f.verdict, f.wrong = "this would be "+cmp.Or(msg.w.Name, "a made-up name")+" from "+from(&msg.w), false
		case !msg.dryRun:
			m.form = nil
			m.list.at = msg.w.ID
			m.pending[msg.w.ID] = Order{ID: msg.w.ID, Name: msg.w.Name}
			m.say("›", msg.line)
		}
	}
	return nil
}

func (f *form) footer(m *Model) string {
	return m.keys([][2]string{{"enter", "create"}, {"↑↓", "fields"}, {"←→", "choices"}, {"ctrl+t", "check"}, {"esc", "back"}})
}

func (f *form) view(m *Model, width, height int) []string {
	t := m.theme
	out := []string{" " + t.bold.paint("New workspace"), ""}
	name, note := "…", "asking for the templates"
	if c := f.chosen(); c != nil {
		name, note = c.Name, cmp.Or(c.Title, c.Description)
	}
	out = append(out, f.row(m, 0, "template", "‹ "+name+" ›", note, nil, width)...)
	here := len(out) // below the line of the field that is typed into
	for i, x := range f.fields {
		value := x.input.view(m.theme, max(8, min(30, width-20)))
		if len(x.options) > 0 {
			value = "‹ " + x.input.value() + " ›"
		}
		var err error
		if v := strings.TrimSpace(x.input.value()); v != "" {
			err = x.check(v)
		}
		out = append(out, f.row(m, i+1, x.name, value, x.note, err, width)...)
		if i+1 == f.at {
			here = len(out)
		}
	}
	out = append(out, "")
	if req, err := f.request(); err == nil {
		for i, part := range broken(createLine(req), width-4) {
			out = append(out, map[bool]string{true: " › ", false: "   "}[i == 0]+t.accent.paint(render.Escape(part)))
		}
	}
	if f.verdict != "" {
		colour, sign := t.good, " ✓ "
		if f.wrong {
			colour, sign = t.bad, " ✗ "
		}
		out = append(out, "")
		for i, part := range broken(f.verdict, width-4) {
			out = append(out, map[bool]string{true: sign, false: "   "}[i == 0]+colour.paint(render.Escape(part)))
		}
	}
	if top := max(0, min(here-height, len(out)-height)); top > 0 {
		out = out[top:]
	}
	return out
}

// asideWidth is from how many columns the note of a field stands beside it.
const asideWidth = 64

// row is one field: its name, its value, and what is wrong with it or what it is for. On a
// narrow terminal that stands below, of the chosen field and of those that are wrong.
func (f *form) row(m *Model, i int, name, value, note string, err error, width int) []string {
	pointer, label := "   ", m.theme.faint.paint(cell(name, 12, false))
	if i == f.at {
		pointer, label = " ▸ ", m.theme.key.paint(cell(name, 12, false))
	}
	line, colour := pointer+label+" "+value, m.theme.faint
	if err != nil {
		note, colour = fault.From(err).Text, m.theme.bad
	}
	aside := colour.paint(render.Escape(note))
	switch {
	case width >= asideWidth:
		return []string{cut(pad(line, 40)+"  "+aside, width)}
	case note == "" || i != f.at && err == nil:
		return []string{cut(line, width)}
	}
	return []string{cut(line, width), cut("     "+aside, width)}
}
