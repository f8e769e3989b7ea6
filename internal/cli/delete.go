package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

func newDeleteCmd(f *Factory, runF lifecycleRun) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "delete NAME...",
		Aliases: []string{"rm"},
		Short:   "Delete workspaces and their files",
		Long: `Deletes workspaces: container, files, network and port. This cannot be undone.
A workspace that runs is deleted only with --force; on a terminal you are asked
instead, unless --yes is given.`,
		Example: `  wsctl delete demo
  wsctl rm demo --force
  wsctl delete --label branch=old --force`,
	}
	if runF == nil {
		runF = func(ctx context.Context, o *lifecycleOptions) error { return runDelete(ctx, f, o) }
	}
	o := &lifecycleOptions{verb: lifecycleVerb{stage: "asking for the deletion", want: workspace.WantDeleted}}
	newLifecycleCmd(f, cmd, o, runF)
	cmd.Flags().BoolVar(&o.Force, "force", false, "also when it runs")
	cmd.Flags().BoolVarP(&o.Yes, "yes", "y", false, "do not ask")
	return cmd
}

func runDelete(ctx context.Context, f *Factory, o *lifecycleOptions) error {
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	if !o.Force {
		if o.Force, err = confirmDelete(ctx, f, c, o); err != nil {
			return err
		}
	}
	o.verb.send = func(ctx context.Context, c *client.Client, ref string) (workspace.Workspace, error) {
		return c.Delete(ctx, ref, o.Force)
	}
	return runLifecycle(ctx, f, o)
}

// confirmDelete asks on a terminal whether what still runs may be deleted too. The
// answer stands for --force; without a terminal wsd decides, which is to refuse.
func confirmDelete(ctx context.Context, f *Factory, c *client.Client, o *lifecycleOptions) (bool, error) {
	if !f.Streams.InTTY || !f.Streams.ErrTTY || f.JSON {
		return false, nil
	}
	running, err := runningOf(ctx, c, o)
	if err != nil || len(running) == 0 {
		return false, err
	}
	if o.Yes {
		return true, nil
	}
	yes, err := f.agrees(ctx, deleteQuestion(running))
	if err == nil && !yes {
		err = fault.New(fault.Interrupted, "declined", "nothing was deleted")
	}
	return yes, err
}

// deleteQuestion says what would be lost. A folder that is shared is not.
func deleteQuestion(running []workspace.Workspace) string {
	var names, folders []string
	for _, w := range running {
		names = append(names, w.Name)
		if s := w.Spec.Source; s != nil && s.Kind == workspace.SourceBind {
			folders = append(folders, s.Path)
		}
	}
	what, ask := render.Escape(names[0]), "Delete with all files?"
	if len(names) > 1 {
		what = fmt.Sprintf("%d workspaces (%s)", len(names), render.Escape(strings.Join(names, ", ")))
	}
	switch {
	case len(folders) == 1 && len(names) == 1:
		ask = fmt.Sprintf("Delete it? Your folder %s stays as it is.", render.EscapeLine(folders[0]))
	case len(folders) > 0:
		ask = "Delete with all files, but for your folders that they share?"
	}
	return isAre(what, len(names)) + " still running. " + ask
}

func isAre(what string, n int) string {
	if n == 1 {
		return what + " is"
	}
	return what + " are"
}

// runningOf returns those that a delete without force would refuse.
func runningOf(ctx context.Context, c *client.Client, o *lifecycleOptions) ([]workspace.Workspace, error) {
	var ws []workspace.Workspace
	if len(o.Names) == 0 {
		selectors, err := parseSelectors(o.Labels)
		if err != nil {
			return nil, err
		}
		list, err := c.Workspaces(ctx, api.Filter{Labels: selectors})
		if err != nil {
			return nil, err
		}
		ws = list.Workspaces
	}
	for _, ref := range o.Names {
		w, err := c.Workspace(ctx, ref)
		if err != nil {
			return nil, err
		}
		ws = append(ws, w)
	}
	return slices.DeleteFunc(ws, func(w workspace.Workspace) bool {
		return w.State == workspace.Stopped || w.State == workspace.Failed || w.State == workspace.Deleting
	}), nil
}
