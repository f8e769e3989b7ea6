package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// execOptions are the flags of exec.
type execOptions struct {
	Name     string
	Command  []string
	TTY      bool
	Stdin    bool
	Dir      string
	Env      map[string]string
	envWords []string
}

func newExecCmd(f *Factory, runF func(context.Context, *execOptions) error) *cobra.Command {
	o := &execOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *execOptions) error { return runExec(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "exec NAME [flags] -- COMMAND...",
		Short: "Run a command inside a workspace",
		Long: `Runs a command inside a running workspace and ends with its exit status. Its
standard input is connected when wsctl's own is a pipe or a file, with -i, or with
-t. Ctrl-C, SIGTERM and SIGHUP are passed on to it; the second of them ends it. With -t
it gets a terminal: keys go to it as they are typed, Ctrl-C too, and it learns when the
window changes its size.`,
		Example: `  wsctl exec demo -- ls -l
  wsctl exec demo -t -- sh
  tar c src | wsctl exec demo -w /workspace -- tar x
  wsctl exec demo -e DEBUG=1 -- env`,
		Args:              func(cmd *cobra.Command, args []string) error { return o.parse(cmd, args) },
		RunE:              func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
		ValidArgsFunction: completeWorkspaces(f, 1, workspace.Running),
		Annotations:       map[string]string{exitNote: "Once the command runs, its own exit status; 128 + N when signal N ended it."},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.TTY, "tty", "t", false, "give the command a terminal")
	flags.BoolVarP(&o.Stdin, "interactive", "i", false, "connect standard input, also when it is a terminal")
	flags.StringVarP(&o.Dir, "workdir", "w", "", "`FOLDER` inside to run it in")
	flags.StringArrayVarP(&o.envWords, "env", "e", nil, "variable, `KEY=VALUE` (repeat)")
	return cmd
}

func (o *execOptions) parse(cmd *cobra.Command, args []string) (err error) {
	names := args
	if dash := cmd.ArgsLenAtDash(); dash >= 0 {
		names, o.Command = args[:dash], args[dash:]
	} else if len(args) > 1 {
		names, o.Command = args[:1], args[1:]
	}
	if err := takes(1, 1, "one NAME")(cmd, names); err != nil {
		return err
	}
	o.Name = names[0]
	if len(o.Command) == 0 {
		return usage(cmd, "%s needs a command", called(cmd)).
			WithHint("write it after two dashes: wsctl exec %s -- ls", o.Name)
	}
	if err := workspace.ValidateCommand(o.Command); err != nil {
		return err
	}
	o.Env, err = parseEnv(o.envWords)
	return err
}

func runExec(ctx context.Context, f *Factory, o *execOptions) error {
	if err := nameOrFault(o.Name); err != nil {
		return err
	}
	s := f.Streams
	if o.TTY && !s.InTTY {
		return fault.New(fault.Usage, "not_a_terminal", "-t needs a terminal, and standard input is none").
			WithHint("leave -t away in scripts")
	}
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	start := api.ExecStart{Command: o.Command, Env: o.Env, Dir: o.Dir, TTY: o.TTY}
	streams := client.ExecStreams{Out: f.raw, Err: s.Err}
	if o.TTY || o.Stdin || !s.InTTY {
		start.Stdin, streams.In = true, s.In
	}
	if o.TTY {
		restore, err := o.takeTerminal(ctx, f, &start, &streams)
		if err != nil {
			return err
		}
		defer restore()
	}
	if !o.TTY { // with a terminal the keys themselves go to the command
		var end func()
		ctx, streams.Signals, end = passSignals(ctx)
		defer end()
	}
	status, err := c.Exec(ctx, o.Name, start, streams)
	if err != nil {
		return err
	}
	return exitStatus(status)
}

// passSignals returns the names of the signals that ask this program to end, for the
// command to get in its place. The context that it returns ends with the second of them:
// then the command has not obeyed, and is hung up.
func passSignals(parent context.Context) (ctx context.Context, names <-chan string, end func()) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	out, caught := make(chan string, 1), make(chan os.Signal, 2)
	signal.Notify(caught, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		defer signal.Stop(caught)
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case s := <-caught:
				if n > 0 {
					cancel(context.Canceled)
					return
				}
				out <- map[os.Signal]string{syscall.SIGINT: "INT", syscall.SIGTERM: "TERM", syscall.SIGHUP: "HUP"}[s]
			}
		}
	}()
	return ctx, out, func() { cancel(nil) }
}

// takeTerminal puts the terminal into raw mode and tells of its sizes. restore gives
// it back as it was and must be called.
func (o *execOptions) takeTerminal(ctx context.Context, f *Factory, start *api.ExecStart, s *client.ExecStreams) (restore func(), err error) {
	in := f.Streams.inFile
	cols, rows := size(in)
	start.Cols, start.Rows = uint16(cols), uint16(rows) //nolint:gosec // columns of a terminal
	if t := f.Streams.Env("TERM"); t != "" {
		if start.Env == nil {
			start.Env = map[string]string{}
		}
		if _, given := start.Env["TERM"]; !given {
			start.Env["TERM"] = t
		}
	}
	old, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, fault.New(fault.Internal, "terminal", "the terminal cannot be put into raw mode").WithCause(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	s.Resize = sizes(ctx, in)
	return func() {
		cancel()
		_ = term.Restore(int(in.Fd()), old)
	}, nil
}

// sizes sends the terminal's size each time that it changes, until ctx ends. A size
// that was not taken yet is replaced by the newer one.
func sizes(ctx context.Context, terminal *os.File) <-chan [2]uint16 {
	out := make(chan [2]uint16, 1)
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	go func() {
		defer signal.Stop(changed)
		for {
			select {
			case <-ctx.Done():
				return
			case <-changed:
			}
			cols, rows := size(terminal)
			select {
			case <-out:
			default:
			}
			out <- [2]uint16{uint16(cols), uint16(rows)} //nolint:gosec // columns of a terminal
		}
	}()
	return out
}
