package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/render"
)

// resizeOptions are the flags of resize.
type resizeOptions struct {
	waitOptions
	Name   string
	Limits api.PartialLimits
}

func newResizeCmd(f *Factory, runF func(context.Context, *resizeOptions) error) *cobra.Command {
	o := &resizeOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *resizeOptions) error { return runResize(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "resize NAME [--cpus N] [--memory SIZE] [--pids N]",
		Short: "Change the limits of a workspace",
		Long: `Changes how much CPU, memory and how many processes a workspace may use, while it
runs too. What is not given stays as it is.`,
		Example: `  wsctl resize demo --memory 1GiB
  wsctl resize demo --cpus 2 --pids 512`,
		Args: func(cmd *cobra.Command, args []string) error {
			if o.Limits == (api.PartialLimits{}) {
				return usage(cmd, "give at least one of --cpus, --memory and --pids")
			}
			return takes(1, 1, "one NAME")(cmd, args)
		},
		ValidArgsFunction: completeWorkspaces(f, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Name = args[0]
			return runF(cmd.Context(), o)
		},
	}
	addLimitFlags(cmd, &o.Limits)
	o.addFlags(cmd)
	return cmd
}

func runResize(ctx context.Context, f *Factory, o *resizeOptions) error {
	w, err := f.update(ctx, o.Name, api.Update{Limits: &o.Limits})
	if err != nil {
		return err
	}
	if w.Job != "" {
		fo := f.newFollower(f.client, o.waitOptions)
		fo.progress.Stage("applying the limits", "")
		w, err = fo.settle(ctx, w, w.Desired)
		fo.end(err)
		if err != nil {
			return err
		}
	}
	return f.result(viewOf(w), func(io.Writer) error {
		return f.print("%s may use %s\n", render.Escape(w.Name), render.Limits(w.Spec.Limits))
	})
}
