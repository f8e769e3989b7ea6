package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// createOptions are the flags of create.
type createOptions struct {
	waitOptions
	Request api.Create
	params  []string
	env     []string
	labels  []string
	profile string
	source  sourceOptions
}

func newCreateCmd(f *Factory, runF func(context.Context, *createOptions) error) *cobra.Command {
	o := &createOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *createOptions) error { return runCreate(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "create [NAME] [-- COMMAND...]",
		Short: "Make a workspace and start it",
		Long: `Makes a workspace from a template or an image, starts it, waits until it answers
and prints its URL. Without a name one is made up; without --template and --image
the template "static" is used, which needs no registry.

Its files are the template's, or come from a folder of this machine (--from), or from
a repository (--git), which the workspace's own git clones inside. A folder is shared as
it is: the workspace runs as its owner, and what it changes is changed here too. For a
private repository the clone gets the credential that your git has stored for it
(https), or asks your ssh agent while wsctl waits (ssh); neither stays inside.

Sizes have a unit: 512MiB and 2GiB count in 1024s, 512MB and 2GB in 1000s. Ctrl-C
only stops watching; the work goes on.`,
		Example: `  wsctl create
  wsctl create demo --template static
  wsctl create api --image python:3.12-slim --port 8000 -- python -m http.server 8000
  wsctl create app --image node:22 --git https://example.org/app.git --branch main
  wsctl create app --image node:22 --git git@example.org:team/app.git
  wsctl create here --image node:22 --from . -- npm run dev
  wsctl create build --cpus 2 --memory 4GiB --label team=web -e CI=true
  wsctl create demo --dry-run --json`,
		Args: func(cmd *cobra.Command, args []string) error { return o.parse(cmd, args) },
		RunE: func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
	}
	o.flags(f, cmd)
	return cmd
}

func (o *createOptions) flags(f *Factory, cmd *cobra.Command) {
	flags, r := cmd.Flags(), &o.Request
	flags.StringVarP(&r.Template, "template", "t", "", "`TEMPLATE` to make it from; see wsctl template ls")
	flags.StringArrayVar(&o.params, "param", nil, "parameter of the template, `KEY=VALUE` (repeat)")
	flags.StringVar(&r.Image, "image", "", "`IMAGE` to make it from instead of a template")
	flags.IntVar(&r.Port, "port", 0, "`PORT` inside that the URL leads to")
	flags.IntVar(&r.HostPort, "host-port", 0, "`PORT` of the URL; an error if it is taken")
	addLimitFlags(cmd, &r.Limits)
	flags.StringArrayVarP(&o.env, "env", "e", nil, "variable inside, `KEY=VALUE` (repeat)")
	flags.StringArrayVarP(&o.labels, "label", "l", nil, "label, `KEY=VALUE` (repeat)")
	flags.StringVar(&o.profile, "profile", "", "`PROFILE`, how far it is locked down: strict, writable or admin (default: the template's; writable with --image)")
	flags.StringVar(&r.Policy, "policy", "", "`POLICY` by which it stops for want of use; see wsctl policy (default: the template's, else the daemon's)")
	flags.StringVar(&r.Hours, "hours", "", "running `HOURS`, outside which it stops sooner for want of use; see wsctl policy (default: the template's, else the policy's)")
	o.source.addFlags(flags)
	flags.BoolVar(&r.Stopped, "stopped", false, "make it, but do not start it")
	flags.BoolVar(&r.DryRun, "dry-run", false, "check and show what would be made; change nothing")
	o.addFlags(cmd)
	_ = cmd.RegisterFlagCompletionFunc("template", completeTemplates(f))
	_ = cmd.RegisterFlagCompletionFunc("secret", completeSecrets(f))
	_ = cmd.RegisterFlagCompletionFunc("policy", completePolicies(f))
	_ = cmd.RegisterFlagCompletionFunc("profile", completeWords("strict", "writable", "admin"))
	cmd.ValidArgsFunction = cobra.NoFileCompletions
}

