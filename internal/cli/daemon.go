package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

func newDaemonCmd(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "daemon",
		Short: "Start, stop and look at wsd",
		Long: `wsd is the program in the background that owns the workspaces. Commands start it when
they need it. Workspaces go on running while it is stopped, but their URLs do not
answer.`,
		Example: "  wsctl daemon status\n  wsctl daemon logs -f",
		Args:    cobra.ArbitraryArgs,
		RunE:    groupRun,
	}
	cmd.AddCommand(newDaemonStartCmd(f), newDaemonStopCmd(f), newDaemonStatusCmd(f), newDaemonLogsCmd(f, nil))
	return cmd
}

func newDaemonStartCmd(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "start",
		Short:   "Start wsd if it does not run",
		Long:    `Starts wsd in the background if it does not run, and waits until it answers.`,
		Example: "  wsctl daemon start",
		Args:    takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.Client(cmd.Context())
			if err != nil {
				return err
			}
			return f.tellStatus(cmd.Context(), c)
		},
	}
}

func newDaemonStatusCmd(f *Factory) *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show whether wsd runs and how it is",
		Long: `Shows whether wsd runs, its engine, and counts. Exit status 5 says that it does not run.
With --watch it goes on while wsd is away, and says so.`,
		Example: "  wsctl daemon status\n  wsctl daemon status --watch\n  wsctl daemon status --json | jq .engine.reachable",
		Args:    takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.impatient()
			if err != nil {
				return err
			}
			if watch {
				return f.watch(cmd.Context(), c, client.WatchOptions{}, func(ctx context.Context) (picture, error) { return f.statusOrAway(ctx, c) })
			}
			return f.tellStatus(cmd.Context(), c)
		},
	}
	addWatchFlag(cmd, &watch)
	return cmd
}

// statusOrAway is how wsd is, or that it is away.
func (f *Factory) statusOrAway(ctx context.Context, c *client.Client) (picture, error) {
	st, err := c.Status(ctx)
	if !fault.Is(err, fault.Unavailable) {
		return picture{st, func(out io.Writer) error { return f.writeStatus(out, st) }}, err
	}
	e := fault.From(err)
	return picture{errorBody{render.ProblemOf(e, "")}, func(out io.Writer) error {
		_, err := fmt.Fprintf(out, "%s\n", render.EscapeLine(e.Text))
		return err
	}}, nil
}

// impatient returns a client that takes no for an answer at once.
func (f *Factory) impatient() (*client.Client, error) {
	s, err := f.Settings()
	if err != nil {
		return nil, err
	}
	return client.New(client.Options{Socket: s.Socket, Retry: client.RetryPolicy{Attempts: 1}}), nil
}

func (f *Factory) tellStatus(ctx context.Context, c *client.Client) error {
	st, err := c.Status(ctx)
	if err != nil {
		return err
	}
	return f.result(st, func(out io.Writer) error { return f.writeStatus(out, st) })
}

func (f *Factory) writeStatus(out io.Writer, st api.Status) error {
	now := f.Now()
	var s facts
	s.add("wsd", fmt.Sprintf("%s, process %d, up %s", st.Version, st.PID, render.Span(now.Sub(st.StartedAt))))
	s.add("socket", st.Socket)
	s.add("state", st.StateDir)
	engine := fmt.Sprintf("%s %s (api %s)", st.Engine.Name, st.Engine.Version, st.Engine.API)
	switch {
	case st.Engine.Since.IsZero():
		engine = "not asked yet"
	case !st.Engine.Reachable:
		engine = fmt.Sprintf("%s cannot be reached since %s: %s", st.Engine.Name, render.Ago(now, st.Engine.Since), st.Engine.Error)
	}
	s.add("engine", engine)
	total := 0
	for _, state := range workspace.States() {
		if n := st.Workspaces[state]; n > 0 {
			s.add(string(state), fmt.Sprint(n))
			total += n
		}
	}
	if total == 0 {
		s.add("workspaces", "none")
	}
	s.add("free ports", fmt.Sprint(st.PortsFree))
	s.add("names", cmp.Or(api.NameURL(st.Names, "NAME", 1, 1), "not served"))
	return f.writeFacts(out, s)
}

// stopBudget is how long wsd may take to end.
const stopBudget = 30 * time.Second

func newDaemonStopCmd(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "stop",
		Short: "Stop wsd; workspaces go on running",
		Long: `Stops wsd and waits until it has ended. Workspaces go on running. Where there are none,
the containers that wsd keeps ready for new ones are removed; the images stay. Where wsd
is a unit of systemd, stop that instead, or it may be started again.`,
		Example: "  wsctl daemon stop",
		Args:    takes(0, 0, ""),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runDaemonStop(cmd.Context(), f) },
	}
}

func runDaemonStop(ctx context.Context, f *Factory) error {
	c, err := f.impatient()
	if err != nil {
		return err
	}
	st, err := c.Status(ctx)
	res := struct {
		Stopped bool `json:"stopped"`
		PID     int  `json:"pid,omitempty"`
	}{}
	switch {
	case fault.HasCode(err, "daemon_unreachable"):
		return f.result(res, func(io.Writer) error { f.note("wsd is not running"); return nil })
	case err != nil:
		return err
	}
	if err := endProcess(ctx, st.PID); err != nil {
		return err
	}
	res.Stopped, res.PID = true, st.PID
	return f.result(res, func(io.Writer) error { return f.print("wsd is stopped%s\n", left(st.Workspaces)) })
}

