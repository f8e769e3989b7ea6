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
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

func newJobsCmd(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "jobs",
		Short: "Look at slow work: list, retry, cancel",
		Long: `Jobs are what wsd has promised to do: make, start, stop or delete a workspace. They
are repeated with growing delays when they fail, survive a restart of wsd, and stay
listed when they have given up.`,
		Example: "  wsctl jobs ls\n  wsctl jobs retry j2k4mqrz3abcd",
		Args:    cobra.ArbitraryArgs,
		RunE:    groupRun,
	}
	cmd.AddCommand(newJobsListCmd(f, nil), newJobsShowCmd(f), newJobsRetryCmd(f), newJobsCancelCmd(f), newJobsStatsCmd(f))
	return cmd
}

// jobStates are the words of --state.
var jobStates = []string{"waiting", "delayed", "active", "completed", "failed", "cancelled"}

// jobsListOptions are the flags of jobs ls.
type jobsListOptions struct {
	States    []string
	Workspace string
	Watch     bool

	states []workspace.JobState
}

func newJobsListCmd(f *Factory, runF func(context.Context, *jobsListOptions) error) *cobra.Command {
	o := &jobsListOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *jobsListOptions) error { return runJobsList(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List jobs",
		Long:    `Lists open jobs and those that ended lately, newest first.`,
		Example: "  wsctl jobs ls\n  wsctl jobs ls --state failed\n  wsctl jobs ls --watch\n  wsctl jobs ls --workspace demo --json",
		Args: func(cmd *cobra.Command, args []string) error {
			for _, s := range strings.Split(strings.Join(o.States, ","), ",") {
				switch {
				case slices.Contains(jobStates, s):
					o.states = append(o.states, workspace.JobState(s))
				case len(o.States) > 0:
					return usage(cmd, "--state: %.40q is not a state of jobs", s).WithHint("states: %s", strings.Join(jobStates, ", "))
				}
			}
			return takes(0, 0, "")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
	}
	cmd.Flags().StringArrayVar(&o.States, "state", nil, "only these `STATES`: "+strings.Join(jobStates, ", "))
	cmd.Flags().StringVar(&o.Workspace, "workspace", "", "only of this `WORKSPACE`")
	addWatchFlag(cmd, &o.Watch)
	_ = cmd.RegisterFlagCompletionFunc("state", completeWords(jobStates...))
	_ = cmd.RegisterFlagCompletionFunc("workspace", completeWorkspaces(f, -1))
	return cmd
}

func runJobsList(ctx context.Context, f *Factory, o *jobsListOptions) error {
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	return f.show(ctx, c, o.Workspace, o.Watch, func(ctx context.Context) (picture, error) {
		list, err := c.Jobs(ctx, o.states, o.Workspace)
		if list.Jobs == nil {
			list.Jobs = []workspace.Job{}
		}
		return picture{list, func(out io.Writer) error { return f.writeJobs(out, list.Jobs) }}, err
	})
}

func (f *Factory) writeJobs(out io.Writer, jobs []workspace.Job) error {
	if len(jobs) == 0 {
		f.note("no jobs; nothing is being worked on")
		return nil
	}
	now := f.Now()
	t := f.table("ID", "KIND", "WORKSPACE", "STATE", "ATTEMPT", "AGE")
	t.Loose, t.Spare = []string{"ERROR", "WORKSPACE", "KIND"}, []string{"ATTEMPT", "AGE", "ERROR"}
	wrong := slices.ContainsFunc(jobs, func(j workspace.Job) bool { return j.Error != "" })
	if wrong {
		t.Header = append(t.Header, "ERROR")
	}
	for _, j := range jobs {
		row := []render.Cell{
			{Text: j.ID},
			{Text: string(j.Kind)},
			{Text: j.Name},
			{Text: string(j.State), Colour: jobColour(j.State)},
			{Text: fmt.Sprintf("%d of %d", j.Attempt, j.Attempts)},
			{Text: render.Ago(now, j.CreatedAt)},
		}
		if wrong {
			row = append(row, render.Cell{Text: j.Error})
		}
		t.Rows = append(t.Rows, row)
	}
	return t.Write(out)
}

func jobColour(s workspace.JobState) render.Colour {
	switch {
	case s == workspace.JobFailed:
		return render.Bad
	case s.Open():
		return render.Busy
	}
	return render.Faint
}

// newJobCmd is a command on one job.
func newJobCmd(f *Factory, use, short, long, example string, states []workspace.JobState,
	do func(ctx context.Context, c *client.Client, id string) (workspace.Job, error),
) *cobra.Command {
	return &cobra.Command{
		Use: use + " JOB", Short: short, Long: long, Example: example,
		Args:              takes(1, 1, "the id of one JOB"),
		ValidArgsFunction: completeJobs(f, states...),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !workspace.ValidID(workspace.PrefixJob, args[0]) {
				return fault.New(fault.NotFound, "not_found", "no job can be called %.60q", args[0]).WithHint("see `wsctl jobs ls`")
			}
			c, err := f.Client(cmd.Context())
			if err != nil {
				return err
			}
			j, err := do(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return f.result(j, func(out io.Writer) error { return f.showJob(out, j) })
		},
	}
}

func newJobsShowCmd(f *Factory) *cobra.Command {
	return newJobCmd(f, "show", "Show everything about a job", `Shows one job: what for, how often it was tried, and its last error.`,
		"  wsctl jobs show j2k4mqrz3abcd", nil,
		func(ctx context.Context, c *client.Client, id string) (workspace.Job, error) { return c.Job(ctx, id) })
}

func newJobsRetryCmd(f *Factory) *cobra.Command {
	return newJobCmd(f, "retry", "Let a failed job begin anew", `Lets a job that gave up begin anew, or one that waits for its next attempt begin now.`,
		"  wsctl jobs retry j2k4mqrz3abcd", []workspace.JobState{workspace.JobFailed, workspace.JobDelayed},
		func(ctx context.Context, c *client.Client, id string) (workspace.Job, error) {
			return c.RetryJob(ctx, id)
		})
}

func newJobsCancelCmd(f *Factory) *cobra.Command {
	return newJobCmd(f, "cancel", "Cancel a job that is not done", `Cancels a job that is not done yet. What it has already made stays until a later
command or wsd itself cleans it up.`,
		"  wsctl jobs cancel j2k4mqrz3abcd", []workspace.JobState{workspace.JobWaiting, workspace.JobDelayed, workspace.JobActive},
		func(ctx context.Context, c *client.Client, id string) (workspace.Job, error) {
			return c.CancelJob(ctx, id)
		})
}

func (f *Factory) showJob(out io.Writer, j workspace.Job) error {
	now := f.Now()
	var s facts
	s.add("job", j.ID)
	s.add("kind", string(j.Kind))
	s.add("workspace", j.Name)
	s.add("state", string(j.State))
	s.add("attempt", fmt.Sprintf("%d of %d", j.Attempt, j.Attempts))
	s.add("asked by", j.Actor)
	addTime(&s, now, "created", j.CreatedAt)
	addTime(&s, now, "last begun", j.StartedAt)
	addTime(&s, now, "ended", j.EndedAt)
	if j.State == workspace.JobDelayed && j.DueAt.After(now) {
		s.add("next attempt", "in "+render.Span(j.DueAt.Sub(now)))
	}
	s.add("error", j.Error)
	s.add("code", j.Code)
	s.add("hint", j.Hint)
	return f.writeFacts(out, s)
}

func newJobsStatsCmd(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "stats",
		Short:   "Count jobs by kind and state",
		Long:    `Counts jobs of every kind since the store was made, and their mean time.`,
		Example: "  wsctl jobs stats",
		Args:    takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.Client(cmd.Context())
			if err != nil {
				return err
			}
			stats, err := c.JobStats(cmd.Context())
			if err != nil {
				return err
			}
			return f.result(stats, func(out io.Writer) error { return f.writeJobStats(out, stats) })
		},
	}
}

func (f *Factory) writeJobStats(out io.Writer, stats api.JobStats) error {
	t := f.table("KIND", "WAITING", "DELAYED", "ACTIVE", "COMPLETED", "FAILED", "CANCELLED", "RETRIED", "MEAN")
	t.Spare = []string{"CANCELLED", "RETRIED", "DELAYED", "WAITING", "ACTIVE"}
	for _, k := range stats.Kinds {
		mean := "-"
		if k.Completed > 0 {
			mean = render.Elapsed(time.Duration(k.MeanMS * float64(time.Millisecond)))
		}
		t.Row(string(k.Kind), fmt.Sprint(k.Waiting), fmt.Sprint(k.Delayed), fmt.Sprint(k.Active), fmt.Sprint(k.Completed),
			fmt.Sprint(k.Failed), fmt.Sprint(k.Cancelled), fmt.Sprint(k.Retried), mean)
	}
	return t.Write(out)
}
