package cli

import (
	"context"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// openOptions are the flags of open.
type openOptions struct {
	Name  string
	Port  int // 0: the workspace's own
	Print bool
}

func newOpenCmd(f *Factory, runF func(context.Context, *openOptions) error) *cobra.Command {
	o := &openOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *openOptions) error { return runOpen(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "open NAME [PORT]",
		Short: "Open a workspace in the browser",
		Long: `Prints the address under which a workspace, or another PORT inside, is served by name,
and opens it with $BROWSER or the desktop's own program, if there is one, which goes on
when wsctl has ended. Opening wakes a workspace that sleeps.`,
		Example: `  wsctl open demo
  wsctl open demo 5173
  curl "$(wsctl open demo --print)"`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := takes(1, 2, "one NAME and at most one PORT")(cmd, args); err != nil {
				return err
			}
			o.Name = args[0]
			if len(args) == 1 {
				return nil
			}
			n, err := strconv.Atoi(args[1])
			if err != nil || workspace.ValidatePort(n) != nil {
				return usage(cmd, "%.40q is not a TCP port", args[1]).WithHint("give 1 to 65535")
			}
			o.Port = n
			return nil
		},
		RunE:              func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
		ValidArgsFunction: completeWorkspaces(f, 1),
	}
	cmd.Flags().BoolVar(&o.Print, "print", false, "print the address and open nothing")
	return cmd
}

func runOpen(ctx context.Context, f *Factory, o *openOptions) error {
	if err := nameOrFault(o.Name); err != nil {
		return err
	}
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	w, names, err := placed(ctx, c, o.Name)
	if err != nil {
		return err
	}
	url, err := addressOf(w, names, o.Port)
	if err != nil {
		return err
	}
	return f.opened(ctx, url, o.Print)
}

// placed is a workspace, and the front door's address; "" where none serves by name.
func placed(ctx context.Context, c *client.Client, ref string) (w workspace.Workspace, names string, err error) {
	if w, err = c.Workspace(ctx, ref); err != nil {
		return w, "", err
	}
	s, err := c.Status(ctx)
	return w, s.Names, err
}

// opened prints an address and, unless that is all, opens it in a browser. For people it is
// printed first: whether a browser opens takes a moment to be known.
func (f *Factory) opened(ctx context.Context, url string, printOnly bool) error {
	if !f.JSON {
		if err := f.print("%s\n", url); err != nil || printOnly {
			return err
		}
	}
	v := struct {
		URL    string `json:"url"`
		Opened bool   `json:"opened"`
	}{url, !printOnly && f.browse(ctx, url)}
	if f.JSON {
		return f.result(v, nil)
	}
	return nil
}

// addressOf is where port of w is served; names is the front door's address.
func addressOf(w workspace.Workspace, names string, port int) (string, error) {
	if port == 0 {
		port = w.Spec.Port
	}
	if url := api.NameURL(names, w.Name, port, w.Spec.Port); url != "" {
		return url, nil
	}
	switch {
	case port == 0:
		return "", fault.New(fault.Conflict, "no_port", "workspace %s has no port of its own", w.Name).
			WithHint("name the PORT; what listens shows `wsctl ports %s`", w.Name)
	case port == w.Spec.Port && w.Port != 0:
		return urlOf(w), nil
	}
	return "", fault.New(fault.Conflict, "no_names", "workspaces are not served by name now, so port %d has no address", port).
		WithHint("see `wsctl config explain front.address` and `wsctl daemon logs`, or use `wsctl forward %s %d`", w.Name, port)
}

// browse opens url in a browser and reports whether one did. Without a desktop only a
// browser that the person has named is tried.
func (f *Factory) browse(ctx context.Context, url string) bool {
	programs := []string{f.Streams.Env("BROWSER")}
	if f.Streams.Env("DISPLAY") != "" || f.Streams.Env("WAYLAND_DISPLAY") != "" {
		programs = append(programs, "xdg-open")
	}
	for _, program := range programs {
		if path, err := exec.LookPath(program); program != "" && err == nil {
			return opens(ctx, path, url)
		}
	}
	return false
}

// browserFails is the time within which a browser that opens nothing has ended. What runs
// longer is the browser itself.
const browserFails = 2 * time.Second

// opens starts a browser, which outlives this program and its terminal, and reports whether
// it has not failed by then.
func opens(ctx context.Context, browser, url string) bool {
	cmd := exec.Command(browser, url) //nolint:gosec,noctx // the person's own, which ctx does not end
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if cmd.Start() != nil {
		return false
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return err == nil
	case <-time.After(browserFails):
	case <-ctx.Done():
	}
	return true
}
