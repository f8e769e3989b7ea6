package cli

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/tui"
)

// dashOptions are the flags of dash.
type dashOptions struct {
	Filter, Theme string
	Columns       []string
	NoMouse       bool
}

func newDashCmd(f *Factory, runF func(context.Context, *dashOptions) error) *cobra.Command {
	o := &dashOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *dashOptions) error { return runDash(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "dash [FILTER...]",
		Short: "Watch and drive all workspaces on one screen",
		Long: `Opens the dashboard: every workspace with its state, what it uses and when it will
stop, kept up to date. Keys start, stop, open and delete, and show logs, events and why
a workspace is as it is. wsctl alone does the same on a terminal.

Each key shows the wsctl command that is equal to it. ? lists the keys that work now.
FILTER is words that must all fit: state:running, label:team=web, owner:1000, or any
part of a name; a dash before a word turns it round.

Looking does not count as use: a workspace stops as if the dashboard were not there.`,
		Example: `  wsctl dash
  wsctl dash state:running label:team=web
  wsctl dash --columns name,state,stops-in,labels
  wsctl dash --theme light
  NO_COLOR=1 wsctl dash`,
		Args: func(cmd *cobra.Command, args []string) error {
			o.Filter = strings.Join(args, " ")
			if o.Theme != "" && !slices.Contains(tui.ThemeNames(), o.Theme) {
				return usage(cmd, "%.40q is not a theme", o.Theme).WithHint("themes: %s", strings.Join(tui.ThemeNames(), ", "))
			}
			for _, c := range o.Columns {
				if !slices.Contains(tui.ColumnNames(), c) {
					return usage(cmd, "%.40q is not a column", c).WithHint("columns: %s", strings.Join(tui.ColumnNames(), ", "))
				}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Theme, "theme", "", "`THEME`: "+strings.Join(tui.ThemeNames(), ", ")+" (default: chosen from the environment)")
	flags.StringSliceVar(&o.Columns, "columns", nil, "only these `COLUMNS`: "+strings.Join(tui.ColumnNames(), ", ")+" (default: as they fit)")
	flags.BoolVar(&o.NoMouse, "no-mouse", false, "leave the mouse to the terminal")
	_ = cmd.RegisterFlagCompletionFunc("columns", completeWords(tui.ColumnNames()...))
	_ = cmd.RegisterFlagCompletionFunc("theme", completeWords(tui.ThemeNames()...))
	return cmd
}

// dashable reports whether there is a terminal that can hold a dashboard.
func (f *Factory) dashable() bool {
	return f.Streams.InTTY && f.Streams.OutTTY && f.Streams.inFile != nil && !f.Streams.dumb() && !f.JSON
}

func runDash(ctx context.Context, f *Factory, o *dashOptions) error {
	if !f.dashable() {
		return fault.New(fault.Usage, "not_a_terminal", "the dashboard needs a terminal that can move its cursor, and this is none").
			WithHint("use `wsctl top` or `wsctl list --watch`")
	}
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	if err := f.flush(); err != nil {
		return err
	}
	err = tui.Run(ctx, tui.Options{
		Source: newDashSource(f, c), In: f.Streams.inFile, Out: os.Stdout, Env: f.Streams.Env,
		Theme: o.Theme, Filter: o.Filter, Columns: o.Columns, Mouse: !o.NoMouse,
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fault.New(fault.Internal, "terminal", "the dashboard cannot use this terminal").WithCause(err)
	}
	return nil
}
