package cli

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// extendOptions are the flags of extend.
type extendOptions struct {
	Name string
	For  time.Duration
}

func newExtendCmd(f *Factory, runF func(context.Context, *extendOptions) error) *cobra.Command {
	o := &extendOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *extendOptions) error { return runExtend(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "extend NAME [--for DURATION]",
		Short: "Say that you still use a workspace",
		Long: `Counts as a key that was pressed: the workspace will not stop for want of use before
its policy's time is over again. With --for it is held for at least so long besides, as
by wsctl hold.`,
		Example: `  wsctl extend demo
  wsctl extend demo --for 30m`,
		Args:              takes(1, 1, "one NAME"),
		ValidArgsFunction: completeWorkspaces(f, 1, workspace.Running),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Name = args[0]
			return runF(cmd.Context(), o)
		},
	}
	cmd.Flags().Var((*durationValue)(&o.For), "for", "hold it for so long at least, such as 30m")
	return cmd
}

func runExtend(ctx context.Context, f *Factory, o *extendOptions) error {
	if err := nameOrFault(o.Name); err != nil {
		return err
	}
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	why, err := c.Extend(ctx, o.Name, api.Extend{For: workspace.Duration(o.For)})
	if err != nil {
		return err
	}
	return f.result(why, func(io.Writer) error {
		if why.StopAt.IsZero() {
			return f.print("%s never stops by itself\n", render.Escape(why.Workspace.Name))
		}
		return f.print("%s goes on; it stops %s if nobody uses it\n", render.Escape(why.Workspace.Name), render.Until(why.Now, why.StopAt))
	})
}
