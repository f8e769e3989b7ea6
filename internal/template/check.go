package template

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// reader turns a manifest into a template and notes every mistake on the way.
type reader struct {
	m     manifest
	t     *Template
	wrong []fault.Field
}

func (r *reader) refuse(pointer, code, format string, args ...any) {
	r.wrong = append(r.wrong, fault.Field{Pointer: pointer, Code: code, Detail: fmt.Sprintf(format, args...)})
}

// check notes err, whose sentence a person may read, as a mistake at pointer.
func (r *reader) check(pointer string, err error) {
	if e := fault.From(err); e != nil {
		r.refuse(pointer, e.Code, "%s", e.Text)
	}
}

func (r *reader) head() {
	m, s := r.m, &r.t.spec
	r.check("/name", workspace.ValidateName(r.t.Name))
	if m.Build == nil {
		r.check("/image", workspace.ValidateImage(m.Image))
	}
	r.text("/title", m.Title)
	r.text("/description", m.Description)
	s.Template, s.Image, s.Command, s.PreStop, s.Env = r.t.Name, m.Image, m.Command, m.PreStop, m.Env
	s.Ready, s.Profile = workspace.ReadyProcess, workspace.Strict
	if m.Port != nil {
		s.Port, s.Ready = *m.Port, workspace.ReadyPort
		r.check("/port", workspace.ValidatePort(s.Port))
	}
	switch ready := workspace.ReadyCheck(m.Ready); ready {
	case "":
	case workspace.ReadyPort, workspace.ReadyProcess:
		s.Ready = ready
	default:
		r.refuse("/ready", "ready_unknown", "%.40q is not a ready check: use port or process", m.Ready)
	}
	if s.Ready == workspace.ReadyPort && m.Port == nil {
		r.refuse("/port", "port_required", "ready = \"port\" needs a port")
	}
	switch profile := workspace.Profile(m.Profile); profile {
	case "":
	case workspace.Strict, workspace.Writable, workspace.Admin:
		s.Profile = profile
	default:
		r.refuse("/profile", "profile_unknown", "%.40q is not a profile: use strict, writable or admin", m.Profile)
	}
}

var paramRE = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func (r *reader) params() {
	if len(r.m.Params) > maxParams {
		r.refuse("/params", "params_too_many", "%d parameters are declared, at most %d are allowed", len(r.m.Params), maxParams)
		return
	}
	for i, row := range r.m.Params {
		at := fmt.Sprintf("/params/%d", i)
		p := Param{Name: row.Name, Type: ParamType(row.Type), Description: row.Description}
		if p.Type == "" {
			p.Type = String
		}
		switch {
		case len(p.Name) > maxParamName || !paramRE.MatchString(p.Name):
			r.refuse(at+"/name", "param_invalid", "%.60q is not a name for a parameter: use lower-case letters, digits and underscores", p.Name)
		case p.Name == nameWorkspace || p.Name == namePort:
			r.refuse(at+"/name", "param_reserved", "${%s} is there without being declared", p.Name)
		case slices.ContainsFunc(r.t.Params, func(q Param) bool { return q.Name == p.Name }):
			r.refuse(at+"/name", "param_twice", "parameter %s is declared twice", p.Name)
		case p.Type != String && p.Type != Int && p.Type != Bool:
			r.refuse(at+"/type", "param_invalid", "parameter %s has type %.40q: use string, int or bool", p.Name, p.Type)
		default:
			r.t.Params = append(r.t.Params, r.choices(at, p, row))
		}
	}
}

// choices fills the default and the options of p.
func (r *reader) choices(at string, p Param, row paramRow) Param {
	for _, o := range row.Options {
		text, ok := p.Type.text(o)
		if !ok || p.Type == Bool {
			r.refuse(at+"/options", "param_invalid", "%v is not an option of parameter %s of type %s", o, p.Name, p.Type)
			return p
		}
		p.Options = append(p.Options, text)
	}
	switch {
	case row.Default != nil:
		text, ok := p.Type.text(row.Default)
		if !ok {
			r.refuse(at+"/default", "param_invalid", "the default of parameter %s is not of type %s", p.Name, p.Type)
			return p
		}
		p.Default = text
	case len(p.Options) > 0:
		p.Default = p.Options[0]
	default:
		p.Default = p.Type.zero()
	}
	if problem := p.check(p.Default); problem != "" {
		r.refuse(at+"/default", "param_invalid", "the default of parameter %s %s", p.Name, problem)
	}
	return p
}

// text writes a TOML value of the type as a parameter's value.
func (t ParamType) text(v any) (string, bool) {
	switch v.(type) {
	case string:
		if t != String {
			return "", false
		}
	case int64:
		if t != Int {
			return "", false
		}
	case bool:
		if t != Bool {
			return "", false
		}
	default:
		return "", false
	}
	s := fmt.Sprint(v)
	return s, t.accepts(s)
}

