package cli

import (
	"context"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// previewOptions are the flags of preview.
type previewOptions struct {
	Name    string
	Port    int    // 0: the workspace's own
	Path    string // "": /
	Devices []string
	Check   bool
	Print   bool
}

func newPreviewCmd(f *Factory, runF func(context.Context, *previewOptions) error) *cobra.Command {
	o := &previewOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *previewOptions) error { return runPreview(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "preview NAME",
		Short: "Show a workspace in the sizes of devices, or check it",
		Long: `Prints the address of the preview page of a workspace, which shows what it serves in the
sizes of phones, tablets and desktops, side by side if several are named, and opens it
as open does.

With --check nothing is opened. wsd looks at the page itself, as a browser does and
through the front door: whether it answers and may be framed, which dev server it is,
and whether the socket of its hot replacement opens; if not, why not, and what to do.
That is no use of the workspace, and starts none that sleeps.`,
		Example: `  wsctl preview demo
  wsctl preview demo --port 5173 --path /cart --device mobile,desktop
  wsctl preview demo --check
  wsctl preview demo --check --json | jq -r '.checks[] | select(.status=="fail") | .code'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := takes(1, 1, "one NAME")(cmd, args); err != nil {
				return err
			}
			o.Name = args[0]
			return o.validate(cmd)
		},
		RunE:              func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
		ValidArgsFunction: completeWorkspaces(f, 1),
		Annotations:       map[string]string{exitNote: "With --check: 0 when hot replacement works, or there is none to work; 1 when a check has failed."},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.Port, "port", 0, "`PORT` inside instead of the workspace's own")
	flags.StringVar(&o.Path, "path", "", "`PATH` of the page to begin with (default /)")
	flags.StringSliceVar(&o.Devices, "device", nil, "show it in the size of this `DEVICE` (mobile, 500x700, ~tablet on its side); several with commas, side by side")
	flags.BoolVar(&o.Check, "check", false, "look whether hot replacement works, and open nothing")
	flags.BoolVar(&o.Print, "print", false, "print the address and open nothing")
	_ = cmd.RegisterFlagCompletionFunc("device", completeDevices)
	_ = cmd.RegisterFlagCompletionFunc("port", completePorts(f))
	return cmd
}

// validate refuses what no preview page can be told.
func (o *previewOptions) validate(cmd *cobra.Command) error {
	if cmd.Flags().Changed("port") && workspace.ValidatePort(o.Port) != nil {
		return usage(cmd, "--port: %d is not a TCP port", o.Port).WithHint("give 1 to 65535")
	}
	if cmd.Flags().Changed("path") && (!strings.HasPrefix(o.Path, "/") || strings.HasPrefix(o.Path, "//")) {
		return usage(cmd, "--path: %.60q is no path of a page", o.Path).WithHint("a path begins with one /")
	}
	if len(o.Devices) > api.MaxDevices {
		return usage(cmd, "--device: %d devices are more than a preview page begins with", len(o.Devices)).WithHint("give up to %d, and add others on the page", api.MaxDevices)
	}
	for _, id := range o.Devices {
		if err := knownDevice(cmd, id); err != nil {
			return err
		}
	}
	if o.Check && (o.Print || len(o.Devices) > 0) {
		return usage(cmd, "--check opens no page: leave --print and --device away")
	}
	return nil
}

func deviceIDs() []string {
	var ids []string
	for _, d := range api.Devices() {
		ids = append(ids, d.ID)
	}
	return ids
}

func knownDevice(cmd *cobra.Command, id string) error {
	if _, ok := api.ParseDevice(id); ok {
		return nil
	}
	ids := deviceIDs()
	err := usage(cmd, "--device: there is no device %.40q", id)
	if near := fault.Nearest(id, ids, max(1, len(id)/3)); near != "" {
		return err.WithHint("did you mean %s?", near)
	}
	return err.WithHint("one of %s; or WIDTHxHEIGHT, such as 500x700; ~ before either turns it", strings.Join(ids, ", "))
}

// completeDevices completes the last of a list with commas.
func completeDevices(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	before := word[:strings.LastIndexByte(word, ',')+1]
	given := strings.Split(before, ",")
	var words []string
	for _, d := range api.Devices() {
		if !slices.Contains(given, d.ID) {
			words = append(words, before+d.ID+"\t"+d.Name+", "+strconv.Itoa(d.Width)+"x"+strconv.Itoa(d.Height))
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completePorts offers the ports on which something listens in the workspace that is named.
func completePorts(f *Factory) completionFunc {
	return live(f, func(ctx context.Context, c *client.Client, args []string) ([]string, error) {
		if len(args) == 0 {
			return nil, nil
		}
		list, err := c.Listening(ctx, args[0])
		var words []string
		for _, l := range list.Ports {
			words = append(words, strconv.Itoa(l.Port)+"\t"+render.Escape(l.Process))
		}
		return words, err
	})
}

func runPreview(ctx context.Context, f *Factory, o *previewOptions) error {
	if err := nameOrFault(o.Name); err != nil {
		return err
	}
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	if o.Check {
		return f.checkPreview(ctx, c, o)
	}
	w, names, err := placed(ctx, c, o.Name)
	if err != nil {
		return err
	}
	address, err := o.address(w, names)
	if err != nil {
		return err
	}
	return f.opened(ctx, address, o.Print)
}

// address is that of the preview page; names is the front door's.
func (o *previewOptions) address(w workspace.Workspace, names string) (string, error) {
	if w.Spec.Port == 0 && o.Port == 0 {
		return "", fault.New(fault.Conflict, "no_port", "workspace %s has no port of its own", w.Name).
			WithHint("name one with --port; what listens shows `wsctl ports %s`", w.Name)
	}
	view := url.Values{}
	if o.Port != 0 && o.Port != w.Spec.Port {
		view.Set("port", strconv.Itoa(o.Port))
	}
	if o.Path != "" {
		view.Set("path", o.Path)
	}
	if len(o.Devices) > 0 {
		view.Set("device", strings.Join(o.Devices, ","))
	}
	if address := api.PreviewURL(names, w.Name, view); address != "" {
		return address, nil
	}
	return "", fault.New(fault.Conflict, "no_names", "workspaces are not served by name now, so there is no preview page").
		WithHint("see `wsctl config explain front.address` and `wsctl daemon logs`")
}

// checkPreview prints what a look at the page has found, as doctor prints its findings.
func (f *Factory) checkPreview(ctx context.Context, c *client.Client, o *previewOptions) error {
	found, err := c.CheckPreview(ctx, o.Name, o.Port, o.Path)
	if err != nil {
		return err
	}
	if err := f.result(found, func(out io.Writer) error { return f.writeChecks(out, found.Checks) }); err != nil {
		return err
	}
	if !found.Works {
		return exitStatus(1)
	}
	return nil
}
