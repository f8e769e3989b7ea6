package cli

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/render"
)

// eventsOptions are the flags of events.
type eventsOptions struct {
	Follow    bool
	After     uint64
	Limit     int
	Workspace string
	Frames    bool

	resume bool // --after was given
}

func newEventsCmd(f *Factory, runF func(context.Context, *eventsOptions) error) *cobra.Command {
	o := &eventsOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *eventsOptions) error { return runEvents(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show what happened, who asked, and how it ended",
		Long: `Shows the numbered facts that wsd has recorded: changes of state, commands, denials.
They are the audit log. With -f new facts follow until Ctrl-C; a lost connection is
made anew and no fact is missed or told twice. With --json each fact is one line.

With -f --frames each line is a frame of the gateway instead, as other clients of it get
them: states, levels of use, presence, ports, builds, signals of progress. A lost
connection goes on where it ended. Looking on is no use of a workspace.`,
		Example: `  wsctl events --limit 20
  wsctl events -f --workspace demo
  wsctl events --after 1042 --json
  wsctl events -f --frames --workspace demo | jq .type`,
		Args: func(cmd *cobra.Command, args []string) error {
			o.resume = cmd.Flags().Changed("after")
			switch {
			case o.Limit < 1 || o.Limit > 10000:
				return usage(cmd, "--limit: give 1 to 10000")
			case o.Frames && (!o.Follow || o.resume):
				return usage(cmd, "--frames goes with -f, and without --after")
			}
			return takes(0, 0, "")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.Follow, "follow", "f", false, "go on with new facts until Ctrl-C")
	flags.Uint64Var(&o.After, "after", 0, "only facts after this `NUMBER`")
	flags.IntVar(&o.Limit, "limit", 50, "at most this `NUMBER` of facts: the newest, or with --after the first")
	flags.StringVar(&o.Workspace, "workspace", "", "only of this `WORKSPACE`")
	flags.BoolVar(&o.Frames, "frames", false, "with -f: print the frames of the gateway, one JSON object a line")
	_ = cmd.RegisterFlagCompletionFunc("workspace", completeWorkspaces(f, -1))
	return cmd
}

func runEvents(ctx context.Context, f *Factory, o *eventsOptions) error {
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	if !o.Follow {
		return o.page(ctx, f, c)
	}
	if o.Frames {
		return o.frames(ctx, f, c)
	}
	watch := client.WatchOptions{Workspace: o.Workspace, GiveUp: daemonPatience}
	if o.resume {
		watch.After = &o.After
	}
	for m, err := range c.Watch(ctx, watch) {
		if err != nil {
			return err
		}
		if m.Event == nil {
			continue
		}
		if err := f.tellEvent(*m.Event); err != nil {
			return err
		}
		if err := f.flush(); err != nil {
			return err
		}
	}
	return nil
}

// frames prints what the gateway tells an observer.
func (o *eventsOptions) frames(ctx context.Context, f *Factory, c *client.Client) error {
	for u, err := range c.Subscribe(ctx, client.SubscribeOptions{Workspace: o.Workspace, Observe: true}) {
		switch {
		case err != nil:
			return err
		case u.Frame == nil && u.Link == client.Lost:
			f.note("the connection to wsd is lost; trying again")
		case u.Frame != nil:
			if err := render.JSONLine(f.Streams.Out, u.Frame); err != nil {
				return err
			}
			if err := f.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// page shows what was asked for; without --after those are the newest ones.
func (o *eventsOptions) page(ctx context.Context, f *Factory, c *client.Client) error {
	find := o.newest
	if o.resume {
		find = func(ctx context.Context, c *client.Client) ([]event.Event, error) {
			list, err := c.Events(ctx, o.After, o.Limit, o.Workspace)
			return list.Events, err
		}
	}
	events, err := find(ctx, c)
	if err != nil {
		return err
	}
	if len(events) == 0 {
		f.note("nothing happened since then")
	}
	for _, e := range events {
		if err := f.tellEvent(e); err != nil {
			return err
		}
	}
	return nil
}

// eventsPage is how many facts are asked for at once where the last are looked for.
const eventsPage = 1000

// newest finds the last facts. Those of all workspaces end with the last number; which ones
// are a workspace's is known only once all of its are read.
func (o *eventsOptions) newest(ctx context.Context, c *client.Client) ([]event.Event, error) {
	var after uint64
	if o.Workspace == "" {
		s, err := c.Status(ctx)
		if err != nil {
			return nil, err
		}
		after = s.Seq - min(s.Seq, uint64(o.Limit)) //nolint:gosec // Limit is 1 to 10000
	}
	var last []event.Event
	for {
		list, err := c.Events(ctx, after, eventsPage, o.Workspace)
		if err != nil {
			return nil, err
		}
		last = append(last, list.Events...)
		last = last[max(0, len(last)-o.Limit):]
		if len(list.Events) < eventsPage {
			return last, nil
		}
		after = list.Events[eventsPage-1].Seq
	}
}

func (f *Factory) tellEvent(e event.Event) error {
	if f.JSON {
		return render.JSONLine(f.Streams.Out, e)
	}
	p := f.outPalette()
	parts := []string{p.Paint(render.Faint, e.Time.Local().Format(time.DateTime)), string(e.Kind)}
	if e.Name != "" {
		parts = append(parts, e.Name)
	}
	for _, text := range detailTexts(e) {
		parts = append(parts, render.Escape(text))
	}
	if e.Result != "" && e.Result != "ok" {
		parts = append(parts, p.Paint(render.Bad, render.Escape(e.Result)))
	}
	parts = append(parts, p.Paint(render.Faint, "by "+render.Escape(e.Actor)))
	_, err := io.WriteString(f.Streams.Out, strings.Join(parts, "  ")+"\n")
	return err
}

// detailTexts words what most facts are about, so that a line fits a terminal; --json
// has all of it.
func detailTexts(e event.Event) []string {
	rest := maps.Clone(e.Detail)
	var texts []string
	switch e.Kind {
	case event.WorkspaceState:
		texts = append(texts, rest["from"]+" to "+rest["to"])
		for _, k := range []string{"from", "to", "trigger"} {
			delete(rest, k)
		}
	case event.ActivityLevel:
		texts = append(texts, rest["from"]+" to "+rest["to"])
		for _, k := range []string{"from", "to"} {
			delete(rest, k)
		}
	case event.JobEnded:
		texts = append(texts, rest["kind"]+" "+rest["state"])
		for _, k := range []string{"kind", "state", "job"} {
			delete(rest, k)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(rest)) {
		if rest[k] != "" {
			texts = append(texts, k+"="+render.LocalTime(rest[k]))
		}
	}
	return texts
}
