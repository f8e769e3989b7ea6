package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/docker/docker/client"
)

// Budgets of one request to the engine, used where the caller's deadline is later.
const (
	quick = 10 * time.Second // answers from memory: ping, inspect, list
	slow  = 60 * time.Second // starts processes: create, start, remove
)

// link is the way to the engine: one client that has negotiated its API version.
// The client is thrown away when the engine cannot be reached, so that the next
// one negotiates again with whatever engine comes back.
type link struct {
	host  string
	local bool // the engine shares our file system and kernel

	mu  sync.Mutex
	cur *session
}

// session is a client after negotiation; its version never changes.
type session struct {
	*client.Client
	base string // URL before the API's path
}

func newLink(host string) (*link, error) {
	if host == "" {
		host = os.Getenv(client.EnvOverrideHost)
	}
	if host == "" {
		host = client.DefaultDockerHost
	}
	u, err := client.ParseHostURL(host)
	if err != nil {
		return nil, fmt.Errorf("cannot use the engine's address: %w", err)
	}
	return &link{host: host, local: u.Scheme == "unix"}, nil
}

// dialedKey is the context key of a func(net.Conn) that is told of a new connection.
type dialedKey struct{}

func (l *link) dial() (*session, error) {
	u, err := client.ParseHostURL(l.host)
	if err != nil {
		return nil, err
	}
	var opts []client.Opt
	base := "http://docker"
	switch {
	case u.Scheme == "unix":
		transport := &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second}
		opts = append(opts, client.WithHTTPClient(&http.Client{Transport: transport, CheckRedirect: client.CheckRedirect}),
			client.WithHost(l.host), client.WithDialContext(unixDialer(u.Host)))
	default:
		opts = append(opts, client.WithTLSClientConfigFromEnv(), client.WithHost(l.host))
		base = (&url.URL{Scheme: "http", Host: u.Host, Path: u.Path}).String()
		if os.Getenv(client.EnvOverrideCertPath) != "" {
			base = "https" + base[len("http"):]
		}
	}
	c, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, fmt.Errorf("cannot make a client of the engine: %w", err)
	}
	return &session{Client: c, base: base}, nil
}

// unixDialer dials path. The client's own hijacking ignores its context once it
// has dialled, so whoever needs a deadline there asks to be told of the connection.
func unixDialer(path string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{Timeout: quick}).DialContext(ctx, "unix", path)
		if err != nil {
			return nil, err
		}
		if tell, ok := ctx.Value(dialedKey{}).(func(net.Conn)); ok {
			tell(conn)
		}
		return conn, nil
	}
}

// session returns the negotiated client, negotiating if there is none.
func (l *link) session(ctx context.Context) (*session, error) {
	l.mu.Lock()
	s := l.cur
	l.mu.Unlock()
	if s != nil {
		return s, nil
	}
	s, err := l.dial()
	if err != nil {
		return nil, err
	}
	ping, err := s.Ping(ctx)
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	s.NegotiateAPIVersionPing(ping)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cur == nil {
		l.cur = s
	}
	return l.cur, nil
}

// drop forgets s, so that the next call negotiates anew.
func (l *link) drop(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s != nil && l.cur == s {
		l.cur = nil
		_ = s.Close()
	}
}

func (l *link) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cur == nil {
		return nil
	}
	s := l.cur
	l.cur = nil
	return s.Close()
}

// call makes one request within budget and turns its error into ours. What
// completes the sentence "cannot ...".
func call[T any](ctx context.Context, l *link, budget time.Duration, what string,
	f func(context.Context, *session) (T, error),
) (T, error) {
	inner, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	s, err := l.session(inner)
	if err != nil {
		var zero T
		return zero, l.fail(ctx, nil, what, err)
	}
	v, err := f(inner, s)
	return v, l.fail(ctx, s, what, err)
}

// do is call for a request without a result.
func do(ctx context.Context, l *link, budget time.Duration, what string, f func(context.Context, *session) error) error {
	_, err := call(ctx, l, budget, what, func(ctx context.Context, s *session) (struct{}, error) {
		return struct{}{}, f(ctx, s)
	})
	return err
}

// stream starts a request whose answer has no end: only its start is bounded. The
// returned cancel ends it.
func stream[T any](ctx context.Context, l *link, what string,
	f func(context.Context, *session) (T, error),
) (T, *session, context.CancelFunc, error) {
	inner, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(quick, func() { cancel(context.DeadlineExceeded) })
	s, err := l.session(inner)
	var v T
	if err == nil {
		v, err = f(inner, s)
	}
	if !late.Stop() && err == nil {
		err = context.DeadlineExceeded
	}
	if err != nil && errors.Is(context.Cause(inner), context.DeadlineExceeded) {
		err = context.DeadlineExceeded
	}
	if err != nil {
		cancel(nil)
		return v, s, nil, l.fail(ctx, s, what, err)
	}
	return v, s, func() { cancel(nil) }, nil
}
