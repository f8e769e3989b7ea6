package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// maxTemplate bounds a template file, in bytes.
const maxTemplate = 1 << 20

func newTemplateCmd(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "template",
		Aliases: []string{"templates"},
		Short:   "Look at templates, check one of your own",
		Long: `Templates say what a workspace is made from. Some are built in; those of your own
are files in a folder (see wsctl config explain templates).`,
		Example: "  wsctl template ls\n  wsctl template validate ./mine.toml",
		Args:    cobra.ArbitraryArgs,
		RunE:    groupRun,
	}
	cmd.AddCommand(newTemplateListCmd(f), newTemplateShowCmd(f), newTemplateValidateCmd(f))
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
		Long:              `Shows one template: its image, port, limits, and the parameters that create takes.`,
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

func (f *Factory) showTemplate(out io.Writer, t api.Template) error {
	var s facts
	s.add("template", t.Name)
	s.add("title", t.Title)
	s.add("about", t.Description)
	s.add("source", t.Source)
	s.add("offline", yesNo(t.Offline))
	s.add("image", t.Spec.Image)
	s.add("command", strings.Join(t.Spec.Command, " "))
	s.add("port inside", fmt.Sprint(t.Spec.Port))
	s.add("limits", templateLimits(t.Spec.Limits))
	s.add("profile", string(t.Spec.Profile))
	for _, p := range t.Params {
		s.add("--param "+p.Name, paramText(p))
	}
	return s.write(out, f.outPalette())
}

// templateLimits names only what the template sets itself.
func templateLimits(l workspace.Limits) string {
	var set []string
	if l.CPUs > 0 {
		set = append(set, render.Number(l.CPUs)+" CPUs")
	}
	if l.Memory > 0 {
		set = append(set, render.Bytes(l.Memory)+" memory")
	}
	if l.Pids > 0 {
		set = append(set, fmt.Sprintf("%d processes", l.Pids))
	}
	if len(set) < 3 {
		set = append(set, "else as in defaults.* of the settings")
	}
	return strings.TrimPrefix(strings.Join(set, ", "), "else ")
}

func paramText(p api.Param) string {
	text := p.Type
	if len(p.Options) > 0 {
		text = strings.Join(p.Options, " | ")
	}
	if p.Default != "" {
		text += ", default " + p.Default
	}
	if p.Description != "" {
		text += ": " + p.Description
	}
	return text
}

func newTemplateValidateCmd(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "validate FILE",
		Short:   "Check a template file",
		Long:    `Checks a template file without using it; "-" reads standard input.`,
		Example: "  wsctl template validate ./mine.toml",
		Args:    takes(1, 1, "one FILE"),
		RunE:    func(cmd *cobra.Command, args []string) error { return runTemplateValidate(cmd.Context(), f, args[0]) },
	}
}

func runTemplateValidate(ctx context.Context, f *Factory, path string) error {
	text, err := f.readFile(path, maxTemplate)
	if err != nil {
		return err
	}
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	t, err := c.ValidateTemplate(ctx, text)
	if err != nil {
		return err
	}
	name := path
	if path == "-" {
		name = "standard input"
	}
	return f.result(t, func(io.Writer) error { return f.print("%s is a valid template\n", render.Escape(name)) })
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
