package cli

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/fault"
)

// sshOptions are the flags of ssh.
type sshOptions struct {
	Name    string
	Command []string
	Stdio   bool
}

func newSSHCmd(f *Factory, runF func(context.Context, *sshOptions) error) *cobra.Command {
	o := &sshOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *sshOptions) error { return runSSH(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "ssh NAME [flags] [-- COMMAND...]",
		Short: "Connect with OpenSSH",
		Long: `Runs OpenSSH's client against the ssh server of a workspace, which is started if it
sleeps. No port is open for it: the connection goes through wsd's socket, so who may
use that may connect, and the host key is the one that wsd made for the workspace.

For scp, sftp, rsync and editors that connect by ssh, see wsctl ssh-config. For a
terminal that outlives its connection, see wsctl shell.`,
		Example: `  wsctl ssh demo
  wsctl ssh demo -- make test
  wsctl ssh-config --write && ssh demo.wsd`,
		Args:              func(cmd *cobra.Command, args []string) error { return o.parse(cmd, args) },
		RunE:              func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
		ValidArgsFunction: completeWorkspaces(f, 1),
		Annotations:       map[string]string{exitNote: "That of ssh: the command's own, and 255 when the connection fails."},
	}
	cmd.Flags().BoolVar(&o.Stdio, "stdio", false, "carry an ssh connection on standard input and output, for ProxyCommand")
	return cmd
}

func (o *sshOptions) parse(cmd *cobra.Command, args []string) error {
	names := args
	if dash := cmd.ArgsLenAtDash(); dash >= 0 {
		names, o.Command = args[:dash], args[dash:]
	}
	if err := takes(1, 1, "one NAME")(cmd, names); err != nil {
		if len(names) > 1 {
			return usage(cmd, "%s takes one NAME, but got also %.60q", called(cmd), names[1]).
				WithHint("write a command after two dashes: wsctl ssh %s -- %s", names[0], strings.Join(names[1:], " "))
		}
		return err
	}
	o.Name = strings.TrimSuffix(names[0], sshSuffix)
	if o.Stdio && len(o.Command) > 0 {
		return usage(cmd, "--stdio takes no command")
	}
	return nil
}

func runSSH(ctx context.Context, f *Factory, o *sshOptions) error {
	if err := nameOrFault(o.Name); err != nil {
		return err
	}
	if o.Stdio {
		return carrySSH(ctx, f, o.Name)
	}
	program, err := exec.LookPath("ssh")
	if err != nil {
		return fault.New(fault.Unsupported, "ssh_missing", "there is no ssh program here").
			WithHint("install OpenSSH's client (on Debian: apt-get install openssh-client), or use `wsctl shell %s`", o.Name)
	}
	s, err := f.sshSetup()
	if err != nil {
		return err
	}
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	if _, err := c.Workspace(ctx, o.Name); err != nil { // better told here than by ssh
		return err
	}
	args := []string{"ssh"}
	for _, line := range s.options() {
		args = append(args, "-o", line)
	}
	args = append(args, o.Name+sshSuffix)
	if len(o.Command) > 0 {
		args = append(args, "--")
		args = append(args, o.Command...)
	}
	if err := f.flush(); err != nil {
		return err
	}
	err = syscall.Exec(program, args, os.Environ()) //nolint:gosec // the user's own ssh, found in PATH
	return fault.New(fault.Internal, "ssh_start", "%s cannot be started", program).WithCause(err)
}

// carrySSH is what OpenSSH runs as its ProxyCommand. It makes sure that ssh, which looks
// for the host key only after this program has begun, finds the right one.
func carrySSH(ctx context.Context, f *Factory, name string) error {
	s, err := f.sshSetup()
	if err != nil {
		return err
	}
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	key, err := c.SSHKey(ctx, name)
	if err != nil {
		return err
	}
	if err := s.pin(name, key.HostKey); err != nil {
		return err
	}
	if err := f.wake(ctx, c, name); err != nil {
		return err
	}
	conn, err := c.SSH(ctx, name)
	if err != nil {
		return err
	}
	err = conn.Relay(f.Streams.In, f.raw)
	if ctx.Err() != nil {
		return nil // ssh hangs up on its ProxyCommand when it is done
	}
	return err
}
