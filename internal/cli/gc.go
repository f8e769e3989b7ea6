package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/render"
)

// gcOptions are the flags of gc.
type gcOptions struct{ Apply bool }

func newGCCmd(f *Factory, runF func(context.Context, *gcOptions) error) *cobra.Command {
	o := &gcOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *gcOptions) error { return runGC(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Find and remove leftovers",
		Long: `Lists containers, volumes, networks and images of this wsd's that no workspace needs,
with size, age and reason: images of an earlier version too, and those that were built
for workspaces. Nothing is removed without --apply, and never what is still young
enough to be claimed.`,
		Example: "  wsctl gc\n  wsctl gc --apply",
		Args:    takes(0, 0, ""),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.Apply, "apply", false, "remove what is ripe")
	return cmd
}

func runGC(ctx context.Context, f *Factory, o *gcOptions) error {
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	res, err := c.GC(ctx, !o.Apply)
	if err != nil {
		return err
	}
	if res.Leftovers == nil {
		res.Leftovers = []api.Leftover{}
	}
	if err := f.result(res, func(out io.Writer) error { return f.writeLeftovers(out, res) }); err != nil {
		return err
	}
	for _, l := range res.Leftovers {
		if l.Error != "" {
			return exitStatus(1)
		}
	}
	return nil
}

func (f *Factory) writeLeftovers(out io.Writer, res api.GC) error {
	if len(res.Leftovers) == 0 {
		f.note("no leftovers")
		return nil
	}
	now, ripe := f.Now(), 0
	t := f.table("KIND", "NAME", "SIZE", "AGE", "STATE", "REASON")
	for _, l := range res.Leftovers {
		size := "-"
		if l.Size > 0 {
			size = render.Bytes(l.Size)
		}
		state := "waits"
		switch {
		case l.Error != "":
			state = "failed: " + l.Error
		case l.Removed:
			state = "removed"
		case l.Ripe:
			state = "ripe"
			ripe++
		}
		t.Row(l.Kind, l.Name, size, render.Ago(now, l.CreatedAt), state, l.Reason)
	}
	if err := t.Write(out); err != nil {
		return err
	}
	if res.DryRun && ripe > 0 {
		f.note("nothing was removed; remove the ripe ones with: wsctl gc --apply")
	}
	return nil
}
