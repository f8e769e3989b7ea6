package cli

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/render"
)

// policyOptions are the arguments of policy; without a Name policies are listed.
type policyOptions struct {
	Name, Policy string
	Unset        bool
}

func newPolicyCmd(f *Factory, runF func(context.Context, *policyOptions) error) *cobra.Command {
	o := &policyOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *policyOptions) error { return runPolicy(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "policy [NAME POLICY | NAME --unset]",
		Short: "Choose when a workspace stops for want of use",
		Long: `Gives a workspace another activity policy, which decides at once and while it runs too;
with --unset the daemon's own (activity.policy). Without a NAME it lists the policies.
Some are built in; others are added to the settings as [activity.policies.NAME].`,
		Example: `  wsctl policy
  wsctl policy demo relaxed
  wsctl policy demo --unset`,
		Args: func(cmd *cobra.Command, args []string) error { return o.parse(cmd, args) },
		RunE: func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 && !o.Unset {
				return completePolicies(f)(cmd, nil, word)
			}
			return completeWorkspaces(f, 1)(cmd, args, word)
		},
	}
	cmd.Flags().BoolVar(&o.Unset, "unset", false, "let the daemon's own policy decide")
	return cmd
}

func (o *policyOptions) parse(cmd *cobra.Command, args []string) error {
	want, what := 2, "a NAME and a POLICY, or nothing"
	switch {
	case o.Unset:
		want, what = 1, "one NAME with --unset"
	case len(args) == 0:
		return nil
	}
	if err := takes(want, want, what)(cmd, args); err != nil {
		return err
	}
	o.Name = args[0]
	if !o.Unset {
		o.Policy = args[1]
		if o.Policy == "" {
			return usage(cmd, "the POLICY is empty").WithHint("give --unset for the daemon's own")
		}
	}
	return nil
}

func runPolicy(ctx context.Context, f *Factory, o *policyOptions) error {
	if o.Name == "" {
		return listPolicies(ctx, f)
	}
	w, err := f.update(ctx, o.Name, api.Update{Policy: &o.Policy})
	if err != nil {
		return err
	}
	return f.result(viewOf(w), func(io.Writer) error {
		if o.Unset {
			return f.print("%s has the policy of the daemon\n", render.Escape(w.Name))
		}
		return f.print("%s has the policy %s\n", render.Escape(w.Name), render.Escape(w.Spec.Policy))
	})
}

func listPolicies(ctx context.Context, f *Factory) error {
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	list, err := c.Policies(ctx)
	if err != nil {
		return err
	}
	return f.result(list, func(out io.Writer) error {
		t := f.table("POLICY", "CONNECTED", "ALONE", "WORK", "AT MOST", "")
		for _, p := range list.Policies {
			note := ""
			if p.Name == list.Default {
				note = "the daemon's own"
			}
			t.Row(append(policyRow(p), note)...)
		}
		return t.Write(out)
	})
}

// policyRow tells how long p lets a workspace run: after its last use while somebody is
// connected, and while nobody is; after work; in all.
func policyRow(p activity.Policy) []string {
	if p.Never {
		return []string{p.Name, "-", "-", "-", lifetimeText(p.MaxLifetime)}
	}
	alone := p.Idle
	if p.Eager {
		alone = p.Grace
	}
	return []string{p.Name, render.Left(p.Background), render.Left(alone), render.Left(p.WorkTail), lifetimeText(p.MaxLifetime)}
}

func lifetimeText(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return render.Left(d)
}

// completePolicies offers names of policies.
func completePolicies(f *Factory) completionFunc {
	return live(f, func(ctx context.Context, c *client.Client, _ []string) ([]string, error) {
		list, err := c.Policies(ctx)
		var words []string
		for _, p := range list.Policies {
			words = append(words, p.Name)
		}
		return words, err
	})
}
