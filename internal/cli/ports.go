package cli

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// portsOptions are the flags of ports.
type portsOptions struct {
	Name  string // "": the leases
	Who   int
	Watch bool
}

func newPortsCmd(f *Factory, runF func(context.Context, *portsOptions) error) *cobra.Command {
	o := &portsOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *portsOptions) error { return runPorts(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "ports [NAME]",
		Short: "Show ports: what listens in a workspace, what is leased",
		Long: `Shows on which ports something listens inside the workspace NAME, which program that
is and where it is served; with --watch, as they come and go, a line each.

Without a NAME it shows which ports of the range are leased to workspaces, or held by
other programs; --watch keeps that up to date. With --who it tells about one of them;
exit status 3 says that nobody holds it.`,
		Example: `  wsctl ports demo
  wsctl ports demo --watch
  wsctl ports
  wsctl ports --who 8001`,
		Args: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("who") && workspace.ValidatePort(o.Who) != nil {
				return usage(cmd, "--who: %d is not a TCP port", o.Who).WithHint("give 1 to 65535")
			}
			if err := takes(0, 1, "at most one NAME")(cmd, args); err != nil {
				return err
			}
			if len(args) > 0 {
				o.Name = args[0]
			}
			switch {
			case o.Name != "" && cmd.Flags().Changed("who"):
				return usage(cmd, "--who is about leased ports, and takes no NAME")
			case o.Who != 0 && o.Watch:
				return usage(cmd, "--who tells about one port, once: leave --watch away")
			}
			return nil
		},
		RunE:              func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
		ValidArgsFunction: completeWorkspaces(f, 1, workspace.Running),
	}
	cmd.Flags().IntVar(&o.Who, "who", 0, "only this leased `PORT`")
	addWatchFlag(cmd, &o.Watch)
	return cmd
}

func runPorts(ctx context.Context, f *Factory, o *portsOptions) error {
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	switch {
	case o.Watch && o.Name != "":
		return f.watchListening(ctx, c, o.Name)
	case o.Name != "":
		return f.listening(ctx, c, o.Name)
	}
	if o.Who != 0 {
		list, err := c.Ports(ctx)
		if err != nil {
			return err
		}
		return f.who(o.Who, list)
	}
	return f.show(ctx, c, "", o.Watch, func(ctx context.Context) (picture, error) {
		list, err := c.Ports(ctx)
		if list.Leases == nil {
			list.Leases = []api.PortLease{}
		}
		return picture{list, func(out io.Writer) error { return f.leases(out, list) }}, err
	})
}

func (f *Factory) leases(out io.Writer, list api.PortList) error {
	if len(list.Leases) > 0 {
		t := f.table("PORT", "STATE", "WORKSPACE", "INSIDE", "LISTENING", "HOLDER")
		t.Loose, t.Spare = []string{"WORKSPACE", "HOLDER"}, []string{"INSIDE", "LISTENING"}
		for _, l := range list.Leases {
			t.Row(fmt.Sprint(l.Port), l.State, l.Name, zeroIsDash(l.Target), yesNo(l.Bound), l.Holder)
		}
		if err := t.Write(out); err != nil {
			return err
		}
	}
	f.note("%d of %d to %d are free", list.Free, list.First, list.Last)
	return nil
}

func (f *Factory) who(port int, list api.PortList) error {
	i := slices.IndexFunc(list.Leases, func(l api.PortLease) bool { return l.Port == port })
	switch {
	case i < 0 && (port < list.First || port > list.Last):
		return fault.New(fault.NotFound, "port_outside", "port %d is outside wsd's range %d to %d", port, list.First, list.Last)
	case i < 0:
		return fault.New(fault.NotFound, "port_free", "nobody holds port %d", port)
	}
	l := list.Leases[i]
	return f.result(l, func(io.Writer) error {
		var s facts
		s.add("port", fmt.Sprint(l.Port))
		s.add("state", l.State)
		s.add("workspace", l.Name)
		s.add("id", l.Workspace)
		s.add("port inside", zeroIsDash(l.Target))
		s.add("listening", yesNo(l.Bound))
		s.add("holder", l.Holder)
		return f.writeFacts(f.Streams.Out, s)
	})
}

func zeroIsDash(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
