package cli

import (
	"cmp"
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
)

// templateImportOptions are the arguments of template import.
type templateImportOptions struct {
	Path, Name string
	Force      bool
}

func newTemplateImportCmd(f *Factory, runF func(context.Context, *templateImportOptions) error) *cobra.Command {
	o := &templateImportOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *templateImportOptions) error { return runTemplateImport(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "import FILE-OR-FOLDER",
		Short: "Make a template of your own known",
		Long: `Checks a template and copies it into the folder of the setting templates, where create
finds it at once: template.toml, and the folders files and build beside it. A template
that is there under that name is replaced only with --force.`,
		Example: "  wsctl template import ./blog\n  wsctl template import ./tool.toml --name other --force",
		Args:    takes(1, 1, "one FILE or FOLDER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Path = args[0]
			return runF(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Name, "name", "", "`NAME` of the template (default: that of the folder or file)")
	flags.BoolVarP(&o.Force, "force", "f", false, "replace a template of this name")
	return cmd
}

func runTemplateImport(ctx context.Context, f *Factory, o *templateImportOptions) error {
	name, files, err := f.readTemplate(o.Path)
	if err != nil {
		return err
	}
	name = cmp.Or(o.Name, name)
	t, err := f.checkTemplate(ctx, name, files)
	if err != nil {
		return err
	}
	if t.Name != name {
		return fault.New(fault.Invalid, "name_mismatch", "the template calls itself %s, not %s", t.Name, name).
			WithHint("leave the key name out, or give --name %s", t.Name)
	}
	settings, err := f.Config()
	if err != nil {
		return err
	}
	dir := filepath.Join(settings.Text("templates"), name)
	if err := placeTemplate(dir, files, o.Force); err != nil {
		return err
	}
	if err := f.tellUnseen(ctx, name, dir); err != nil {
		return err
	}
	t.Source = filepath.Join(dir, manifestFile)
	return f.result(t, func(io.Writer) error {
		return f.print("%s is imported; use it with wsctl create --template %s\n", name, name)
	})
}

// placeTemplate puts files at dir as a whole: they are written beside it, under a name
// that is no template's, and then take its place. A NAME.toml would hide behind dir.
func placeTemplate(dir string, files []templateFile, force bool) error {
	parent, name := filepath.Split(dir)
	for _, there := range []string{dir, dir + ".toml"} {
		if _, err := os.Lstat(there); err == nil && !force {
			return fault.New(fault.Conflict, "template_exists", "%s is there already", render.Escape(there)).
				WithHint("give --force to replace it, or another --name")
		}
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fileFault("make", parent, err)
	}
	work, err := os.MkdirTemp(parent, "."+name+".")
	if err != nil {
		return fileFault("write in", parent, err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	fresh, old := filepath.Join(work, "new"), filepath.Join(work, "old")
	if err := writeTemplate(fresh, files); err != nil {
		return err
	}
	if force {
		if err := os.Rename(dir, old); err != nil && !os.IsNotExist(err) {
			return fileFault("replace", dir, err)
		}
		if err := os.Remove(dir + ".toml"); err != nil && !os.IsNotExist(err) {
			return fileFault("replace", dir+".toml", err)
		}
	}
	if err := os.Rename(fresh, dir); err != nil {
		_ = os.Rename(old, dir) // there may be none
		return fileFault("write", dir, err)
	}
	return nil
}

// tellUnseen says so where wsd, which may have other settings than wsctl, does not find
// the template.
func (f *Factory) tellUnseen(ctx context.Context, name, dir string) error {
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	seen, err := c.Template(ctx, name)
	if err != nil || seen.Source != filepath.Join(dir, manifestFile) {
		f.note("wsctl: wsd does not see it: its setting templates names another folder than %s", render.Escape(filepath.Dir(dir)))
	}
	return nil
}