// parse checks everything that can be known without wsd.
func (o *createOptions) parse(cmd *cobra.Command, args []string) (err error) {
	names := args
	if dash := cmd.ArgsLenAtDash(); dash >= 0 {
		names, o.Request.Command = args[:dash], args[dash:]
		if len(o.Request.Command) == 0 {
			return usage(cmd, "no command follows the --")
		}
	}
	if err := takes(0, 1, "one NAME")(cmd, names); err != nil {
		return err
	}
	if len(names) == 1 {
		o.Request.Name = names[0]
		if err := workspace.ValidateName(names[0]); err != nil {
			return err
		}
	}
	if len(o.Request.Command) > 0 && strings.HasPrefix(o.Request.Command[0], "-") {
		return usage(cmd, "the command after -- begins with a dash: %.60q", o.Request.Command[0]).
			WithHint("flags of wsctl go before the --")
	}
	if err := o.source.parse(cmd, &o.Request); err != nil {
		return err
	}
	return o.parseValues(cmd)
}

func (o *createOptions) parseValues(cmd *cobra.Command) (err error) {
	r := &o.Request
	if r.Params, err = parsePairs("param", "version=22", o.params); err != nil {
		return err
	}
	if r.Env, err = parseEnv(o.env); err != nil {
		return err
	}
	if r.Labels, err = parseLabels(o.labels); err != nil {
		return err
	}
	r.Profile = workspace.Profile(o.profile)
	flags := cmd.Flags()
	switch {
	case r.Template != "" && r.Image != "":
		return usage(cmd, "give --template or --image, not both")
	case flags.Changed("template") && r.Template == "", flags.Changed("image") && r.Image == "":
		return usage(cmd, "--template and --image must not be empty")
	case o.profile != "" && r.Profile != workspace.Strict && r.Profile != workspace.Writable && r.Profile != workspace.Admin:
		return usage(cmd, "%.40q is not a profile", o.profile).WithHint("profiles: strict, writable, admin")
	case flags.Changed("port") && workspace.ValidatePort(r.Port) != nil:
		return usage(cmd, "--port: %d is not a TCP port", r.Port).WithHint("give 1 to 65535")
	case flags.Changed("host-port") && workspace.ValidatePort(r.HostPort) != nil:
		return usage(cmd, "--host-port: %d is not a TCP port", r.HostPort).WithHint("see the range with `wsctl ports`")
	case r.DryRun && o.NoWait:
		return usage(cmd, "--dry-run starts nothing that --no-wait could leave")
	}
	if r.Image != "" {
		if err := workspace.ValidateImage(r.Image); err != nil {
			return err
		}
	}
	return workspace.ValidateCommand(r.Command)
}

func runCreate(ctx context.Context, f *Factory, o *createOptions) error {
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	if err := o.source.ready(ctx, f, &o.Request, !o.NoWait); err != nil {
		return err
	}
	fo := f.newFollower(c, o.waitOptions)
	if !o.Request.DryRun {
		fo.progress.Stage("asking for a workspace", "")
	}
	w, err := o.source.create(ctx, f, c, fo.progress, &o.Request)
	if err == nil && !o.Request.DryRun {
		want := workspace.WantRunning
		if o.Request.Stopped {
			want = workspace.WantStopped
		}
		w, err = fo.settle(ctx, w, want)
	}
	fo.end(err)
	if err != nil {
		return err
	}
	sayNotes(f, w)
	return f.result(viewOf(w), func(out io.Writer) error { return o.say(f, out, w) })
}

// sayNotes tells what was asked for and is not, or not quite, done.
func sayNotes(f *Factory, w workspace.Workspace) {
	for _, n := range w.Spec.Notes {
		f.note("note: %s %s", render.Escape(n.Key), render.Escape(n.Reason))
	}
}

func (o *createOptions) say(f *Factory, out io.Writer, w workspace.Workspace) error {
	if o.Request.DryRun {
		return sayDryRun(f, out, w)
	}
	_, err := fmt.Fprintln(out, outcome(w))
	return err
}

// sayDryRun shows what would be made.
func sayDryRun(f *Factory, out io.Writer, w workspace.Workspace) error {
	name := w.Name
	if name == "" {
		name = "(made up)"
	}
	f.note("nothing was made; this would be:")
	var s facts
	s.add("name", name)
	s.add("template", w.Spec.Template)
	specFacts(&s, w.Spec)
	return f.writeFacts(out, s)
}

// nameOrFault checks a reference before wsd is asked, so that a slip costs nothing.
func nameOrFault(ref string) error {
	if ref == "" || len(ref) > 64 || strings.ContainsFunc(ref, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	}) {
		return fault.New(fault.NotFound, "not_found", "no workspace can be called %.60q", ref).
			WithHint("names are lower-case letters, digits and dashes; see `wsctl list`")
	}
	return nil
}
