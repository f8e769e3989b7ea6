package docker

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/wsctl/wsctl/internal/runtime"
)

// dialBudget bounds the handshake with a port on the same machine.
const dialBudget = 5 * time.Second

// addresses remembers where a workspace's ports are, so that a connection costs no
// request to the engine. An entry is dropped when a connection fails, when the
// container or sandbox changes, and when its subnet is given to somebody else. The
// zero value is ready.
type addresses struct {
	mu sync.Mutex
	m  map[runtime.Ref]seen
}

// seen is an address, and when the engine said so.
type seen struct {
	ip netip.Addr
	at time.Time
}

// surely is how long the engine's word is not asked for again when a connection is refused:
// a server that listens on the loopback alone refuses each one before the agent is asked.
const surely = time.Second

func (a *addresses) get(r runtime.Ref) (seen, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.m[r]
	return s, ok
}

func (a *addresses) set(r runtime.Ref, ip netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.m == nil {
		a.m = map[runtime.Ref]seen{}
	}
	a.m[r] = seen{ip, time.Now()}
}

func (a *addresses) forget(r runtime.Ref) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.m, r)
}

func (a *addresses) forgetWorkspace(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for r := range a.m {
		if r.Workspace == id {
			delete(a.m, r)
		}
	}
}

func (a *addresses) forgetIn(p netip.Prefix) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for r, s := range a.m {
		if p.Contains(s.ip) {
			delete(a.m, r)
		}
	}
}

// Dial connects to a TCP port inside the workspace by its sandbox's address. A
// refused connection stays the plain error of package net; for a second after the engine
// was last asked, that of a container that has just ended may look the same.
func (d *Driver) Dial(ctx context.Context, r runtime.Ref, port int) (net.Conn, error) {
	if err := d.link.fail(ctx, nil, "connect to the workspace", ctx.Err()); err != nil {
		return nil, err
	}
	last, known := d.addrs.get(r)
	ip := last.ip
	if !known {
		var err error
		if ip, err = d.findAddress(ctx, r); err != nil {
			return nil, err
		}
		d.addrs.set(r, ip)
	}
	conn, err := dialTCP(ctx, ip, port)
	if err == nil || ctx.Err() != nil {
		return conn, err
	}
	if errors.Is(err, syscall.ECONNREFUSED) && (!known || time.Since(last.at) < surely) {
		return nil, err
	}
	d.addrs.forget(r)
	if !known {
		return nil, err
	}
	now, ferr := d.findAddress(ctx, r) // does it run, and where?
	if ferr != nil {
		return nil, ferr
	}
	d.addrs.set(r, now)
	if now == ip {
		return nil, err
	}
	return dialTCP(ctx, now, port)
}

func dialTCP(ctx context.Context, ip netip.Addr, port int) (net.Conn, error) {
	return (&net.Dialer{Timeout: dialBudget}).DialContext(ctx, "tcp", net.JoinHostPort(ip.String(), strconv.Itoa(port)))
}

// findAddress asks the engine for the address of a running workspace.
func (d *Driver) findAddress(ctx context.Context, r runtime.Ref) (netip.Addr, error) {
	in, err := d.inspect(ctx, r)
	switch {
	case err != nil:
		return netip.Addr{}, err
	case in.State.Paused:
		return netip.Addr{}, runtime.ErrPaused
	case !in.State.Running:
		return netip.Addr{}, runtime.ErrNotRunning
	}
	box, err := d.inspectSandbox(ctx, sandboxOf(string(in.HostConfig.NetworkMode)))
	if err != nil {
		return netip.Addr{}, err
	}
	if ip, ok := address(box); ok {
		return ip, nil
	}
	return netip.Addr{}, runtime.ErrNotRunning // its network was stopped by hand
}

// cutOff tells whether a sandbox runs and its network was removed under it: neither a stop nor
// a start brings that back.
func cutOff(box container.InspectResponse) bool {
	_, ok := address(box)
	return box.State.Running && !ok
}

// address is where a running sandbox can be reached.
func address(box container.InspectResponse) (netip.Addr, bool) {
	if !box.State.Running || box.NetworkSettings == nil {
		return netip.Addr{}, false
	}
	for _, n := range box.NetworkSettings.Networks {
		if ip, err := netip.ParseAddr(n.IPAddress); err == nil {
			return ip, true
		}
	}
	return netip.Addr{}, false
}
