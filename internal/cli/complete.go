package cli

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// completionTime bounds a live completion: a shell that hangs on Tab is worse than
// one that offers nothing.
const completionTime = 400 * time.Millisecond

// completionFunc is what cobra asks.
type completionFunc = func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective)

// live asks wsd for words, if it runs; a completion never starts it.
func live(f *Factory, ask func(ctx context.Context, c *client.Client, args []string) ([]string, error)) completionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		s, err := f.Settings()
		if err != nil || s.noSocket() {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		c := client.New(client.Options{Socket: s.Socket, Retry: client.RetryPolicy{Attempts: 1}})
		words, err := ask(ctx, c, args)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeWorkspaces offers names of workspaces in any of the states (none: all) for
// the first most arguments; most < 0: for every argument, without repeating one.
func completeWorkspaces(f *Factory, most int, states ...workspace.State) completionFunc {
	return live(f, func(ctx context.Context, c *client.Client, args []string) ([]string, error) {
		if most >= 0 && len(args) >= most {
			return nil, nil
		}
		list, err := c.Brief(ctx, api.Filter{States: states})
		var words []string
		for _, w := range list.Workspaces {
			if !slices.Contains(args, w.Name) {
				words = append(words, w.Name+"\t"+string(w.State))
			}
		}
		return words, err
	})
}

// completeLabels offers KEY=VALUE pairs that are in use.
func completeLabels(f *Factory) completionFunc {
	return live(f, func(ctx context.Context, c *client.Client, _ []string) ([]string, error) {
		list, err := c.Brief(ctx, api.Filter{})
		var words []string
		for _, w := range list.Workspaces {
			for k, v := range w.Labels {
				words = append(words, render.Escape(k+"="+v))
			}
		}
		slices.Sort(words)
		return slices.Compact(words), err
	})
}

// completeTemplates offers names of templates.
func completeTemplates(f *Factory) completionFunc {
	return live(f, func(ctx context.Context, c *client.Client, _ []string) ([]string, error) {
		list, err := c.Templates(ctx)
		var words []string
		for _, t := range list.Templates {
			words = append(words, t.Name+"\t"+render.Escape(t.Title))
		}
		return words, err
	})
}

// completeJobs offers ids of jobs in any of the states (none: all).
func completeJobs(f *Factory, states ...workspace.JobState) completionFunc {
	return live(f, func(ctx context.Context, c *client.Client, args []string) ([]string, error) {
		if len(args) > 0 {
			return nil, nil
		}
		list, err := c.Jobs(ctx, states, "")
		var words []string
		for _, j := range list.Jobs {
			words = append(words, j.ID+"\t"+string(j.Kind)+" "+j.Name+" "+string(j.State))
		}
		return words, err
	})
}

// completeWords offers a fixed set.
func completeWords(words ...string) completionFunc {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}
