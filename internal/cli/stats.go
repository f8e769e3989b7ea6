package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// statsEvery is the time between rounds of stats -f, as wsd measures; statsLag is by how much
// a round comes after the samples that it shows.
const (
	statsEvery = 2 * time.Second
	statsLag   = 300 * time.Millisecond
)

// statsOptions are the flags of stats.
type statsOptions struct {
	Names  []string
	Follow bool
}

// sample is one line of stats --json.
type sample struct {
	Workspace string `json:"workspace"`
	ID        string `json:"id"`
	workspace.Usage
	CPU *float64 `json:"cpus,omitempty"` // cores in use since the sample before; absent in the first
}

func newStatsCmd(f *Factory, runF func(context.Context, *statsOptions) error) *cobra.Command {
	o := &statsOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *statsOptions) error { return runStats(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "stats [NAME...]",
		Short: "Show what workspaces use",
		Long: `Shows CPU time, memory, processes and the bytes that went over network and disk, of
running workspaces, once or, with -f, every two seconds with the cores in use. Without
names it shows every running one. What the engine cannot tell is -. With -f wsd measures
for as long as somebody looks; while it is away, what was last known is shown as old.`,
		Example: `  wsctl stats
  wsctl stats demo -f
  wsctl stats --json | jq '.samples[] | {workspace, memory}'`,
		ValidArgsFunction: completeWorkspaces(f, -1, workspace.Running),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Names = unique(args)
			return runF(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVarP(&o.Follow, "follow", "f", false, "go on until Ctrl-C; with --json one object a line")
	return cmd
}

// statsResult is what stats --json prints.
type statsResult struct {
	Samples    []sample `json:"samples"`
	Unmeasured int      `json:"unmeasured,omitempty"` // further workspaces that run
	Stale      bool     `json:"stale,omitempty"`      // wsd is away: they are as old as their times say
}

func statsOf(r reading) statsResult { return statsResult{r.samples, r.skipped + r.refused, r.lost()} }

func runStats(ctx context.Context, f *Factory, o *statsOptions) error {
	for _, name := range o.Names {
		if err := nameOrFault(name); err != nil {
			return err
		}
	}
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	now, err := o.take(ctx, c, nil)
	if err != nil {
		return err
	}
	if o.Follow {
		return f.followStats(ctx, c, o, now)
	}
	return f.result(statsOf(now), func(out io.Writer) error { return f.writeStats(out, now) })
}

// followStats shows a first round and then, as often as wsd measures, what it has pushed.
func (f *Factory) followStats(ctx context.Context, c *client.Client, o *statsOptions, first reading) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g := newGauge(c, first.samples, len(o.Names) > 0)
	ended := g.start(ctx)
	w := &watched{f: f}
	next := time.NewTimer(statsEvery + statsLag)
	defer next.Stop()
	now := first
	for {
		r := now
		p := picture{statsOf(r), func(out io.Writer) error { return f.writeStats(out, r) }}
		if err := w.draw(p); err != nil {
			return err
		}
		select {
		case err := <-ended:
			return err
		case <-next.C:
			next.Reset(statsEvery)
			now = g.read()
		}
	}
}

// take takes one sample of each workspace. One that stopped meanwhile is left out, and one
// that cannot be measured is counted, unless it was named.
func (o *statsOptions) take(ctx context.Context, c *client.Client, before []sample) (reading, error) {
	r := reading{samples: []sample{}}
	var ws []workspace.Workspace
	for _, name := range o.Names {
		w, err := c.Workspace(ctx, name)
		if err != nil {
			return r, err
		}
		ws = append(ws, w)
	}
	if len(o.Names) == 0 {
		list, err := c.Workspaces(ctx, api.Filter{States: []workspace.State{workspace.Running, workspace.Paused}})
		if err != nil {
			return r, err
		}
		ws = list.Workspaces
	}
	for _, w := range ws {
		u, err := c.Usage(ctx, w.ID)
		why := fault.From(err)
		switch {
		case err == nil:
			r.samples = append(r.samples, sample{w.Name, w.ID, u, cores(w.ID, u, before)})
		case len(o.Names) > 0, why.Kind == fault.Unavailable, ctx.Err() != nil:
			return r, err
		case why.Kind != fault.Conflict && why.Kind != fault.NotFound && why.Kind != fault.Gone:
			r.refused, r.why = r.refused+1, why
		}
	}
	return r, nil
}

// cores is the CPU use between the sample before and this one.
func cores(id string, now workspace.Usage, before []sample) *float64 {
	for _, b := range before {
		if d := now.Time.Sub(b.Time).Seconds(); b.ID == id && d > 0 && now.CPUSeconds >= b.CPUSeconds {
			v := (now.CPUSeconds - b.CPUSeconds) / d
			return &v
		}
	}
	return nil
}

func (f *Factory) writeStats(out io.Writer, r reading) error {
	f.sayReading(r)
	if len(r.samples) == 0 {
		f.note("no workspace is running; see `wsctl list`, or start one with `wsctl start NAME`")
		return nil
	}
	columns := []string{"NAME", "CPU", "CPU TIME", "MEMORY", "LIMIT", "PEAK", "PROCS", "NET IN", "NET OUT", "DISK READ", "WRITTEN"}
	once := !slices.ContainsFunc(r.samples, func(s sample) bool { return s.CPU != nil })
	if once { // one sample tells nothing of the cores in use
		columns = slices.Delete(columns, 1, 2)
	}
	t := f.table(columns...)
	t.Spare = []string{"CPU TIME", "PEAK", "LIMIT", "DISK READ", "WRITTEN", "NET IN", "NET OUT"}
	for _, s := range r.samples {
		cpu, peak := "-", "-"
		if s.CPU != nil {
			cpu = fmt.Sprintf("%.0f %%", *s.CPU*100)
		}
		if s.MemoryPeak > 0 {
			peak = render.Bytes(s.MemoryPeak)
		}
		received, sent := trafficCells(s.Network)
		read, written := trafficCells(s.Disk)
		cells := []string{
			s.Workspace, cpu, render.Elapsed(time.Duration(s.CPUSeconds * float64(time.Second))),
			render.Bytes(s.Memory), render.Bytes(s.MemoryLimit), peak, fmt.Sprint(s.Pids), received, sent, read, written,
		}
		if once {
			cells = slices.Delete(cells, 1, 2)
		}
		t.Row(cells...)
	}
	return t.Write(out)
}

// trafficCells are both sides of t; nil is what the engine cannot tell.
func trafficCells(t *workspace.Traffic) (in, out string) {
	if t == nil {
		return "-", "-"
	}
	return render.Bytes(t.In), render.Bytes(t.Out)
}
