package cli

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// waitFor are the words of --for.
var waitFor = []string{"running", "stopped", "paused", "ready", "deleted", "port"}

// waitCmdOptions are the flags of wait.
type waitCmdOptions struct {
	Name    string
	For     string
	Timeout durationValue
}

func newWaitCmd(f *Factory, runF func(context.Context, *waitCmdOptions) error) *cobra.Command {
	o := &waitCmdOptions{Timeout: durationValue(10 * time.Minute)}
	if runF == nil {
		runF = func(ctx context.Context, o *waitCmdOptions) error { return runWait(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "wait NAME [--for CONDITION]",
		Short: "Wait until a workspace is in some condition",
		Long: `Waits until a workspace is running, stopped or paused, is ready (it answers as its
template says), is deleted, or until its port accepts connections. It starts
nothing, and fails at once when the condition cannot come by itself: the workspace
is deleted, or it has failed and nothing works on it.`,
		Example: `  wsctl create demo --no-wait && wsctl wait demo --for ready
  wsctl wait demo --for deleted --timeout 30s`,
		Args: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(waitFor, o.For) {
				return usage(cmd, "%.40q is nothing to wait for", o.For).WithHint("--for takes one of %s", strings.Join(waitFor, ", "))
			}
			return takes(1, 1, "one NAME")(cmd, args)
		},
		ValidArgsFunction: completeWorkspaces(f, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Name = args[0]
			return runF(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.For, "for", "ready", "`CONDITION` to wait for: "+strings.Join(waitFor, ", "))
	cmd.Flags().Var(&o.Timeout, "timeout", "give up after this time, with exit status 8")
	_ = cmd.RegisterFlagCompletionFunc("for", completeWords(waitFor...))
	return cmd
}

// waitResult is what wait --json prints.
type waitResult struct {
	Condition string `json:"condition"`
	Workspace *view  `json:"workspace,omitempty"` // as it then was; absent once deleted
}

func runWait(ctx context.Context, f *Factory, o *waitCmdOptions) error {
	if err := nameOrFault(o.Name); err != nil {
		return err
	}
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	limit := time.Duration(o.Timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fault.New(fault.Timeout, "wait_timeout",
		"%s is not %s after %s", o.Name, conditionWords(o.For), spanText(limit)).WithHint("look with `wsctl show %s`", o.Name))
	defer cancel()
	w, err := c.Workspace(ctx, o.Name)
	if o.For == "deleted" && (fault.Is(err, fault.NotFound) || fault.Is(err, fault.Gone)) {
		return o.say(f, nil)
	}
	if err != nil {
		return err
	}
	progress := f.newProgress()
	progress.Stage("waiting for "+o.Name+" to be "+conditionWords(o.For), string(w.State))
	last, err := o.follow(ctx, c, w, progress)
	endProgress(progress, err)
	if err != nil {
		return err
	}
	return o.say(f, last)
}

func conditionWords(word string) string {
	if word == "port" {
		return "accepting connections on its port"
	}
	return word
}

// follow watches w until the condition holds; the result is nil once it is deleted.
func (o *waitCmdOptions) follow(ctx context.Context, c *client.Client, w workspace.Workspace, p *render.Progress) (*workspace.Workspace, error) {
	for m, err := range c.Watch(ctx, client.WatchOptions{Workspace: w.ID, GiveUp: daemonPatience}) {
		if err != nil {
			if o.For == "deleted" && (fault.Is(err, fault.NotFound) || fault.Is(err, fault.Gone)) {
				return nil, nil
			}
			return nil, err
		}
		now, gone, known := latest(m, w.ID)
		switch {
		case gone && o.For == "deleted":
			return nil, nil
		case gone:
			return nil, fault.New(fault.Gone, "deleted", "%s was deleted", w.Name)
		case !known:
			continue
		}
		p.Stage("waiting for "+o.Name+" to be "+conditionWords(o.For), string(now.State))
		if done, err := o.decided(ctx, c, &now); done {
			return &now, err
		}
	}
	return nil, fault.From(context.Cause(ctx))
}

// decided reports whether the wait is over. A message shows the workspace as it was in
// the middle of a change, so what looks like the end is asked for again.
func (o *waitCmdOptions) decided(ctx context.Context, c *client.Client, w *workspace.Workspace) (bool, error) {
	if !o.holds(ctx, *w) && !o.hopeless(*w) {
		return false, nil
	}
	now, err := c.Workspace(ctx, w.ID)
	if err != nil {
		return false, nil // the watch will tell
	}
	*w = now
	if o.hopeless(now) {
		return true, fault.New(fault.Conflict, "workspace_failed", "%s has failed and nothing works on it", now.Name).
			WithHint("see `wsctl show %s`", now.Name)
	}
	return o.holds(ctx, now), nil
}

// hopeless reports whether the condition cannot come by itself any more.
func (o *waitCmdOptions) hopeless(w workspace.Workspace) bool {
	return w.State == workspace.Failed && w.Job == "" && o.For != "deleted"
}

func (o *waitCmdOptions) holds(ctx context.Context, w workspace.Workspace) bool {
	switch o.For {
	case "ready":
		ready, known := w.Condition(workspace.Ready)
		return w.State == workspace.Running && w.Job == "" && (!known || ready.Status)
	case "port":
		return w.State == workspace.Running && dials(ctx, w.Port)
	case "deleted":
		return false
	}
	return string(w.State) == o.For && w.Job == ""
}

// dials reports whether the leased port takes a connection, trying until ctx ends
// or a few seconds are over; the next event tries again.
func dials(ctx context.Context, port int) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = conn.Close()
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (o *waitCmdOptions) say(f *Factory, w *workspace.Workspace) error {
	res := waitResult{Condition: o.For}
	if w != nil {
		v := viewOf(*w)
		res.Workspace = &v
	}
	return f.result(res, func(out io.Writer) error {
		text := render.Escape(o.Name) + " is " + conditionWords(o.For)
		if w != nil && w.State == workspace.Running && w.Port != 0 {
			text += " at " + urlOf(*w)
		}
		_, err := fmt.Fprintln(out, text)
		return err
	})
}
