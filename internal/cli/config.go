package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/config"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
)

func newConfigCmd(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show settings and where each comes from",
		Long: `Settings come from a file, from the environment (WSD_...) and from flags; a flag is
stronger than the environment, and that than the file.`,
		Example: "  wsctl config explain\n  wsctl config path",
		Args:    cobra.ArbitraryArgs,
		RunE:    groupRun,
	}
	cmd.AddCommand(newConfigExplainCmd(f), newConfigPathCmd(f))
	return cmd
}

func newConfigExplainCmd(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "explain [KEY]",
		Short: "Show each setting, its value and its source",
		Long: `Shows every setting with its value and where that comes from: default, file with its
line, variable or flag. With a KEY it also tells what the setting means and takes.
These are the settings as wsctl sees them; a running wsd has those of its start.`,
		Example: "  wsctl config explain\n  wsctl config explain ports.first",
		Args:    takes(0, 1, "one KEY"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var keys []string
			for _, k := range config.Keys(1) {
				keys = append(keys, k.Name+"\t"+k.About)
			}
			return keys, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error { return runConfigExplain(f, args) },
	}
}

func runConfigExplain(f *Factory, args []string) error {
	found, err := f.Config()
	if err != nil {
		return err
	}
	origins := found.Origins
	if len(args) == 0 {
		return f.result(origins, func(out io.Writer) error { return f.writeOrigins(out, origins) })
	}
	o, ok := origins.Explain(args[0])
	if !ok {
		var names []string
		for _, k := range origins.Keys {
			names = append(names, k.Key)
		}
		e := fault.New(fault.NotFound, "key_unknown", "there is no setting %.60q", args[0]).WithHint("see `wsctl config explain`")
		if near := nearest(args[0], names); near != "" {
			e = e.WithHint("did you mean %s?", near)
		}
		return e
	}
	return f.result(o, func(out io.Writer) error {
		var s facts
		s.add("key", o.Key)
		s.add("about", o.About)
		s.add("value", o.Value)
		s.add("from", sourceText(o))
		s.add("default", o.Default)
		s.add("takes", o.Allowed)
		s.add("variable", o.Env)
		return f.writeFacts(out, s)
	})
}

func (f *Factory) writeOrigins(out io.Writer, origins config.Origins) error {
	for _, w := range origins.Warnings {
		f.note("warning: %s", render.Escape(w))
	}
	t := f.table("KEY", "VALUE", "FROM")
	t.Loose = []string{"FROM", "VALUE"}
	for _, o := range origins.Keys {
		row := []render.Cell{{Text: o.Key}, {Text: o.Value}, {Text: sourceText(o)}}
		if o.Source == config.FromDefault {
			row[2].Colour = render.Faint
		}
		t.Rows = append(t.Rows, row)
	}
	return t.Write(out)
}

func sourceText(o config.Origin) string {
	if o.Where == "" {
		return string(o.Source)
	}
	return fmt.Sprintf("%s %s", o.Source, o.Where)
}

func newConfigPathCmd(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "path",
		Short:   "Print the path of the settings file",
		Long:    `Prints the path of the settings file, whether or not it exists.`,
		Example: "  wsctl config path",
		Args:    takes(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			found, err := f.Config()
			origins := found.Origins
			if err != nil && origins.File == "" {
				return err
			}
			res := struct {
				Path   string `json:"path"`
				Exists bool   `json:"exists"`
			}{origins.File, origins.Found}
			return f.result(res, func(out io.Writer) error {
				if !res.Exists {
					f.note("the file does not exist; defaults hold")
				}
				_, err := fmt.Fprintln(out, res.Path)
				return err
			})
		},
	}
}
