package front

import (
	"context"
	"errors"
	"net"
	"os"
	"time"
)

const (
	// acceptRest is how long accepting rests at most when the process has no descriptors
	// left, so that neither it nor the log spins.
	acceptRest = time.Second
	// acceptStay is Door.stay, how long a goroutine stays at a leased port to which somebody
	// has connected: who comes next is served without a detour.
	acceptStay = 5 * time.Second
)

// listenAt has carry serve each connection to a leased port until ctx ends or it is closed, in a
// goroutine of its own. A port to which nobody connects has none. d.mu is held.
func (d *Door) listenAt(ctx context.Context, p *leased, carry func(net.Conn)) {
	watch, ok := d.quiet.Watch(p.Listener, func() { d.rush(ctx, p, carry) })
	if !ok {
		d.group.Go(func() { _ = d.accept(ctx, p, carry) })
		return
	}
	if p.watch = watch; !watch.Arm() {
		d.group.Go(func() { d.rush(ctx, p, carry) })
	}
}

// rush accepts what comes to a port until nothing has for as long as it stays, and the port
// can be left to its watch.
func (d *Door) rush(ctx context.Context, p *leased, carry func(net.Conn)) {
	for errors.Is(d.accept(ctx, brief{p.Listener, d.stay}, carry), os.ErrDeadlineExceeded) && !p.watch.Arm() {
	}
}

// brief is a listener to which somebody has to connect within stay.
type brief struct {
	net.Listener
	stay time.Duration
}

// Accept implements net.Listener.
func (b brief) Accept() (net.Conn, error) {
	if l, ok := b.Listener.(interface{ SetDeadline(time.Time) error }); ok {
		if err := l.SetDeadline(time.Now().Add(b.stay)); err != nil {
			return nil, err
		}
	}
	return b.Listener.Accept()
}

// accept has carry serve each connection that comes to l, in a goroutine of its own, until
// ctx ends, or l is closed or runs out of time, which is the error.
func (d *Door) accept(ctx context.Context, l net.Listener, carry func(net.Conn)) error {
	rest := time.Millisecond
	for {
		conn, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() != nil:
			if conn != nil {
				_ = conn.Close()
			}
			return err
		case err != nil:
			d.log.Warn("cannot accept a connection", "address", l.Addr(), "err", err, "again_in", rest)
			select {
			case <-ctx.Done():
			case <-time.After(rest):
			}
			rest = min(2*rest, acceptRest)
			continue
		}
		rest = time.Millisecond
		select {
		case d.places <- struct{}{}:
			d.group.Go(func() {
				defer func() { <-d.places }()
				d.contained(conn, func() { carry(conn) })
			})
		default:
			d.log.Debug("too many connections", "address", l.Addr(), "limit", cap(d.places))
			_ = conn.Close()
		}
	}
}
