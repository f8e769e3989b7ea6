package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/render"
)

func newTerminalsCmd(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "terminals",
		Short: "List and end terminals",
		Long: `A terminal is made by wsctl shell, lives in its workspace and outlives who looks at
it. These commands show which there are, and end them.`,
		Example: `  wsctl terminals ls demo
  wsctl terminals kill demo main`,
		RunE: groupRun,
	}
	cmd.AddCommand(newTerminalsListCmd(f), newTerminalsKillCmd(f))
	return cmd
}

func newTerminalsListCmd(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "ls NAME",
		Short:   "List the terminals of a workspace",
		Long:    "Lists the terminals of a workspace, who looks at them and when they were last used.",
		Example: "  wsctl terminals ls demo\n  wsctl terminals ls demo --json | jq -r '.terminals[].name'",
		Args:    takes(1, 1, "one NAME"), ValidArgsFunction: completeWorkspaces(f, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return runTerminals(cmd.Context(), f, args[0]) },
	}
}

func runTerminals(ctx context.Context, f *Factory, name string) error {
	if err := nameOrFault(name); err != nil {
		return err
	}
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	list, err := c.Terminals(ctx, name)
	if err != nil {
		return err
	}
	if list.Terminals == nil {
		list.Terminals = []api.Terminal{}
	}
	return f.result(list, func(out io.Writer) error {
		if len(list.Terminals) == 0 {
			f.note("%s has no terminal; make one with wsctl shell %s", name, name)
			return nil
		}
		t := f.table("TERMINAL", "RUNS", "SIZE", "WRITERS", "VIEWERS", "LAST INPUT")
		t.Loose, t.Spare = []string{"RUNS"}, []string{"SIZE", "WRITERS", "VIEWERS"}
		for _, l := range list.Terminals {
			last := "-"
			if !l.LastInput.IsZero() {
				last = render.Span(f.Now().Sub(l.LastInput)) + " ago"
			}
			t.Row(l.Name, runs(l), fmt.Sprintf("%dx%d", l.Cols, l.Rows), fmt.Sprint(l.Writers), fmt.Sprint(l.Viewers-l.Writers), last)
		}
		return t.Write(out)
	})
}

// runs is what a terminal does now.
func runs(t api.Terminal) string {
	switch {
	case t.Foreground != "":
		return t.Foreground
	case len(t.Command) > 0:
		return strings.Join(t.Command, " ")
	}
	return "shell"
}

func newTerminalsKillCmd(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "kill NAME TERMINAL",
		Short:   "End a terminal and what runs in it",
		Long:    "Hangs a terminal up; what does not end within two seconds is killed.",
		Example: "  wsctl terminals kill demo main",
		Args:    takes(2, 2, "a NAME and a TERMINAL"), ValidArgsFunction: completeWorkspaces(f, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := nameOrFault(args[0]); err != nil {
				return err
			}
			c, err := f.Client(cmd.Context())
			if err != nil {
				return err
			}
			if err := c.KillTerminal(cmd.Context(), args[0], args[1]); err != nil {
				return err
			}
			return f.result(map[string]string{"terminal": args[1], "state": "ended"}, func(out io.Writer) error {
				_, err := fmt.Fprintf(out, "terminal %s of %s has ended\n", args[1], args[0])
				return err
			})
		},
	}
}
