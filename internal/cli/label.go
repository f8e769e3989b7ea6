package cli

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// labelOptions are the arguments of label; nil removes a label.
type labelOptions struct {
	Name   string
	Labels map[string]*string
}

func newLabelCmd(f *Factory, runF func(context.Context, *labelOptions) error) *cobra.Command {
	o := &labelOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *labelOptions) error { return runLabel(ctx, f, o) }
	}
	return &cobra.Command{
		Use:   "label NAME KEY=VALUE... KEY-...",
		Short: "Set or remove labels of a workspace",
		Long: `Sets labels (KEY=VALUE) and removes them (KEY-). Labels choose workspaces in list,
start, stop, restart, pause, resume and delete.`,
		Example: `  wsctl label demo team=web ticket=42
  wsctl label demo ticket-`,
		Args:              func(cmd *cobra.Command, args []string) error { return o.parse(cmd, args) },
		ValidArgsFunction: completeWorkspaces(f, 1),
		RunE:              func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
	}
}

func (o *labelOptions) parse(cmd *cobra.Command, args []string) error {
	if err := takes(2, -1, "a NAME and at least one KEY=VALUE or KEY-")(cmd, args); err != nil {
		return err
	}
	o.Name, o.Labels = args[0], map[string]*string{}
	for _, word := range args[1:] {
		key, value, set := strings.Cut(word, "=")
		if !set {
			var removes bool
			if key, removes = strings.CutSuffix(word, "-"); !removes {
				return usage(cmd, "%.60q is neither KEY=VALUE nor KEY-", word)
			}
		}
		if err := workspace.ValidateLabel(key, value); err != nil {
			return err
		}
		if _, twice := o.Labels[key]; twice {
			return usage(cmd, "label %.60q is given twice", key)
		}
		o.Labels[key] = nil
		if set {
			o.Labels[key] = &value
		}
	}
	return nil
}

func runLabel(ctx context.Context, f *Factory, o *labelOptions) error {
	w, err := f.update(ctx, o.Name, api.Update{Labels: o.Labels})
	if err != nil {
		return err
	}
	return f.result(viewOf(w), func(io.Writer) error {
		text := labelText(w.Labels)
		if text == "" {
			text = "no labels"
		}
		return f.print("%s has %s\n", render.Escape(w.Name), render.Escape(text))
	})
}
