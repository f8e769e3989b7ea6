package cli

import (
	"cmp"
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// policyOptions are the arguments and flags of policy; without a Name policies are listed.
type policyOptions struct {
	Name          string
	Policy, Hours *string // to be changed; an empty one leaves the choice to the daemon, or to the policy
}

func newPolicyCmd(f *Factory, runF func(context.Context, *policyOptions) error) *cobra.Command {
	o := &policyOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *policyOptions) error { return runPolicy(ctx, f, o) }
	}
	unset, hours := false, ""
	cmd := &cobra.Command{
		Use:   "policy [NAME POLICY | NAME --unset] [--hours HOURS]",
		Short: "Choose when a workspace stops for want of use",
		Long: `Gives a workspace another activity policy, which decides at once and while it runs too;
with --unset the daemon's own (activity.policy). Without a NAME it lists the policies.
Some are built in; others are added to the settings as [activity.policies.NAME].

HOURS are running hours of its own, instead of the policy's: outside them it stops as
soon as nobody has used it for the policy's idle time, 10 minutes in most, though
somebody is connected or something works. What is used or held goes on, and nothing is
started. They are ranges of days and times with commas between, and may name a time zone
at the end; else it is that of wsd. "always" has no end; "" leaves it to the policy.`,
		Example: `  wsctl policy
  wsctl policy demo relaxed
  wsctl policy demo --hours "Mon-Fri 08:00-19:00, Sat 10:00-14:00 Europe/Berlin"
  wsctl policy demo --unset`,
		Args: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("hours") {
				o.Hours = &hours
			}
			return o.parse(cmd, args, unset)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 && !unset {
				return completePolicies(f)(cmd, nil, word)
			}
			return completeWorkspaces(f, 1)(cmd, args, word)
		},
	}
	cmd.Flags().BoolVar(&unset, "unset", false, "let the daemon's own policy decide")
	cmd.Flags().StringVar(&hours, "hours", "", "running `HOURS` of its own")
	return cmd
}

func (o *policyOptions) parse(cmd *cobra.Command, args []string, unset bool) error {
	least, most, what := 2, 2, "a NAME and a POLICY, or nothing"
	switch {
	case unset:
		least, most, what = 1, 1, "one NAME with --unset"
	case o.Hours != nil:
		least, what = 1, "a NAME, and perhaps a POLICY, with --hours"
	case len(args) == 0:
		return nil
	}
	if err := takes(least, most, what)(cmd, args); err != nil {
		return err
	}
	o.Name = args[0]
	switch {
	case unset:
		o.Policy = new(string)
	case len(args) == 2 && args[1] == "":
		return usage(cmd, "the POLICY is empty").WithHint("give --unset for the daemon's own")
	case len(args) == 2:
		o.Policy = &args[1]
	}
	return nil
}

func runPolicy(ctx context.Context, f *Factory, o *policyOptions) error {
	if o.Name == "" {
		return listPolicies(ctx, f)
	}
	w, err := f.update(ctx, o.Name, api.Update{Policy: o.Policy, Hours: o.Hours})
	if err != nil {
		return err
	}
	return f.result(viewOf(w), func(io.Writer) error {
		return f.print("%s has %s\n", render.Escape(w.Name), render.Escape(o.given(w.Spec)))
	})
}

// given says what a workspace has of what was asked for.
func (o *policyOptions) given(s workspace.Spec) string {
	var words []string
	if o.Policy != nil {
		words = append(words, "the policy "+cmp.Or(s.Policy, "of the daemon"))
	}
	if o.Hours != nil {
		words = append(words, "the running hours "+cmp.Or(s.Hours, "of its policy"))
	}
	return strings.Join(words, " and ")
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
		t := f.table("POLICY", "CONNECTED", "ALONE", "WORK", "AT MOST", "HOURS", "")
		t.Spare = []string{"HOURS", "", "AT MOST", "WORK"}
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
// connected, and while nobody is; after work; in all; and its running hours.
func policyRow(p api.Policy) []string {
	if p.Never {
		return []string{p.Name, "-", "-", "-", lifetimeText(p.MaxLifetime), hoursText(p)}
	}
	alone := p.Idle
	if p.Eager {
		alone = p.Grace
	}
	return []string{p.Name, render.Left(p.Background.Std()), render.Left(alone.Std()), render.Left(p.WorkTail.Std()), lifetimeText(p.MaxLifetime), hoursText(p)}
}

func hoursText(p api.Policy) string {
	if p.Hours.IsZero() {
		return "-"
	}
	return p.Hours.String()
}

func lifetimeText(d workspace.Duration) string {
	if d == 0 {
		return "-"
	}
	return render.Left(d.Std())
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