// left says what a wsd that has ended leaves.
func left(counts map[workspace.State]int) string {
	all := 0
	for _, n := range counts {
		all += n
	}
	running := counts[workspace.Running]
	switch {
	case all == 0:
		return ""
	case running == 0:
		return "; its workspaces are kept"
	}
	return fmt.Sprintf("; %s running", map[bool]string{true: "1 workspace goes on", false: fmt.Sprintf("%d workspaces go on", running)}[running == 1])
}

// endProcess asks a process to end and waits until it has. Signal 0 asks whether it
// still is there (kill(2)).
func endProcess(ctx context.Context, pid int) error {
	if pid <= 1 {
		return fault.New(fault.Internal, "pid_invalid", "wsd named no process id")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, stopBudget,
		fault.New(fault.Timeout, "stop_timeout", "wsd (process %d) has not ended after %s", pid, spanText(stopBudget)))
	defer cancel()
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fault.New(fault.Denied, "daemon_foreign", "wsd (process %d) belongs to another user", pid).WithCause(err)
	}
	for {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || zombie(pid) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fault.From(context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// zombie reports whether a process has ended and only waits to be reaped by its
// parent, which inside some containers nobody does (proc(5), stat).
func zombie(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, ok := bytes.Cut(raw, []byte(") "))
	return ok && len(rest) > 0 && (rest[0] == 'Z' || rest[0] == 'X')
}

// daemonLogsOptions are the flags of daemon logs.
type daemonLogsOptions struct {
	Follow bool
	Tail   int
}

func newDaemonLogsCmd(f *Factory, runF func(context.Context, *daemonLogsOptions) error) *cobra.Command {
	o := &daemonLogsOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *daemonLogsOptions) error { return runDaemonLogs(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "logs",
		Short: "Show what wsd logged",
		Long: `Shows the log of a wsd that wsctl started. One that is a unit of systemd logs to the
journal instead: journalctl --user -u wsd.`,
		Example: "  wsctl daemon logs -n 100\n  wsctl daemon logs -f",
		Args: func(cmd *cobra.Command, args []string) error {
			if o.Tail < 0 {
				return usage(cmd, "--tail: give a number of lines from 0 upwards")
			}
			return takes(0, 0, "")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
	}
	cmd.Flags().BoolVarP(&o.Follow, "follow", "f", false, "go on with new lines until Ctrl-C")
	cmd.Flags().IntVarP(&o.Tail, "tail", "n", 100, "only the last `NUMBER` of lines")
	return cmd
}

func runDaemonLogs(ctx context.Context, f *Factory, o *daemonLogsOptions) error {
	s, err := f.Settings()
	if err != nil {
		return err
	}
	file, err := os.Open(s.LogFile())
	if errors.Is(err, os.ErrNotExist) {
		return fault.New(fault.NotFound, "log_missing", "there is no log at %s", s.LogFile()).
			WithHint("a wsd run by systemd logs to the journal: journalctl --user -u wsd")
	}
	if err != nil {
		return fileFault("read", s.LogFile(), err)
	}
	defer file.Close()
	return o.print(ctx, f, file)
}

// print writes the last lines, then, with Follow, whatever is appended.
func (o *daemonLogsOptions) print(ctx context.Context, f *Factory, file io.Reader) error {
	in := bufio.NewReaderSize(file, 64<<10)
	last := []string{}
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			last = append(last, line)
		}
		if len(last) > o.Tail {
			last = last[1:]
		}
		if err != nil {
			break
		}
	}
	for _, line := range last {
		if err := f.logLine(line); err != nil {
			return err
		}
	}
	for o.Follow {
		if err := f.flush(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fault.From(context.Cause(ctx))
		case <-time.After(250 * time.Millisecond):
		}
		for {
			line, err := in.ReadString('\n')
			if line != "" {
				if err := f.logLine(line); err != nil {
					return err
				}
			}
			if err != nil {
				break
			}
		}
	}
	return nil
}

func (f *Factory) logLine(line string) error {
	text := line
	if n := len(line); n > 0 && line[n-1] == '\n' {
		text = line[:n-1]
	}
	if f.JSON {
		return render.JSONLine(f.Streams.Out, struct {
			Text string `json:"text"`
		}{text})
	}
	if f.Streams.OutTTY {
		text = render.EscapeLine(text)
	}
	_, err := fmt.Fprintln(f.Streams.Out, text)
	return err
}

// daemonCommand runs a verb of the wsd program itself, for work that must not pass
// through a running wsd.
func (f *Factory) daemonCommand(ctx context.Context, args ...string) *daemonProgram {
	return &daemonProgram{f, ctx, args}
}

type daemonProgram struct {
	f    *Factory
	ctx  context.Context
	args []string
}

// output runs the program and returns its stdout; its stderr becomes the sentence
// of the error.
func (p *daemonProgram) output() ([]byte, error) {
	s, err := p.f.Settings()
	if err != nil {
		return nil, err
	}
	if s.Binary == "" {
		if s.Binary, err = client.FindDaemon(); err != nil {
			return nil, err
		}
	}
	cmd := exec.CommandContext(p.ctx, s.Binary, p.args...) //nolint:gosec // the person's own program
	cmd.Env = append(os.Environ(), "WSD_STATE_DIR="+s.StateDir, "WSD_SOCKET="+s.Socket)
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case p.ctx.Err() != nil:
		return nil, fault.From(context.Cause(p.ctx))
	case errors.As(err, &exit):
		return out, &programError{exit.ExitCode(), exit.Stderr}
	case err != nil:
		return nil, fault.New(fault.Unavailable, "daemon_missing", "the program %s cannot be run", s.Binary).WithCause(err)
	}
	return out, nil
}

// programError is a wsd program that ended with another status than 0.
type programError struct {
	status int
	stderr []byte
}

func (e *programError) Error() string { return fmt.Sprintf("wsd ended with status %d", e.status) }
