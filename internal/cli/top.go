package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// topBetween is the time between the two samples whose difference is the use of the
// processor.
const topBetween = time.Second

// topOptions are the flags of top.
type topOptions struct {
	Rounds int
	Every  durationValue
	Sort   string
}

// topRow is one workspace of top --json.
type topRow struct {
	Name        string          `json:"name"`
	ID          string          `json:"id"`
	State       workspace.State `json:"state"`
	CPU         *float64        `json:"cpus,omitempty"` // cores in use
	Memory      int64           `json:"memory"`         // bytes
	MemoryLimit int64           `json:"memory_limit"`
	Pids        int64           `json:"pids"`
	Port        int             `json:"port,omitempty"`
}

// topResult is what top --json prints, one a round.
type topResult struct {
	Time       time.Time               `json:"time"`
	Counts     map[workspace.State]int `json:"counts"`
	Workspaces []topRow                `json:"workspaces"`
	Unmeasured int                     `json:"unmeasured,omitempty"` // that run and are not among them
	Stale      bool                    `json:"stale,omitempty"`      // wsd is away: this is how it was
}

func newTopCmd(f *Factory, runF func(context.Context, *topOptions) error) *cobra.Command {
	o := &topOptions{Every: durationValue(5 * time.Second)}
	if runF == nil {
		runF = func(ctx context.Context, o *topOptions) error { return runTop(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show which workspaces use most, as plain text",
		Long: `Shows how many workspaces there are and which of those that run use most, once or
-n times. It measures for a second; after the first round it shows what wsd goes on to
measure every two seconds. It draws nothing in place and needs no terminal: for scripts,
narrow terminals and logs. On a terminal wsctl dash shows more.`,
		Example: `  wsctl top
  wsctl top --sort memory
  wsctl top -n 3 --every 10s
  wsctl top --json | jq '.workspaces[0].name'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := takes(0, 0, "")(cmd, args); err != nil {
				return err
			}
			if o.Rounds < 1 {
				return usage(cmd, "-n: give a number from 1 upwards")
			}
			if !slices.Contains(topSorts, o.Sort) {
				return usage(cmd, "--sort: %.40q is none of %s", o.Sort, strings.Join(topSorts, ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.IntVarP(&o.Rounds, "rounds", "n", 1, "how often it is shown; with --json one object a line")
	flags.Var(&o.Every, "every", "time between two rounds")
	flags.StringVar(&o.Sort, "sort", "cpu", "by `WHAT`: "+strings.Join(topSorts, ", "))
	_ = cmd.RegisterFlagCompletionFunc("sort", completeWords(topSorts...))
	return cmd
}

// topSorts are the words of --sort.
var topSorts = []string{"cpu", "memory", "name"}

func runTop(ctx context.Context, f *Factory, o *topOptions) error {
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	stats := &statsOptions{}
	before, err := stats.take(ctx, c, nil)
	if err != nil {
		return err
	}
	if err := rest(ctx, topBetween); err != nil {
		return err
	}
	now, err := stats.take(ctx, c, before.samples)
	if err != nil {
		return err
	}
	list, err := c.Brief(ctx, api.Filter{})
	if err != nil {
		return err
	}
	if err := o.show(f, list.Workspaces, now, false); err != nil || o.Rounds == 1 {
		return err
	}
	return o.follow(ctx, f, c, now.samples)
}

// follow shows the rounds after the first, of what wsd pushes.
func (o *topOptions) follow(ctx context.Context, f *Factory, c *client.Client, first []sample) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g := newGauge(c, first, false)
	ended := g.start(ctx)
	tick := time.NewTicker(time.Duration(o.Every))
	defer tick.Stop()
	for range o.Rounds - 1 {
		select {
		case err := <-ended:
			return err
		case <-tick.C:
		}
		if err := o.show(f, g.all(), g.read(), true); err != nil {
			return err
		}
	}
	return nil
}

func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// show shows one round.
func (o *topOptions) show(f *Factory, all []api.Brief, r reading, again bool) error {
	result := o.result(f.Now(), all, r)
	if f.JSON {
		if err := render.JSONLine(f.Streams.Out, result); err != nil {
			return err
		}
		return f.flush()
	}
	if again {
		if err := f.print("\n"); err != nil {
			return err
		}
	}
	f.sayReading(r)
	if err := f.writeTop(f.Streams.Out, result); err != nil {
		return err
	}
	return f.flush()
}

// result joins the list with the samples and sorts what uses most to the front.
func (o *topOptions) result(now time.Time, all []api.Brief, from reading) topResult {
	samples := from.samples
	r := topResult{Time: now.UTC(), Counts: map[workspace.State]int{}, Workspaces: []topRow{}, Unmeasured: from.skipped + from.refused, Stale: from.lost()}
	for _, w := range all {
		r.Counts[w.State]++
		i := slices.IndexFunc(samples, func(s sample) bool { return s.ID == w.ID })
		if i < 0 {
			continue
		}
		s := samples[i]
		r.Workspaces = append(r.Workspaces, topRow{w.Name, w.ID, w.State, s.CPU, s.Memory, s.MemoryLimit, s.Pids, w.Port})
	}
	slices.SortFunc(r.Workspaces, func(a, b topRow) int {
		d := 0.0
		switch o.Sort {
		case "cpu":
			d = coresOf(b) - coresOf(a)
		case "memory":
			d = float64(b.Memory - a.Memory)
		}
		switch {
		case d > 0:
			return 1
		case d < 0:
			return -1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return r
}

func coresOf(r topRow) float64 {
	if r.CPU == nil {
		return -1
	}
	return *r.CPU
}

func (f *Factory) writeTop(out io.Writer, r topResult) error {
	var words []string
	total := 0
	for _, s := range workspace.States() {
		if n := r.Counts[s]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, s))
			total += n
		}
	}
	if total == 0 {
		words = []string{"try: wsctl create"}
	}
	noun := "workspaces"
	if total == 1 {
		noun = "workspace"
	}
	if _, err := fmt.Fprintf(out, "%d %s: %s\n", total, noun, strings.Join(words, ", ")); err != nil || len(r.Workspaces) == 0 {
		return err
	}
	t := f.table("NAME", "CPU", "MEMORY", "LIMIT", "PROCS", "PORT")
	for _, w := range r.Workspaces {
		cpu, port := "-", ""
		if w.CPU != nil {
			cpu = fmt.Sprintf("%.0f %%", *w.CPU*100)
		}
		if w.Port > 0 {
			port = fmt.Sprint(w.Port)
		}
		t.Row(w.Name, cpu, render.Bytes(w.Memory), render.Bytes(w.MemoryLimit), fmt.Sprint(w.Pids), port)
	}
	return t.Write(out)
}
