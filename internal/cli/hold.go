package cli

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// holdOptions are the flags of hold.
type holdOptions struct {
	Name    string
	For     time.Duration
	Reason  string
	List    bool
	Remove  string
	Command []string
}

func newHoldCmd(f *Factory, runF func(context.Context, *holdOptions) error) *cobra.Command {
	o := &holdOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *holdOptions) error { return runHold(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "hold NAME [flags] [-- COMMAND...]",
		Short: "Keep a workspace running for a while",
		Long: `Keeps a running workspace from stopping for want of use: for a time with --for, or
while COMMAND runs, which is a program of this machine and not of the workspace. Then
the hold ends with the command, also when wsctl is killed, and the exit status is the
command's. Without --for it lasts as long as the settings allow (activity.max_hold).

A hold does not outlast activity.max_lifetime, and keeps nobody from wsctl stop.`,
		Example: `  wsctl hold demo --for 2h --reason "a demonstration"
  wsctl hold demo -- make test
  wsctl hold demo --ls
  wsctl hold demo --rm h4f6xk2m7q3d1`,
		Args:              func(cmd *cobra.Command, args []string) error { return o.parse(cmd, args) },
		RunE:              func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
		ValidArgsFunction: completeWorkspaces(f, 1, workspace.Running),
		Annotations:       map[string]string{exitNote: "With a COMMAND its own exit status; 128 + N when signal N ended it."},
	}
	flags := cmd.Flags()
	flags.Var((*durationValue)(&o.For), "for", "how long, such as 2h")
	flags.StringVar(&o.Reason, "reason", "", "`TEXT` that others see")
	flags.BoolVar(&o.List, "ls", false, "list its holds")
	flags.StringVar(&o.Remove, "rm", "", "end the hold `ID`")
	return cmd
}

func (o *holdOptions) parse(cmd *cobra.Command, args []string) error {
	names := args
	if dash := cmd.ArgsLenAtDash(); dash >= 0 {
		names, o.Command = args[:dash], args[dash:]
	}
	if err := takes(1, 1, "one NAME")(cmd, names); err != nil {
		return err
	}
	o.Name = names[0]
	looks := o.List || o.Remove != ""
	switch {
	case cmd.ArgsLenAtDash() >= 0 && len(o.Command) == 0:
		return usage(cmd, "after the two dashes there is no command")
	case o.List && o.Remove != "", looks && (o.For > 0 || o.Reason != "" || len(o.Command) > 0):
		return usage(cmd, "--ls and --rm stand alone")
	}
	return nil
}

func runHold(ctx context.Context, f *Factory, o *holdOptions) error {
	if err := nameOrFault(o.Name); err != nil {
		return err
	}
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	switch {
	case o.List:
		return f.listHolds(ctx, c, o.Name)
	case o.Remove != "":
		if err := c.Unhold(ctx, o.Name, o.Remove); err != nil {
			return err
		}
		return f.result(map[string]string{"hold": o.Remove, "state": "ended"}, func(io.Writer) error {
			return f.print("hold %s of %s has ended\n", render.Escape(o.Remove), render.Escape(o.Name))
		})
	case len(o.Command) > 0:
		return f.holdWhile(ctx, c, o)
	}
	h, err := c.Hold(ctx, o.Name, o.request())
	if err != nil {
		return err
	}
	return f.result(h, func(io.Writer) error {
		return f.print("%s is held for %s (%s)\n", render.Escape(o.Name), render.Left(h.Until.Sub(h.CreatedAt)), h.ID)
	})
}

func (o *holdOptions) request() api.HoldRequest {
	reason := o.Reason
	if reason == "" && len(o.Command) > 0 {
		words := strings.ToValidUTF8(strings.Join(o.Command, " "), "")
		reason = render.Fit(words, maxReason)
	}
	return api.HoldRequest{For: workspace.Duration(o.For), Reason: reason}
}

// maxReason is how much of a command becomes the reason of its hold, in columns.
const maxReason = 60

func (f *Factory) listHolds(ctx context.Context, c *client.Client, name string) error {
	why, err := c.Why(ctx, name)
	if err != nil {
		return err
	}
	if why.Holds == nil {
		why.Holds = []activity.Hold{}
	}
	return f.result(map[string][]activity.Hold{"holds": why.Holds}, func(out io.Writer) error {
		if len(why.Holds) == 0 {
			f.note("nothing holds %s", render.Escape(name))
			return nil
		}
		t := f.table("HOLD", "ENDS", "BY", "REASON")
		t.Loose, t.Spare = []string{"REASON"}, []string{"BY"}
		for _, h := range why.Holds {
			end := render.Until(why.Now, h.Until)
			if h.Session != "" {
				end = "with its command"
			}
			t.Row(h.ID, end, personText(h.Actor), h.Reason)
		}
		return t.Write(out)
	})
}

// holdWhile runs a program of this machine while the workspace is held.
func (f *Factory) holdWhile(parent context.Context, c *client.Client, o *holdOptions) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	held, lost := make(chan struct{}), make(chan error, 1)
	var last activity.Hold // of stayHeld, until it returns
	go func() { lost <- stayHeld(ctx, c, o, &last, held) }()
	select {
	case <-held:
	case err := <-lost:
		return err
	}
	status, err := runHere(o.Command)
	cancel()
	<-lost //nolint:errcheck // the command has ended; how it did is what counts
	endHold(parent, c, o.Name, last.ID)
	if err != nil {
		return err
	}
	return exitStatus(status)
}

// endHold sees to it that a hold is over when the status of its command is told: wsd may not
// have noticed the end of the connection yet. Without an answer the connection's end has to do.
func endHold(ctx context.Context, c *client.Client, name, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endHoldIn)
	defer cancel()
	_ = c.Unhold(ctx, name, id) // mostly it is gone by now
}

// endHoldIn bounds how long a command's status waits for wsd.
const endHoldIn = 2 * time.Second

// stayHeld holds until ctx ends, again where the connection is lost. last is the newest hold;
// held is closed with the first, and before that the first failure ends it.
func stayHeld(ctx context.Context, c *client.Client, o *holdOptions, last *activity.Hold, held chan struct{}) error {
	once := false
	for {
		err := c.HoldWhile(ctx, o.Name, o.request(), func(h activity.Hold) {
			if *last = h; !once {
				once = true
				close(held)
			}
		})
		if ctx.Err() != nil || !once {
			return err
		}
		select {
		case <-time.After(againFirst + rand.N(againMax)): //nolint:gosec // jitter
		case <-ctx.Done():
		}
	}
}

// runHere runs a program with wsctl's own streams and returns its exit status. Signals that
// ask it to end reach it: those of a terminal go to both, the others are passed on.
func runHere(command []string) (int, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	caught := make(chan os.Signal, 4)
	signal.Notify(caught, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(caught)
	if err := cmd.Start(); err != nil {
		return 0, fault.New(fault.NotFound, "command_not_found", "%.60q cannot be run on this machine: %v", command[0], errors.Unwrap(err)).
			WithHint("inside the workspace it is run by wsctl exec").WithCause(err)
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case s := <-caught:
				if s != syscall.SIGINT { // the terminal has sent that to both
					_ = cmd.Process.Signal(s)
				}
			case <-done:
				return
			}
		}
	}()
	err := cmd.Wait()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		return 0, fault.New(fault.Internal, "command_failed", "the command cannot be waited for").WithCause(err)
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return cmd.ProcessState.ExitCode(), nil
}
