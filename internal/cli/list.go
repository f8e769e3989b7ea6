package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/render"
)

// listOptions are the flags of list.
type listOptions struct {
	States, Labels []string
	Quiet, Watch   bool

	filter api.Filter
}

func newListCmd(f *Factory, runF func(context.Context, *listOptions) error) *cobra.Command {
	o := &listOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *listOptions) error { return runList(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List workspaces",
		Long: `Lists workspaces with their state, URL and age, and where the terminal is wide enough
how much they are used and when they stop if nobody uses them. When the container engine
cannot be reached, the states are the last known ones, and that is said.`,
		Example: `  wsctl list
  wsctl list --state running,paused
  wsctl list --label team=web -q
  wsctl list --json | jq -r '.workspaces[].url'
  wsctl list --watch`,
		Args: func(cmd *cobra.Command, args []string) (err error) {
			if err := takes(0, 0, "")(cmd, args); err != nil {
				return err
			}
			if o.filter.States, err = parseStates(o.States); err != nil {
				return err
			}
			o.filter.Labels, err = parseSelectors(o.Labels)
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&o.States, "state", nil, "only these `STATES`: "+stateWords())
	flags.StringArrayVarP(&o.Labels, "label", "l", nil, "only with this label: KEY, `KEY=VALUE` or KEY!=VALUE (repeat to narrow)")
	flags.BoolVarP(&o.Quiet, "quiet", "q", false, "names only")
	addWatchFlag(cmd, &o.Watch)
	_ = cmd.RegisterFlagCompletionFunc("state", completeWords(strings.Split(stateWords(), ", ")...))
	_ = cmd.RegisterFlagCompletionFunc("label", completeLabels(f))
	return cmd
}

// listResult is what list --json prints.
type listResult struct {
	Workspaces []view `json:"workspaces"`
	Stale      bool   `json:"stale"`
}

func runList(ctx context.Context, f *Factory, o *listOptions) error {
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	return f.show(ctx, c, "", o.Watch, func(ctx context.Context) (picture, error) { return o.take(ctx, f, c) })
}

func (o *listOptions) take(ctx context.Context, f *Factory, c *client.Client) (picture, error) {
	if f.JSON {
		list, err := c.Workspaces(ctx, o.filter)
		return picture{v: listResult{viewsOf(list.Workspaces), list.Stale}}, err
	}
	list, err := c.Brief(ctx, o.filter)
	return picture{human: func(out io.Writer) error {
		if list.Stale {
			f.note("the container engine cannot be reached; states are the last known")
		}
		return o.write(f, out, list.Workspaces)
	}}, err
}

func (o *listOptions) write(f *Factory, out io.Writer, ws []api.Brief) error {
	if o.Quiet {
		for _, w := range ws {
			if _, err := fmt.Fprintln(out, render.Escape(w.Name)); err != nil {
				return err
			}
		}
		return nil
	}
	if len(ws) == 0 {
		f.note("%s", o.nothing())
		return nil
	}
	return f.workspaceTable(ws, f.width()).Write(out)
}

func (o *listOptions) nothing() string {
	if len(o.States) > 0 || len(o.Labels) > 0 {
		return "no workspace matches; try: wsctl list"
	}
	return "no workspaces yet; try: wsctl create, or to see how it works: wsctl tour"
}

// narrow is the width below which names are cut rather than addresses.
const narrow = 60

// workspaceTable is for width columns; 0: any. Of what there is no room for, name, state and
// address stay longest, and before them when a workspace stops.
func (f *Factory) workspaceTable(ws []api.Brief, width int) *render.Table {
	now := f.Now()
	used := slices.ContainsFunc(ws, func(w api.Brief) bool { return w.Level != "" })
	head := []string{"NAME", "STATE", "LEVEL", "STOPS IN", "URL", "FROM", "AGE", "LABELS"}
	left := func(i int) bool { return !used && (head[i] == "LEVEL" || head[i] == "STOPS IN") }
	t := f.table()
	t.Width, t.Loose, t.Spare = width, []string{"LABELS"}, []string{"LEVEL", "FROM", "AGE", "LABELS", "STOPS IN"}
	if width < narrow {
		t.Loose = append(t.Loose, "NAME")
	}
	for i, title := range head {
		if !left(i) {
			t.Header = append(t.Header, title)
		}
	}
	for _, w := range ws {
		var row []render.Cell
		for i, c := range []render.Cell{
			{Text: w.Name},
			{Text: stateText(w), Colour: render.StateColour(w.State)},
			{Text: string(w.Level), Colour: levelColour(w.Level)},
			{Text: stopsIn(now, w)},
			{Text: portURL(w.Port)},
			{Text: cmp.Or(w.Template, w.Image)},
			{Text: render.Ago(now, w.CreatedAt)},
			{Text: labelText(w.Labels)},
		} {
			if !left(i) {
				row = append(row, c)
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// stopsIn is how far off the stop of a workspace is; "" where nothing decides about it.
func stopsIn(now time.Time, w api.Brief) string {
	switch {
	case w.Level == "":
		return ""
	case w.StopAt.IsZero():
		return "never"
	}
	return render.Span(max(w.StopAt.Sub(now), 0))
}

// stateText is the state and, where something is wrong, a word why.
func stateText(w api.Brief) string {
	if w.Reason != "" {
		return string(w.State) + " (" + w.Reason + ")"
	}
	return string(w.State)
}

func labelText(labels map[string]string) string {
	var words []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		words = append(words, k+"="+labels[k])
	}
	return strings.Join(words, ",")
}
