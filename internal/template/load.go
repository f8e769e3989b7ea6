package template

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// builtin holds builtin/NAME/template.toml and builtin/NAME/files; `all:` keeps
// files whose name begins with a dot.
//
//go:embed all:builtin
var builtin embed.FS

// manifestName is the file that makes a folder a template.
const manifestName = "template.toml"

// Load returns the built-in templates and those of userDir, which may be empty or
// missing: NAME/template.toml with its folders NAME/files and NAME/build, or NAME.toml
// alone. A user's template hides a built-in one of its name. One that is broken is
// listed with its error and hides no other. Symbolic links are followed only inside
// userDir, which is read anew at each question: a change counts from the next one on.
func Load(userDir string) (*Catalogue, error) {
	c := &Catalogue{builtin: map[string]Template{}, userDir: userDir}
	if err := add(c.builtin, builtin, "builtin", "", func(string) string { return Builtin }); err != nil {
		return nil, fmt.Errorf("cannot read the built-in templates: %w", err)
	}
	for _, t := range c.builtin {
		if t.Err != nil {
			return nil, fmt.Errorf("cannot read the built-in template %s: %w", t.Name, t.Err)
		}
	}
	_, err := c.read("")
	return c, err
}

// read returns the templates by name: those of only, or all where that is empty.
func (c *Catalogue) read(only string) (map[string]Template, error) {
	all := maps.Clone(c.builtin)
	if c.userDir == "" {
		return all, nil
	}
	root, err := os.OpenRoot(c.userDir)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err == nil {
		defer root.Close()
		err = add(all, root.FS(), ".", only, func(p string) string { return filepath.Join(c.userDir, filepath.FromSlash(p)) })
	}
	if err != nil {
		return all, fault.New(fault.Invalid, "templates_unreadable", "cannot read the folder of templates %s", c.userDir).
			WithHint("name another folder with the setting templates, or leave it empty").WithCause(err)
	}
	return all, nil
}

// add puts the templates below dir into all; source tells where a file of them is.
func add(all map[string]Template, from fs.FS, dir, only string, source func(string) string) error {
	entries, err := fs.ReadDir(from, dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, file, folder := e.Name(), path.Join(dir, e.Name(), manifestName), path.Join(dir, e.Name())
		if info, err := fs.Stat(from, path.Join(dir, name)); err != nil || !info.IsDir() {
			trimmed, ok := strings.CutSuffix(name, ".toml")
			if !ok {
				continue
			}
			name, file, folder = trimmed, path.Join(dir, name), ""
		}
		if workspace.ValidateName(name) != nil || only != "" && name != only {
			continue // such as .git: nobody could ask for it
		}
		if _, err := fs.Stat(from, file); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		t, err := load(from, name, file, folder)
		if err != nil {
			t = Template{Name: name, Title: name, Err: err}
		}
		t.Source = source(file)
		all[name] = t
	}
	return nil
}

// load reads one template.
func load(from fs.FS, name, file, folder string) (Template, error) {
	data, err := readManifest(from, file)
	if err != nil {
		return Template{}, fault.New(fault.Invalid, "template_unreadable", "cannot read template %s", name).WithCause(err)
	}
	var inside fs.FS
	if folder != "" {
		if inside, err = fs.Sub(from, folder); err != nil {
			return Template{}, err
		}
	}
	t, err := Parse(data, name, inside)
	if err == nil && t.Name != name {
		return Template{}, fault.New(fault.Invalid, "template_invalid", "template %s calls itself %s", name, t.Name).
			WithHint("leave name out, or name the folder like it").WithField("/name", "name_mismatch", "")
	}
	return t, err
}

func readManifest(from fs.FS, file string) ([]byte, error) {
	// Asked before it is opened: opening a pipe would wait for its other end.
	if info, err := fs.Stat(from, file); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("not a regular file"))
	}
	f, err := from.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxManifest+1))
}
