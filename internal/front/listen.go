package front

import (
	"context"
	"net"
	"strconv"
	"sync"
	"time"
)

// tryAgain is after how long an address that is taken is tried again.
const tryAgain = 5 * time.Second

// serveNames serves names on address until ctx ends. While another program has the
// address it waits for it; leased ports work meanwhile.
func (d *Door) serveNames(ctx context.Context, address string, house House) {
	told := false
	for ctx.Err() == nil {
		listeners, err := d.listenNames(ctx, address)
		if err == nil {
			d.serveHTTP(ctx, listeners, house)
		}
		if err != nil && ctx.Err() == nil && !told {
			d.log.Warn("cannot serve names; workspaces are reached by their ports until it can", "address", address, "err", err)
			told = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(d.again):
		}
	}
}

// listenNames listens on address, and on [::1] beside 127.0.0.1 where that can be had:
// browsers try both for a name below .localhost.
func (d *Door) listenNames(ctx context.Context, address string) ([]net.Listener, error) {
	first, err := d.listenKept(ctx, "names", address)
	if err != nil {
		return nil, err
	}
	listeners := []net.Listener{first}
	if at, ok := first.Addr().(*net.TCPAddr); ok && at.IP.Equal(net.IPv4(127, 0, 0, 1)) {
		if second, err := d.listenKept(ctx, "names6", net.JoinHostPort("::1", strconv.Itoa(at.Port))); err == nil {
			listeners = append(listeners, second)
		}
	}
	return listeners, nil
}

// listenKept listens on address, by the socket that the keeper has under name if it has.
func (d *Door) listenKept(ctx context.Context, name, address string) (net.Listener, error) {
	if l, kept := d.keeper.Take(name, address); kept {
		return l, nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err == nil {
		d.keeper.Keep(name, l)
	}
	return l, err
}

// serveHTTP serves names on listeners until ctx ends.
func (d *Door) serveHTTP(ctx context.Context, listeners []net.Listener, house House) {
	at, _ := listeners[0].Addr().(*net.TCPAddr)
	d.names.Store(at)
	defer d.names.Store(nil)
	d.log.Info("names are served", "address", at.String())
	var group sync.WaitGroup
	for _, l := range listeners {
		group.Go(func() {
			defer context.AfterFunc(ctx, func() { _ = l.Close() })()
			_ = d.accept(ctx, l, func(conn net.Conn) { d.call(ctx, house, conn) })
		})
	}
	group.Wait()
}

// NamesAddress is where names are served now; "" is nowhere.
func (d *Door) NamesAddress() string {
	if at := d.names.Load(); at != nil {
		return at.String()
	}
	return ""
}
