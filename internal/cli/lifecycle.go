package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// atOnce bounds how many workspaces a bulk command works on at the same time; the
// engine gains nothing from more.
const atOnce = 8

// lifecycleOptions are the flags of start, stop, restart, pause and resume, and
// with Force and Yes those of delete.
type lifecycleOptions struct {
	waitOptions
	Names  []string
	Labels []string
	All    bool
	Force  bool
	Yes    bool

	verb lifecycleVerb
}

// lifecycleVerb is what differs between the lifecycle commands.
type lifecycleVerb struct {
	stage    string // for progress
	want     workspace.Desired
	eligible []workspace.State              // whom a selector or --all means; empty: everyone
	fetches  func(workspace.Workspace) bool // it may begin with a clone; nil: never
	send     func(ctx context.Context, c *client.Client, ref string) (workspace.Workspace, error)
}

func commandVerb(cmd api.Command, stage string, want workspace.Desired, eligible ...workspace.State) lifecycleVerb {
	send := func(ctx context.Context, c *client.Client, ref string) (workspace.Workspace, error) {
		return c.Command(ctx, ref, cmd)
	}
	return lifecycleVerb{stage: stage, want: want, eligible: eligible, send: send}
}

// ask sends the command for one workspace, and before it, where a clone may follow, what
// that may use of the person's. waits tells whether this program stays until it is over.
func (v *lifecycleVerb) ask(ctx context.Context, f *Factory, c *client.Client, ref string, waits bool) (w workspace.Workspace, err error) {
	if v.fetches != nil {
		if err := renewAccess(ctx, f, c, ref, v.fetches, waits); err != nil {
			return w, err
		}
	}
	return v.send(ctx, c, ref)
}

// lifecycleRun is how the lifecycle commands are run; tests put their own in.
type lifecycleRun func(context.Context, *lifecycleOptions) error

// newLifecycleCmd fills in what the lifecycle commands have in common.
func newLifecycleCmd(f *Factory, cmd *cobra.Command, o *lifecycleOptions, runF lifecycleRun) *cobra.Command {
	if runF == nil {
		runF = func(ctx context.Context, o *lifecycleOptions) error { return runLifecycle(ctx, f, o) }
	}
	cmd.Args = o.check
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.Names = args
		return runF(cmd.Context(), o)
	}
	cmd.ValidArgsFunction = completeWorkspaces(f, -1, o.verb.eligible...)
	cmd.Flags().StringArrayVarP(&o.Labels, "label", "l", nil, "every workspace with this label: KEY, `KEY=VALUE` or KEY!=VALUE (repeat to narrow)")
	cmd.Flags().BoolVar(&o.All, "all", false, "every workspace that this makes sense for")
	o.addFlags(cmd)
	_ = cmd.RegisterFlagCompletionFunc("label", completeLabels(f))
	return cmd
}

// check refuses a command line that names nobody, or chooses them in two ways.
func (o *lifecycleOptions) check(cmd *cobra.Command, args []string) error {
	chosen := o.All || len(o.Labels) > 0
	switch {
	case len(args) == 0 && !chosen:
		return usage(cmd, "%s needs a NAME, --label or --all", called(cmd))
	case len(args) > 0 && chosen:
		return usage(cmd, "give names or --label and --all, not both")
	}
	_, err := parseSelectors(o.Labels)
	return err
}

// bulkResult is what --json prints for several workspaces.
type bulkResult struct {
	Workspaces []view      `json:"workspaces"`
	Errors     []bulkError `json:"errors"`
}

type bulkError struct {
	Workspace string      `json:"workspace"`
	Error     api.Problem `json:"error"`
}

func runLifecycle(ctx context.Context, f *Factory, o *lifecycleOptions) error {
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	if len(o.Names) == 1 {
		fo := f.newFollower(c, o.waitOptions)
		w, err := one(ctx, f, fo, o, o.Names[0])
		fo.end(err)
		if err != nil {
			return err
		}
		return f.result(viewOf(w), func(w2 io.Writer) error { return o.say(w2, w) })
	}
	refs := unique(o.Names)
	if len(refs) == 0 {
		if refs, err = o.choose(ctx, c); err != nil {
			return err
		}
	}
	return many(ctx, f, c, o, refs)
}

// say prints the line for one workspace.
func (o *lifecycleOptions) say(out io.Writer, w workspace.Workspace) error {
	text := outcome(w)
	if o.verb.want == workspace.WantDeleted && !o.NoWait {
		text = render.Escape(w.Name) + " is deleted"
	}
	_, err := fmt.Fprintln(out, text)
	return err
}

func one(ctx context.Context, f *Factory, fo *follower, o *lifecycleOptions, ref string) (workspace.Workspace, error) {
	fo.progress.Stage(o.verb.stage, "")
	w, err := o.verb.ask(ctx, f, fo.client, ref, !o.NoWait)
	if err != nil {
		return w, err
	}
	return fo.settle(ctx, w, o.verb.want)
}

// choose returns the ids that --label and --all stand for.
func (o *lifecycleOptions) choose(ctx context.Context, c *client.Client) ([]string, error) {
	selectors, err := parseSelectors(o.Labels)
	if err != nil {
		return nil, err
	}
	list, err := c.Workspaces(ctx, api.Filter{Labels: selectors, States: o.verb.eligible})
	if err != nil {
		return nil, err
	}
	refs := make([]string, 0, len(list.Workspaces))
	for _, w := range list.Workspaces {
		refs = append(refs, w.ID)
	}
	return refs, nil
}

// many works on several workspaces at once. Its exit status is that of the first
// that failed, in the order given.
func many(ctx context.Context, f *Factory, c *client.Client, o *lifecycleOptions, refs []string) error {
	progress := f.newProgress()
	done, errs := make([]workspace.Workspace, len(refs)), make([]error, len(refs))
	var group sync.WaitGroup
	var mu sync.Mutex
	finished := 0
	slots := make(chan struct{}, atOnce)
	for i, ref := range refs {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			done[i], errs[i] = one(ctx, f, &follower{client: c, wait: o.waitOptions}, o, ref)
			mu.Lock()
			finished++
			progress.Stage(o.verb.stage, fmt.Sprintf("%d of %d", finished, len(refs)))
			mu.Unlock()
		})
	}
	group.Wait()
	endProgress(progress, cmp.Or(errs...))
	return f.tellMany(o, refs, done, errs)
}

func (f *Factory) tellMany(o *lifecycleOptions, refs []string, done []workspace.Workspace, errs []error) error {
	res := bulkResult{Workspaces: []view{}, Errors: []bulkError{}}
	var first error
	for i, w := range done {
		if errs[i] == nil {
			res.Workspaces = append(res.Workspaces, viewOf(w))
			continue
		}
		if first == nil {
			first = errs[i]
		}
		name := w.Name
		if name == "" {
			name = refs[i]
		}
		e := fault.From(errs[i])
		res.Errors = append(res.Errors, bulkError{name, render.ProblemOf(e, client.RequestID(errs[i]))})
		told := *e
		told.Text = name + ": " + e.Text
		f.say(&told, client.RequestID(errs[i]))
	}
	err := f.result(res, func(out io.Writer) error {
		for _, v := range res.Workspaces {
			if err := o.say(out, v.Workspace); err != nil {
				return err
			}
		}
		if len(refs) == 0 {
			f.note("no workspace matches; nothing to do")
		}
		return nil
	})
	if err == nil && first != nil {
		return exitStatus(fault.ClassOf(fault.From(first).Kind).Exit)
	}
	return err
}
