package front

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Time-outs of the door for names. There is none on a whole request: streams last.
const (
	headTime = 10 * time.Second
	idleTime = 2 * time.Minute
	tryAgain = 5 * time.Second // until the address is free
)

// serveNames serves names on address until ctx ends. While another program has the
// address it waits for it; leased ports work meanwhile.
func (d *Door) serveNames(ctx context.Context, address string, house House) {
	told := false
	for ctx.Err() == nil {
		listeners, err := d.listenNames(ctx, address)
		if err == nil {
			err = d.serveHTTP(ctx, listeners, house)
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

// serveHTTP serves names on listeners until ctx ends or one of them fails.
func (d *Door) serveHTTP(ctx context.Context, listeners []net.Listener, house House) error {
	server := &http.Server{
		Handler:           newNames(d, house),
		ReadHeaderTimeout: headTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHead,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
	at, _ := listeners[0].Addr().(*net.TCPAddr)
	d.names.Store(at)
	defer d.names.Store(nil)
	d.log.Info("names are served", "address", at.String())
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // what was upgraded ends with ctx by itself
	defer stop()
	var group errgroup.Group
	for _, l := range listeners {
		group.Go(func() error {
			err := server.Serve(&counted{Listener: l, places: d.places})
			_ = server.Close() // one without the other is not what was asked for
			return err
		})
	}
	return group.Wait()
}

// NamesAddress is where names are served now; "" is nowhere.
func (d *Door) NamesAddress() string {
	if at := d.names.Load(); at != nil {
		return at.String()
	}
	return ""
}

// counted takes a place for each connection; one more than there are is closed at once.
type counted struct {
	net.Listener
	places chan struct{}
}

func (c *counted) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case c.places <- struct{}{}:
			return &placed{Conn: conn, places: c.places}, nil
		default:
			_ = conn.Close()
		}
	}
}

// placed gives its place back when it is closed.
type placed struct {
	net.Conn
	places chan struct{}
	once   sync.Once
}

func (p *placed) Close() error {
	p.once.Do(func() { <-p.places })
	return p.Conn.Close()
}
