// Package template turns a template and its parameters into a workspace.Spec.
//
// A template is a TOML file, perhaps with a folder of first files beside it; the
// built-in ones are part of the program, users add their own (docs/templates.md).
// Everything in a template is data: `${name}` is replaced by the value of a
// declared parameter in environment values, build arguments, command words and file
// contents, in one pass and nowhere else. No shell and no template language ever sees it, and
// nothing of the host (environment, files, clock) can be named in it.
//
// A catalogue reads files; nothing else here does. Templates never change after they are
// made; they and catalogues may be used by any number of goroutines.
package template

import (
	"maps"
	"slices"
	"strings"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Builtin is the Source of templates that are part of the program.
const Builtin = "builtin"

// Template is one template. Where Err is set it cannot be used: only Name and
// Source are sure then.
type Template struct {
	Name        string
	Title       string
	Description string
	Source      string // Builtin, or the file it was read from
	Params      []Param
	Err         error

	spec    workspace.Spec // with placeholders still in it
	raw     map[string]bool
	context []byte // tar of the folder build
	offline bool   // the build needs no registry
}

// Values are what a template is resolved with.
type Values struct {
	Workspace string            // name of the workspace, for ${workspace}
	Port      int               // in place of the template's port, for ${port}; 0: the template's
	Params    map[string]string // by name; absent ones have their default
}

// Names that every template may use without declaring them. Their values cannot
// hold anything but letters, digits and dashes.
const (
	nameWorkspace = "workspace"
	namePort      = "port"
)

// Offline reports whether the template needs no registry: wsd makes its image, or the
// one that its own is built from.
func (t Template) Offline() bool { return strings.HasPrefix(t.spec.Image, "wsd:") || t.offline }

// Spec is Resolve with parameters alone.
func (t Template) Spec(params map[string]string) (workspace.Spec, error) {
	return t.Resolve(Values{Params: params})
}

// Resolve returns what a workspace made from t runs. Limits and time-outs that
// the template leaves open are zero. Errors are fault.Errors of kind Invalid that
// name every wrong parameter.
func (t Template) Resolve(v Values) (workspace.Spec, error) {
	if t.Err != nil {
		return workspace.Spec{}, t.Err
	}
	values, err := t.values(v)
	if err != nil {
		return workspace.Spec{}, err
	}
	spec := t.spec.Clone()
	if v.Port != 0 {
		spec.Port = v.Port
	}
	for _, list := range words(&spec) {
		for i, w := range list {
			list[i] = substitute(w, values)
		}
	}
	for _, table := range tables(&spec) {
		for k, s := range table {
			table[k] = substitute(s, values)
		}
	}
	for i, f := range spec.Files {
		if !t.raw[f.Path] {
			spec.Files[i].Content = substitute(f.Content, values)
		}
	}
	return spec, checkSpec(spec)
}

// checkSpec checks what only holds, or fails, once the values are in.
func checkSpec(s workspace.Spec) error {
	if s.Port != 0 {
		if err := workspace.ValidatePort(s.Port); err != nil {
			return err
		}
	}
	total := 0
	for _, f := range s.Files {
		total += len(f.Path) + len(f.Content)
	}
	if total > workspace.MaxFiles {
		return fault.New(fault.TooLarge, "files_too_large", "the files have %d bytes together, at most %d are allowed", total, workspace.MaxFiles).
			WithHint("fetch large files once the workspace runs").WithField("/files", "files_too_large", "")
	}
	return checkInside(&s)
}

// Catalogue is a set of templates by name: the built-in ones, and those of a folder as
// it is at the moment of the question.
type Catalogue struct {
	builtin map[string]Template
	userDir string
}

// Get returns the template of this name; one that cannot be used is an error.
func (c *Catalogue) Get(name string) (Template, error) {
	all, err := c.read(name)
	if err != nil {
		return Template{}, err
	}
	t, ok := all[name]
	if ok {
		return t, t.Err
	}
	all, err = c.read("")
	if err != nil {
		return Template{}, err
	}
	names := slices.Sorted(maps.Keys(all))
	hint := "there are " + strings.Join(names, ", ")
	if near := fault.Nearest(name, names, max(1, len(name)/3)); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	return Template{}, fault.New(fault.NotFound, "template_not_found", "there is no template %.60q", name).
		WithHint("%s", hint).WithField("/template", "template_not_found", "")
}

// List returns every template sorted by name, also those that cannot be used. Where the
// folder cannot be read any more, it is the built-in ones.
func (c *Catalogue) List() []Template {
	all, _ := c.read("")
	list := make([]Template, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[name])
	}
	return list
}
