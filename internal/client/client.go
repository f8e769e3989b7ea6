// Package client calls wsd: one method for every route of its API, a watch that
// survives lost connections, exec over a WebSocket, and starting wsd on demand.
//
// A Client is safe for concurrent use and cheap: it holds one pool of idle
// connections to one unix socket. Ordinary calls pass a stack of decorators, from
// the outside in: the ETag cache, retries with full jitter, a circuit breaker, the
// revival of a daemon that dies before its first answer, the transport. Streams
// (watch, logs, backup, exec) pass only the last two: they have no body that could
// be kept and their callers decide what a broken stream means.
//
// Every error that a method returns has a *fault.Error in its chain; an error that
// came from wsd is an *Error, which keeps the problem body with its request id.
// The package prints nothing, reads no configuration and knows no command line.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
)

// CallTimeout bounds one ordinary call, retries included. Calls that look at the
// engine as a whole (doctor, gc) get SlowTimeout.
const (
	CallTimeout = 30 * time.Second
	SlowTimeout = 2 * time.Minute
)

// maxAnswer bounds the body of one answer that is not a stream, in bytes.
const maxAnswer = 256 << 20

// Options are what a Client needs. Only Socket is required.
type Options struct {
	Socket    string                                      // path of wsd's unix socket
	Dial      func(ctx context.Context) (net.Conn, error) // instead of Socket; for tests
	Retry     RetryPolicy                                 // zero: DefaultRetry
	Revive    func(ctx context.Context) error             // starts wsd if it dies before its first answer; may be nil
	UserAgent string
}

// Client calls one wsd.
type Client struct {
	socket    string
	userAgent string
	dial      func(ctx context.Context) (net.Conn, error)
	calls     *http.Client // decorated
	streams   *http.Client // bare transport
	serverAPI atomic.Pointer[string]
}

// New returns a Client. It does not connect.
func New(o Options) *Client {
	c := &Client{socket: o.Socket, userAgent: o.UserAgent}
	c.dial = o.Dial
	if c.dial == nil {
		c.dial = func(ctx context.Context) (net.Conn, error) { return dialSocket(ctx, o.Socket) }
	}
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := c.dial(ctx)
			if err != nil {
				return nil, &dialError{err}
			}
			return conn, nil
		},
		DisableCompression: true, // it never leaves the machine
		MaxIdleConns:       8,
		IdleConnTimeout:    30 * time.Second,
	}
	if o.Retry == (RetryPolicy{}) {
		o.Retry = DefaultRetry
	}
	live := &reviver{next: t, revive: o.Revive}
	c.calls = &http.Client{Transport: newETagCache(newRetrier(newBreaker(live), o.Retry)), CheckRedirect: noRedirect}
	c.streams = &http.Client{Transport: live, CheckRedirect: noRedirect}
	return c
}

// Socket returns the path that the client was made with.
func (c *Client) Socket() string { return c.socket }

// Close drops idle connections.
func (c *Client) Close() { c.streams.CloseIdleConnections() }

// ServerAPI returns the contract version that wsd last named, or "".
func (c *Client) ServerAPI() string {
	if v := c.serverAPI.Load(); v != nil {
		return *v
	}
	return ""
}

// NewerServer reports whether wsd speaks a newer major version of the contract.
func (c *Client) NewerServer() bool {
	major := func(v string) string { m, _, _ := strings.Cut(v, "."); return m }
	v := c.ServerAPI()
	return v != "" && major(v) != major(api.Version) && len(major(v)) >= len(major(api.Version)) && v > api.Version
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}

// dialError marks a failure before one byte was sent, so any request may be repeated.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// call is one ordinary request.
type call struct {
	method, path string
	query        url.Values
	body         any // marshalled as JSON, or raw bytes, or a reader
	mediaType    string
	header       map[string]string
	timeout      time.Duration
}

// do sends r and decodes the answer into out, which may be nil.
func (c *Client) do(ctx context.Context, r call, out any) error {
	if r.timeout == 0 {
		r.timeout = CallTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, r.timeout, silent(c.socket, r.timeout))
	defer cancel()
	req, err := c.request(ctx, r)
	if err != nil {
		return err
	}
	resp, err := c.send(c.calls, req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
		return c.connection(ctx, err)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return c.connection(ctx, badAnswer(err))
	}
	return nil
}

// open sends r and hands out the answer's body as a stream.
func (c *Client) open(ctx context.Context, r call) (*http.Response, error) {
	req, err := c.request(ctx, r)
	if err != nil {
		return nil, err
	}
	return c.send(c.streams, req)
}

func (c *Client) request(ctx context.Context, r call) (*http.Request, error) {
	u, err := address(r)
	if err != nil {
		return nil, err
	}
	var body io.Reader
	mediaType := r.mediaType
	switch b := r.body.(type) {
	case nil:
	case []byte:
		body = bytes.NewReader(b)
	case io.Reader: // once: such a request is not repeated
		body = b
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			return nil, fault.New(fault.Internal, "internal", "cannot encode the request").WithCause(err)
		}
		body, mediaType = bytes.NewReader(raw), "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u, body)
	if err != nil {
		return nil, fault.New(fault.Usage, "request_invalid", "the request cannot be written").WithCause(err)
	}
	req.Header.Set(api.HeaderVersion, api.Version)
	req.Header.Set("User-Agent", c.userAgent)
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	return req, nil
}

// address writes the URL of r. A segment that would lead to another route (an empty
// or dotted reference) names nothing that exists.
func address(r call) (string, error) {
	path, err := url.PathUnescape(r.path)
	for seg := range strings.SplitSeq(strings.TrimPrefix(r.path, "/"), "/") {
		if err != nil || seg == "" || seg == "." || seg == ".." {
			return "", fault.New(fault.NotFound, "not_found", "nothing can have an empty or dotted name")
		}
	}
	u := url.URL{Scheme: "http", Host: "wsd", Path: path, RawPath: r.path, RawQuery: r.query.Encode()}
	return u.String(), nil
}

// send turns every outcome but success into an error.
func (c *Client) send(h *http.Client, req *http.Request) (*http.Response, error) {
	resp, err := h.Do(req)
	if err != nil {
		return nil, c.connection(req.Context(), err)
	}
	if v := resp.Header.Get(api.HeaderVersion); v != "" {
		c.serverAPI.Store(&v)
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return nil, decodeError(resp)
	}
	return resp, nil
}

// connection turns a failure of the connection into the fault that people see.
func (c *Client) connection(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	if ctx.Err() != nil {
		return fault.From(context.Cause(ctx))
	}
	var d *dialError
	if errors.As(err, &d) {
		return unreachable(c.socket, d.err)
	}
	return connectionLost(err)
}

// connectionLost is the fault for a connection to wsd that ended in the middle.
func connectionLost(cause error) *fault.Error {
	return fault.New(fault.Unavailable, "connection_lost", "the connection to wsd broke").
		WithHint("look at `wsctl daemon logs`, then try again").WithCause(cause)
}

func badAnswer(err error) error {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	var value *fault.Error // such as a state that this version does not know
	if errors.As(err, &syntax) || errors.As(err, &typ) || errors.As(err, &value) {
		return notUnderstood(err)
	}
	return err
}

func notUnderstood(err error) error {
	return fault.New(fault.Internal, "answer_invalid", "wsd's answer cannot be understood").
		WithHint("wsctl and wsd may be of different versions; see `wsctl version`").WithCause(err)
}
