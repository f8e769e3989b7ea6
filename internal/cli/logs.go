package cli

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// logsOptions are the flags of logs.
type logsOptions struct {
	Name       string
	Follow     bool
	Since      string
	Tail       int
	Timestamps bool

	since time.Time
}

func newLogsCmd(f *Factory, runF func(context.Context, *logsOptions) error) *cobra.Command {
	o := &logsOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *logsOptions) error { return runLogs(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "logs NAME",
		Short: "Show what a workspace printed",
		Long: `Shows the output of a workspace's main process: its stdout on stdout, its stderr on
stderr. On a terminal control characters are shown as escapes; a pipe or file gets
the bytes as they were. With --json every line is an object on stdout.`,
		Example: `  wsctl logs demo --tail 50
  wsctl logs demo -f --since 10m
  wsctl logs demo --json | jq -r .text`,
		Args: func(cmd *cobra.Command, args []string) (err error) {
			if err := takes(1, 1, "one NAME")(cmd, args); err != nil {
				return err
			}
			if cmd.Flags().Changed("tail") && o.Tail < 0 {
				return usage(cmd, "--tail: give a number of lines from 0 upwards")
			}
			o.since, err = parseSince(o.Since, f.Now())
			return err
		},
		ValidArgsFunction: completeWorkspaces(f, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Name = args[0]
			return runF(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.Follow, "follow", "f", false, "go on with new lines until the workspace stops")
	flags.StringVar(&o.Since, "since", "", "only lines since this `TIME`: a span such as 10m, or an RFC 3339 time")
	flags.IntVarP(&o.Tail, "tail", "n", -1, "only the last `NUMBER` of lines; -1 is all of them")
	flags.BoolVar(&o.Timestamps, "timestamps", false, "begin each line with its time")
	return cmd
}

// parseSince reads a span before now or a point in time; "" is the zero time.
func parseSince(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	var d durationValue
	if err := d.Set(s); err != nil {
		return time.Time{}, fault.New(fault.Usage, "since_invalid", "--since: %.40q is neither a time span nor a time", s).
			WithHint("write 90s, 10m or 2h, or a time such as 2030-01-31T12:00:00Z")
	}
	return now.Add(-time.Duration(d)), nil
}

func runLogs(ctx context.Context, f *Factory, o *logsOptions) error {
	if err := nameOrFault(o.Name); err != nil {
		return err
	}
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	options := workspace.LogOptions{Follow: o.Follow, Since: o.since, Tail: o.Tail}
	for line, err := range c.Logs(ctx, o.Name, options) {
		if err != nil {
			return err
		}
		if err := o.write(f, line); err != nil {
			return err
		}
		if o.Follow {
			if err := f.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *logsOptions) write(f *Factory, l workspace.LogLine) error {
	if f.JSON {
		return render.JSONLine(f.Streams.Out, l)
	}
	out, tty := f.Streams.Out, f.Streams.OutTTY
	if l.Stream == "stderr" {
		if err := f.flush(); err != nil { // keep the order of both where they meet
			return err
		}
		out, tty = f.Streams.Err, f.Streams.ErrTTY
	}
	text := l.Text
	if tty {
		text = render.EscapeLine(text)
	}
	if o.Timestamps {
		text = l.Time.UTC().Format(time.RFC3339Nano) + " " + text
	}
	_, err := io.WriteString(out, text+"\n")
	return err
}
