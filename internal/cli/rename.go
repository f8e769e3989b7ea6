package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// renameOptions are the arguments of rename.
type renameOptions struct{ Name, New string }

func newRenameCmd(f *Factory, runF func(context.Context, *renameOptions) error) *cobra.Command {
	o := &renameOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *renameOptions) error { return runRename(ctx, f, o) }
	}
	return &cobra.Command{
		Use:   "rename NAME NEW-NAME",
		Short: "Give a workspace another name",
		Long: `Gives a workspace another name, also while it runs. Its id, files and port stay; the
old name is free at once. WSD_NAME inside keeps the name it was made with.`,
		Example: `  wsctl rename demo shop`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := takes(2, 2, "a NAME and a NEW-NAME")(cmd, args); err != nil {
				return err
			}
			return workspace.ValidateName(args[1])
		},
		ValidArgsFunction: completeWorkspaces(f, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Name, o.New = args[0], args[1]
			return runF(cmd.Context(), o)
		},
	}
}

func runRename(ctx context.Context, f *Factory, o *renameOptions) error {
	w, err := f.update(ctx, o.Name, api.Update{Name: &o.New})
	if err != nil {
		return err
	}
	return f.result(viewOf(w), func(io.Writer) error {
		return f.print("%s is now called %s\n", render.Escape(o.Name), render.Escape(w.Name))
	})
}

// update sends a change of one workspace.
func (f *Factory) update(ctx context.Context, ref string, u api.Update) (workspace.Workspace, error) {
	if err := nameOrFault(ref); err != nil {
		return workspace.Workspace{}, err
	}
	c, err := f.Client(ctx)
	if err != nil {
		return workspace.Workspace{}, err
	}
	return c.Update(ctx, ref, 0, u)
}
