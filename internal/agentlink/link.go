// Package agentlink is wsd's side of the contract agentapi: it turns a way to connect to
// an agent into commands, terminals, connections, reports and files.
//
// What comes back is not trusted: answers are bounded in size and in time, frames too, and
// an agent that says nothing, nonsense or only half of it is an error for the one who
// asked and for nobody else. Each call has a connection of its own; a Link holds none and
// is safe for concurrent use.
package agentlink

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/fault"
)

// Bounds of what an agent may say.
const (
	maxHead   = 16 << 10 // of an answer's head, in bytes
	maxAnswer = 4 << 20  // of an answer in JSON, in bytes
	replyTime = 10 * time.Second
)

// Link talks to one agent.
type Link struct {
	dial func(context.Context) (net.Conn, error)
}

// New returns a link that connects by dial.
func New(dial func(context.Context) (net.Conn, error)) *Link { return &Link{dial} }

// Hello asks the agent who it is.
func (l *Link) Hello(ctx context.Context) (agentapi.Hello, error) {
	var h agentapi.Hello
	return h, l.get(ctx, agentapi.PathHello, nil, &h)
}

// Report asks for one report.
func (l *Link) Report(ctx context.Context) (agentapi.Report, error) {
	var r agentapi.Report
	return r, l.get(ctx, agentapi.PathReport, nil, &r)
}

// Terminals lists the terminals.
func (l *Link) Terminals(ctx context.Context) ([]agentapi.Terminal, error) {
	var list []agentapi.Terminal
	return list, l.get(ctx, agentapi.PathTerminals, nil, &list)
}

// KillTerminal ends a terminal and its command.
func (l *Link) KillTerminal(ctx context.Context, name string) error {
	return l.do(ctx, http.MethodDelete, agentapi.PathTerminals, url.Values{"name": {name}}, nil, nil)
}

// Begin starts the command of an agent that waits for that.
func (l *Link) Begin(ctx context.Context) error {
	return l.do(ctx, http.MethodPost, agentapi.PathBegin, nil, nil, nil)
}

// Secrets replaces all files of agentapi.SecretsDir.
func (l *Link) Secrets(ctx context.Context, values map[string][]byte) error {
	if values == nil {
		values = map[string][]byte{}
	}
	b, err := json.Marshal(values)
	if err != nil {
		return err
	}
	return l.do(ctx, http.MethodPut, agentapi.PathSecrets, nil, bytes.NewReader(b), nil)
}

// Follow calls tell with a report now and after each change, until ctx ends, the
// connection does or tell fails. An agent that has nothing to tell is asked by Hello
// whether it still answers, by the caller.
func (l *Link) Follow(ctx context.Context, tell func(agentapi.Report) error) error {
	return follow(ctx, l, agentapi.PathReport, url.Values{"follow": {"1"}}, tell)
}

// follow calls tell with each line of an answer that does not end by itself.
func follow[T any](ctx context.Context, l *Link, path string, query url.Values, tell func(T) error) error {
	body, err := l.stream(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxAnswer)
	for lines.Scan() {
		var line T
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nonsense(err)
		}
		if err := tell(line); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(io.ErrUnexpectedEOF, lines.Err())
}

func (l *Link) get(ctx context.Context, path string, query url.Values, into any) error {
	return l.do(ctx, http.MethodGet, path, query, nil, into)
}

// do makes one short call and decodes its answer, if into is not nil.
func (l *Link) do(ctx context.Context, method, path string, query url.Values, body io.Reader, into any) error {
	ctx, cancel := context.WithTimeout(ctx, replyTime)
	defer cancel()
	answer, err := l.stream(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	b, err := io.ReadAll(io.LimitReader(answer, maxAnswer+1))
	switch {
	case err != nil:
		return lost(ctx, err)
	case len(b) > maxAnswer:
		return nonsense(errors.New("it is too long"))
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(b, into); err != nil {
		return nonsense(err)
	}
	return nil
}

// stream makes a call and returns the body of its answer, which ends with ctx.
func (l *Link) stream(ctx context.Context, method, path string, query url.Values, body io.Reader) (io.ReadCloser, error) {
	c, resp, err := l.ask(ctx, method, path, query, "", body) //nolint:bodyclose // the connection is closed, and the body with it
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		defer c.Close()
		return nil, refusal(resp)
	}
	return &answer{resp.Body, c}, nil
}

// answer is a body that takes its connection along.
type answer struct {
	io.ReadCloser
	conn *conn
}

func (a *answer) Close() error { return a.conn.Close() }

// ask sends a request on a connection of its own and reads the head of the answer. The
// connection is closed when ctx ends.
func (l *Link) ask(ctx context.Context, method, path string, query url.Values, upgrade string, body io.Reader) (*conn, *http.Response, error) {
	raw, err := l.dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	c := &conn{Conn: raw}
	c.stop = context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path+"?"+query.Encode(), body)
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	sends := &source{from: body, conn: raw}
	if body != nil {
		req.Body = io.NopCloser(sends)
	}
	if upgrade != "" {
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", upgrade)
	}
	sent := make(chan error, 1)
	go func() { sent <- req.Write(raw) }() // an agent may refuse before it has read all
	head := &io.LimitedReader{R: raw, N: maxHead}
	c.in = bufio.NewReaderSize(head, 1<<10) // what is longer is read past it
	resp, err := http.ReadResponse(c.in, req)
	if err != nil {
		_ = c.Close()
		<-sent //nolint:errcheck // what the reading met says more
		if sends.err != nil {
			return nil, nil, sends.err
		}
		return nil, nil, lost(ctx, err)
	}
	head.N = 1 << 62 // the body has bounds of its own
	return c, resp, nil
}