// limits checks each limit that is given, with the others at a value that is
// always right.
func (r *reader) limits() {
	l, out := r.m.Limits, &r.t.spec.Limits
	sound := workspace.Limits{CPUs: 1, Memory: workspace.MinMemory, Pids: workspace.MinPids}
	if l.CPUs != nil {
		out.CPUs = *l.CPUs
		one := sound
		one.CPUs = out.CPUs
		r.check("/limits/cpus", workspace.ValidateLimits(one))
	}
	if l.Pids != nil {
		out.Pids = *l.Pids
		one := sound
		one.Pids = out.Pids
		r.check("/limits/pids", workspace.ValidateLimits(one))
	}
	if l.Memory == nil {
		return
	}
	n, err := workspace.ParseSize(*l.Memory)
	if err == nil {
		one := sound
		one.Memory = n
		err = workspace.ValidateLimits(one)
	}
	out.Memory = n
	r.check("/limits/memory", err)
}

// maxTimeout is the longest that a template may ask for.
const maxTimeout = 24 * time.Hour

func (r *reader) timeouts() {
	t, out := r.m.Timeouts, &r.t.spec.Timeouts
	for _, row := range []struct {
		name  string
		given *string
		to    *workspace.Duration
	}{
		{"create", t.Create, &out.Create},
		{"initialize", t.Initialize, &out.Initialize},
		{"start", t.Start, &out.Start},
		{"stop", t.Stop, &out.Stop},
		{"pre_stop", t.PreStop, &out.PreStop},
	} {
		if row.given != nil {
			r.duration("/timeouts/"+row.name, *row.given, row.to)
		}
	}
}

// values checks all texts in which values are put in: as they are, and that no `${...}`
// names what is not declared.
func (r *reader) values() {
	s := &r.t.spec
	for pointer, table := range tables(s) {
		r.check(pointer, workspace.ValidateEnv(table))
		for k, v := range table {
			r.declared(pointer+"/"+k, v)
		}
	}
	for pointer, list := range words(s) {
		r.check(pointer, workspace.ValidateCommand(list))
		for i, w := range list {
			r.declared(fmt.Sprintf("%s/%d", pointer, i), w)
		}
		r.noShell(pointer, list)
	}
	for _, f := range s.Files {
		if !r.t.raw[f.Path] {
			r.declared("/files ("+f.Path+")", f.Content)
		}
	}
	slices.SortFunc(r.wrong, func(a, b fault.Field) int {
		return strings.Compare(a.Pointer+"\x00"+a.Detail, b.Pointer+"\x00"+b.Detail)
	})
}

func (r *reader) param(name string) (Param, bool) {
	i := slices.IndexFunc(r.t.Params, func(p Param) bool { return p.Name == name })
	if i < 0 {
		return Param{}, false
	}
	return r.t.Params[i], true
}

func (r *reader) declared(pointer, text string) {
	for _, name := range names(text) {
		if _, ok := r.param(name); !ok && name != nameWorkspace && name != namePort {
			r.refuse(pointer, "param_undeclared", "${%.60s} is not a declared parameter; write $${ for the two characters themselves", name)
		}
	}
}

// noShell refuses text parameters in the program text of a shell: there they would
// be code. The same value as an argument or in the environment stays data. The shell may be
// started by another program, such as env or timeout, or be a parameter itself.
func (r *reader) noShell(pointer string, words []string) {
	shell := slices.IndexFunc(words, func(w string) bool {
		return slices.Contains([]string{"sh", "bash", "dash", "ash", "zsh", "ksh"}, path.Base(w))
	})
	if len(words) > 0 && len(names(words[0])) > 0 {
		shell = 0
	}
	if shell < 0 {
		return
	}
	for i := shell + 1; i < len(words); i++ {
		w := words[i]
		if !strings.HasPrefix(w, "-") || strings.HasPrefix(w, "--") || !strings.Contains(w, "c") {
			continue
		}
		for i++; i < len(words); i++ { // further options may stand before the program
			r.noText(fmt.Sprintf("%s/%d", pointer, i), words[i])
			if !strings.HasPrefix(words[i], "-") && !strings.HasPrefix(words[i], "+") {
				return
			}
		}
	}
}

func (r *reader) noText(pointer, program string) {
	for _, name := range names(program) {
		if p, ok := r.param(name); ok && p.Type == String {
			r.refuse(pointer, "param_in_shell",
				"${%s} would become part of a shell program: pass it as an argument after the program, or in env", name)
		}
	}
}
