package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
)

// forwarding is one port here and the one inside to which it leads. Local 0 is any.
type forwarding struct {
	Local  int `json:"local"`
	Remote int `json:"remote"`
}

// maxForwards bounds what one command listens on.
const maxForwards = 256

// forwardOptions are the flags of forward.
type forwardOptions struct {
	Name    string
	Ports   []forwarding
	Address string
}

func newForwardCmd(f *Factory, runF func(context.Context, *forwardOptions) error) *cobra.Command {
	o := &forwardOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *forwardOptions) error { return runForward(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "forward NAME [LOCAL:]REMOTE...",
		Short: "Reach ports inside from this machine",
		Long: `Listens on this machine and carries each connection to a port inside a running
workspace, until Ctrl-C; what listens there on localhost alone is reached too. A range
stands for each of its ports. LOCAL is the same port unless it is given; 0 is any that
is free.`,
		Example: `  wsctl forward demo 5432
  wsctl forward demo 15432:5432 0:9229
  wsctl forward demo 9000-9005:3000-3005`,
		Args:              func(cmd *cobra.Command, args []string) error { return o.parse(cmd, args) },
		RunE:              func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
		ValidArgsFunction: completeWorkspaces(f, 1),
		Annotations:       map[string]string{exitNote: "130 when it is ended by Ctrl-C."},
	}
	cmd.Flags().StringVar(&o.Address, "address", "127.0.0.1", "`ADDRESS` of this machine to listen on")
	return cmd
}

func (o *forwardOptions) parse(cmd *cobra.Command, args []string) error {
	if err := takes(2, -1, "a NAME and at least one port")(cmd, args); err != nil {
		return err
	}
	if net.ParseIP(o.Address) == nil {
		return usage(cmd, "--address: %.60q is not an address", o.Address).WithHint("give one of this machine, such as 127.0.0.1 or 0.0.0.0")
	}
	o.Name = args[0]
	for _, word := range args[1:] {
		ports, err := parseForwarding(word)
		if err != nil {
			return usage(cmd, "%s", err.Error()).WithHint("write REMOTE, LOCAL:REMOTE or a range of either, such as 9000-9005:3000-3005")
		}
		o.Ports = append(o.Ports, ports...)
	}
	if len(o.Ports) > maxForwards {
		return usage(cmd, "these are %d ports, at most %d are forwarded", len(o.Ports), maxForwards)
	}
	return nil
}

func parseForwarding(word string) ([]forwarding, error) {
	here, there, both := strings.Cut(word, ":")
	if !both {
		there = here
	}
	firstR, lastR, err := parseRange(there)
	if err != nil || firstR == 0 {
		return nil, fmt.Errorf("%.40q does not name a port inside", word)
	}
	firstL, lastL, err := parseRange(here)
	if err != nil {
		return nil, fmt.Errorf("%.40q does not name ports", word)
	}
	anyPort := both && here == "0"
	if !anyPort && (firstL == 0 || lastL-firstL != lastR-firstR) {
		return nil, fmt.Errorf("%.40q has not as many ports on both sides", word)
	}
	var out []forwarding
	for i := 0; i <= lastR-firstR && i <= maxForwards; i++ {
		p := forwarding{Local: firstL + i, Remote: firstR + i}
		if anyPort {
			p.Local = 0
		}
		out = append(out, p)
	}
	return out, nil
}

// parseRange reads N or N-M.
func parseRange(s string) (first, last int, err error) {
	from, to, isRange := strings.Cut(s, "-")
	if !isRange {
		to = from
	}
	a, err1 := strconv.ParseUint(from, 10, 16)
	b, err2 := strconv.ParseUint(to, 10, 16)
	if err1 != nil || err2 != nil || a > b {
		return 0, 0, errors.New("not a range")
	}
	return int(a), int(b), nil
}

func runForward(ctx context.Context, f *Factory, o *forwardOptions) error {
	if err := nameOrFault(o.Name); err != nil {
		return err
	}
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	if _, err := c.Listening(ctx, o.Name); err != nil { // does it run?
		return err
	}
	var listeners []net.Listener
	defer func() {
		for _, l := range listeners {
			_ = l.Close()
		}
	}()
	for _, p := range o.Ports {
		l, err := listenFor(ctx, o.Address, p)
		if err != nil {
			return err
		}
		listeners = append(listeners, l)
	}
	for i, l := range listeners {
		if err := f.tellForward(o, l.Addr().String(), o.Ports[i].Remote); err != nil {
			return err
		}
	}
	if err := f.flush(); err != nil {
		return err
	}
	var group sync.WaitGroup
	for i, l := range listeners {
		port := o.Ports[i].Remote
		carrier := carrier{client: c, ref: o.Name, port: port, told: func(_, _ int, wrong error) {
			if wrong != nil {
				f.note("port %d: %s", port, render.EscapeLine(fault.From(wrong).Text))
			}
		}}
		group.Go(func() { carrier.run(ctx, l) })
	}
	<-ctx.Done()
	for _, l := range listeners {
		_ = l.Close()
	}
	group.Wait()
	return ctx.Err()
}

func (f *Factory) tellForward(o *forwardOptions, local string, remote int) error {
	v := struct {
		Address   string `json:"address"`
		Workspace string `json:"workspace"`
		Port      int    `json:"port"`
	}{local, o.Name, remote}
	if f.JSON {
		return render.JSONLine(f.Streams.Out, v)
	}
	return f.print("%s leads to port %d of %s\n", v.Address, v.Port, v.Workspace)
}

func listenFor(ctx context.Context, address string, p forwarding) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(p.Local)))
	if err != nil {
		return nil, fault.New(fault.Conflict, "port_in_use", "port %d of %s cannot be had: %v", p.Local, address, errors.Unwrap(err)).
			WithHint("choose another, such as 0:%d for any", p.Remote).WithCause(err)
	}
	return l, nil
}

// carrier carries the connections of one listener to a port inside. It is used once.
type carrier struct {
	client *client.Client
	ref    string
	port   int
	// told is called with each connection that begins or ends: how many there are, how many
	// there have been, and why the one that ended has failed. One call at a time.
	told func(open, total int, wrong error)

	mu          sync.Mutex
	open, total int
}

// run carries each connection of l until l is closed and they have ended. They end with
// ctx.
func (c *carrier) run(ctx context.Context, l net.Listener) {
	var group sync.WaitGroup
	defer group.Wait()
	for {
		outer, err := l.Accept()
		if err != nil {
			return
		}
		group.Go(func() {
			c.count(1, nil)
			c.count(-1, c.carry(ctx, outer))
		})
	}
}

func (c *carrier) count(n int, wrong error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open += n
	c.total += max(0, n)
	c.told(c.open, c.total, wrong)
}

// carry carries one connection; that a side has hung up is no failure.
func (c *carrier) carry(ctx context.Context, outer net.Conn) error {
	defer outer.Close()
	stop := context.AfterFunc(ctx, func() { _ = outer.Close() })
	defer stop()
	inner, err := c.client.Forward(ctx, c.ref, c.port)
	if err == nil {
		err = inner.Relay(outer, outer)
	}
	if ctx.Err() != nil || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