// source is what is sent. When it cannot be read to its end the connection is closed: the
// agent would wait for the rest, and we for its answer.
type source struct {
	from io.Reader
	conn net.Conn
	err  error // of who sends; good once that has ended
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
		_ = s.conn.Close()
	}
	return n, err
}

// conn is a connection whose first bytes may have been read with the answer's head.
type conn struct {
	net.Conn
	in   *bufio.Reader
	stop func() bool
}

func (c *conn) Read(p []byte) (int, error) { return c.in.Read(p) }

func (c *conn) Close() error {
	c.stop()
	return c.Conn.Close()
}

// CloseWrite ends the sending half.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// WriteTo lets the kernel carry what is not buffered, where it can (io.WriterTo).
func (c *conn) WriteTo(w io.Writer) (int64, error) {
	n, err := io.CopyN(w, c.in, int64(c.in.Buffered()))
	if err != nil {
		return n, err
	}
	m, err := io.Copy(w, c.Conn)
	return n + m, err
}

// ReadFrom lets the kernel carry what comes from r, where it can (io.ReaderFrom).
func (c *conn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// upgrade opens a stream. It ends with Close only: ctx bounds the opening.
func (l *Link) upgrade(ctx context.Context, path string, query url.Values, protocol string) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, replyTime)
	defer cancel()
	c, resp, err := l.ask(ctx, http.MethodPost, path, query, protocol, nil) //nolint:bodyclose // the connection is closed, and the body with it
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		defer c.Close()
		return nil, refusal(resp)
	}
	if !c.stop() { // ctx ended at the last moment
		return nil, errors.Join(ctx.Err(), c.Conn.Close())
	}
	return c, c.SetDeadline(time.Time{})
}

// Dial connects to a port on the loopback of the workspace. The connection can half-close
// and is the agent's own socket, itself where the server has not spoken first: no bytes are
// copied on this side. ctx bounds the opening.
func (l *Link) Dial(ctx context.Context, port int) (net.Conn, error) {
	c, err := l.upgrade(ctx, agentapi.PathDial, url.Values{"port": {fmt.Sprint(port)}}, agentapi.UpgradeRaw)
	if err != nil {
		return nil, err
	}
	if c.in.Buffered() == 0 {
		return c.Conn, nil
	}
	return c, nil
}

// SSH opens a connection whose server is the agent.
func (l *Link) SSH(ctx context.Context, start agentapi.SSHStart) (net.Conn, error) {
	c, err := l.upgrade(ctx, agentapi.PathSSH, nil, agentapi.UpgradeRaw)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(start)
	if err == nil {
		_, err = c.Write(append(b, '\n'))
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// lost says that the agent did not answer.
func lost(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil {
		err = cause
	}
	return silent(err)
}

func silent(err error) error {
	return fault.New(fault.Unavailable, "agent_silent", "the agent inside the workspace does not answer").
		WithHint("try again; `wsctl restart` brings a new one").WithCause(err)
}

func nonsense(err error) error {
	return fault.New(fault.Internal, "agent_nonsense", "the agent inside the workspace gave an answer that cannot be understood").
		WithHint("`wsctl restart` brings a new agent").WithCause(err)
}

// refusal is the error that the agent answered with.
func refusal(resp *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxHead))
	var e agentapi.Error
	if err != nil || json.Unmarshal(b, &e) != nil || e.Code == "" {
		return nonsense(fmt.Errorf("status %d", resp.StatusCode))
	}
	return said(e)
}

// said is an agent's Error for people: its code where it is one that we know.
func said(e agentapi.Error) error {
	kind, ok := map[string]fault.Kind{
		"refused": fault.Conflict, "no_terminal": fault.NotFound, "too_many_terminals": fault.Limit, "bad_terminal_name": fault.Invalid,
		"too_many_connections": fault.Limit, "command_not_found": fault.Invalid, "command_not_executable": fault.Invalid,
		"not_found": fault.NotFound, "denied": fault.Denied, "exists": fault.Conflict, "bad_path": fault.Invalid, "no_space": fault.Limit,
		"replaced": fault.Conflict, "too_slow": fault.Conflict, "bad_request": fault.Invalid, "watch_limit": fault.Limit,
	}[e.Code]
	if !ok {
		kind, e.Code = fault.Internal, "agent_error"
	}
	return fault.New(kind, e.Code, "%s", plain(e.Text))
}

// plain bounds a text from inside and takes out what could steer a terminal.
func plain(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), 500)], "\uFFFD")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, s)
}
