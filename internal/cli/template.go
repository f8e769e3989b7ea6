package cli

import (
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
)

// maxTemplate bounds a template file, in bytes.
const maxTemplate = 1 << 20

func newTemplateCmd(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "template",
		Aliases: []string{"templates"},
		Short:   "Look at templates, make your own",
		Long: `Templates say what a workspace is made from. Some are built in; those of your own
are files in a folder (see wsctl config explain templates).`,
		Example: "  wsctl template ls\n  wsctl template new mine\n  wsctl template import ./mine",
		Args:    cobra.ArbitraryArgs,
		RunE:    groupRun,
	}
	cmd.AddCommand(newTemplateListCmd(f), newTemplateShowCmd(f), newTemplateNewCmd(f, nil), newTemplateValidateCmd(f), newTemplateImportCmd(f, nil))
	return cmd
}

func newTemplateListCmd(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List templates",
		Long:    `Lists the templates that create can use. Offline ones need no registry.`,
		Example: "  wsctl template ls",
		Args:    takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.Client(cmd.Context())
			if err != nil {
				return err
			}
			list, err := c.Templates(cmd.Context())
			if err != nil {
				return err
			}
			return f.result(list, func(out io.Writer) error {
				t := f.table("NAME", "TITLE", "OFFLINE", "SOURCE")
				for _, m := range list.Templates {
					t.Row(m.Name, m.Title, yesNo(m.Offline), m.Source)
				}
				return t.Write(out)
			})
		},
	}
}

func newTemplateShowCmd(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:               "show NAME",
		Short:             "Show a template and its parameters",
		Long:              `Shows one template: what a workspace made from it runs, and the parameters of create.`,
		Example:           "  wsctl template show static",
		Args:              takes(1, 1, "one NAME"),
		ValidArgsFunction: completeTemplates(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.Client(cmd.Context())
			if err != nil {
				return err
			}
			t, err := c.Template(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return f.result(t, func(out io.Writer) error { return f.showTemplate(out, t) })
		},
	}
}

func newTemplateValidateCmd(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE-OR-FOLDER",
		Short: "Check a template",
		Long: `Checks a template without using it: a file alone, or a folder with template.toml and
its folders files and build; "-" reads a file from standard input. Mistakes are told
with line and column, all at once; --json shows what the template resolves to.`,
		Example: "  wsctl template validate ./mine.toml\n  wsctl template validate ./blog",
		Args:    takes(1, 1, "one FILE or FOLDER"),
		RunE:    func(cmd *cobra.Command, args []string) error { return runTemplateValidate(cmd.Context(), f, args[0]) },
	}
}

func runTemplateValidate(ctx context.Context, f *Factory, path string) error {
	t, err := f.validateTemplate(ctx, path)
	if err != nil {
		return err
	}
	return f.result(t, func(out io.Writer) error {
		name := path
		if path == "-" {
			name = "standard input"
		}
		if err := f.print("%s is a valid template\n", render.Escape(name)); err != nil {
			return err
		}
		return f.writeSpec(out, t.Spec)
	})
}

func (f *Factory) validateTemplate(ctx context.Context, path string) (api.Template, error) {
	if info, err := os.Stat(path); path != "-" && err == nil && info.IsDir() {
		name, files, err := f.readTemplate(path)
		if err != nil {
			return api.Template{}, err
		}
		return f.checkTemplate(ctx, name, files)
	}
	text, err := f.readFile(path, maxTemplate)
	if err != nil {
		return api.Template{}, err
	}
	c, err := f.Client(ctx)
	if err != nil {
		return api.Template{}, err
	}
	return c.ValidateTemplate(ctx, text)
}

// readFile reads a file that a person named, of at most most bytes.
func (f *Factory) readFile(path string, most int64) ([]byte, error) {
	in := f.Streams.In
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, fileFault("read", path, err)
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, fileFault("read", path, err)
	}
	if int64(len(text)) > most {
		return nil, fault.New(fault.TooLarge, "file_too_large", "%s has more than %s", path, render.Bytes(most))
	}
	return text, nil
}
