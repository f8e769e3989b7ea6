package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/render"
)

// sessionsOptions are the flags of sessions.
type sessionsOptions struct {
	Name, Kick string
	Watch      bool
}

func newSessionsCmd(f *Factory, runF func(context.Context, *sessionsOptions) error) *cobra.Command {
	o := &sessionsOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *sessionsOptions) error { return runSessions(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "sessions [NAME] [--kick ID]",
		Short: "Show who is connected, and end a connection",
		Long: `Lists the connections to a workspace, or to all of yours: terminals, commands, ssh,
followers of the output, clients of the front door. Each is a session; being connected
alone does not keep a workspace running, see wsctl why.

With --kick the connection ends, and cannot go on as the same session.`,
		Example: `  wsctl sessions
  wsctl sessions demo --watch
  wsctl sessions demo --kick s4f6xk2m7q3d1`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := takes(0, 1, "at most one NAME")(cmd, args); err != nil {
				return err
			}
			if len(args) > 0 {
				o.Name = args[0]
			}
			if cmd.Flags().Changed("kick") && (o.Name == "" || o.Kick == "") {
				return usage(cmd, "--kick needs a NAME and the id of a session").WithHint("see them with `wsctl sessions`")
			}
			if o.Watch && o.Kick != "" {
				return usage(cmd, "--kick ends a connection, and --watch looks on: give one of them")
			}
			return nil
		},
		ValidArgsFunction: completeWorkspaces(f, 1),
		RunE:              func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.Kick, "kick", "", "end the session `ID`")
	addWatchFlag(cmd, &o.Watch)
	return cmd
}

func runSessions(ctx context.Context, f *Factory, o *sessionsOptions) error {
	if o.Name != "" {
		if err := nameOrFault(o.Name); err != nil {
			return err
		}
	}
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	if o.Kick != "" {
		if err := c.Kick(ctx, o.Name, o.Kick); err != nil {
			return err
		}
		return f.result(map[string]string{"session": o.Kick, "state": "ended"}, func(io.Writer) error {
			return f.print("session %s of %s has ended\n", render.Escape(o.Kick), render.Escape(o.Name))
		})
	}
	return f.show(ctx, c, o.Name, o.Watch, func(ctx context.Context) (picture, error) {
		list, err := c.Sessions(ctx, o.Name)
		if list.Sessions == nil {
			list.Sessions = []activity.Session{}
		}
		var names map[string]string
		if len(list.Sessions) > 0 && !f.JSON {
			names = namesOf(ctx, c)
		}
		return picture{list, func(out io.Writer) error {
			if len(list.Sessions) == 0 {
				f.note("nobody is connected")
				return nil
			}
			return f.sessionTable(list.Sessions, names).Write(out)
		}}, err
	})
}

// namesOf maps ids to names; what cannot be had is shown by its id.
func namesOf(ctx context.Context, c *client.Client) map[string]string {
	names := map[string]string{}
	list, err := c.Brief(ctx, api.Filter{})
	if err != nil {
		return names
	}
	for _, w := range list.Workspaces {
		names[w.ID] = w.Name
	}
	return names
}

func (f *Factory) sessionTable(list []activity.Session, names map[string]string) *render.Table {
	now := f.Now()
	t := f.table("SESSION", "WORKSPACE", "KIND", "USER", "FROM", "SINCE", "LAST USED", "QUALITY")
	t.Loose, t.Spare = []string{"FROM", "WORKSPACE"}, []string{"SINCE", "FROM", "USER", "QUALITY"}
	for _, s := range list {
		name, known := names[s.Workspace]
		if !known {
			name = s.Workspace
		}
		t.Rows = append(t.Rows, []render.Cell{
			{Text: s.ID},
			{Text: name},
			{Text: string(s.Kind)},
			{Text: s.User},
			{Text: s.Peer},
			{Text: render.Ago(now, s.Since)},
			{Text: render.Ago(now, s.LastInput)},
			qualityCell(s),
		})
	}
	return t
}
