package cli

import (
	"context"
	"embed"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// skeleton is what template new writes, with NAME in place of the name.
//
//go:embed skeleton
var skeleton embed.FS

// templateNewOptions are the arguments of template new.
type templateNewOptions struct{ Name, Dir string }

func newTemplateNewCmd(f *Factory, runF func(context.Context, *templateNewOptions) error) *cobra.Command {
	o := &templateNewOptions{}
	if runF == nil {
		runF = func(_ context.Context, o *templateNewOptions) error { return runTemplateNew(f, o) }
	}
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Begin a template of your own",
		Long: `Writes a folder NAME with a template.toml that works and says in comments what else a
template can have, and its first files. Nothing that is there is overwritten. Change it,
then check it with template validate and make it known with template import.`,
		Example: "  wsctl template new blog\n  wsctl template validate ./blog\n  wsctl template import ./blog",
		Args: func(cmd *cobra.Command, args []string) error {
			if err := takes(1, 1, "one NAME")(cmd, args); err != nil {
				return err
			}
			return workspace.ValidateName(args[0])
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Name = args[0]
			return runF(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.Dir, "dir", ".", "`FOLDER` in which the new one is made")
	return cmd
}

func runTemplateNew(f *Factory, o *templateNewOptions) error {
	var files []templateFile
	err := fs.WalkDir(skeleton, "skeleton", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := skeleton.ReadFile(p)
		text := strings.ReplaceAll(string(data), "NAME", o.Name)
		files = append(files, templateFile{strings.TrimPrefix(p, "skeleton/"), 0o644, []byte(text)})
		return err
	})
	if err != nil {
		return err
	}
	dir := filepath.Join(o.Dir, o.Name)
	if err := writeTemplate(dir, files); err != nil {
		return err
	}
	made := struct {
		Name string `json:"name"`
		Path string `json:"path"`
	}{o.Name, dir}
	return f.result(made, func(io.Writer) error {
		return f.print("%s\n", render.Escape(filepath.Join(dir, manifestFile)))
	})
}
