package client

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/api"
)

// Terminals lists the terminals of a workspace.
func (c *Client) Terminals(ctx context.Context, ref string) (list api.TerminalList, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: workspacePath(ref, "/terminals")}, &list)
	return list, err
}

// KillTerminal ends a terminal and its command.
func (c *Client) KillTerminal(ctx context.Context, ref, name string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: workspacePath(ref, "/terminals/"+url.PathEscape(name))}, nil)
}

// SSHKey returns the public host key of a workspace's ssh server.
func (c *Client) SSHKey(ctx context.Context, ref string) (key api.SSHKey, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: workspacePath(ref, "/ssh-key")}, &key)
	return key, err
}

// Listening returns the ports on which something inside listens.
func (c *Client) Listening(ctx context.Context, ref string) (list api.ListeningList, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: workspacePath(ref, "/listening")}, &list)
	return list, err
}

// FollowListening yields the ports now and after each change, until the workspace stops,
// ctx ends or with one error.
func (c *Client) FollowListening(ctx context.Context, ref string) iter.Seq2[api.ListeningList, error] {
	return stream[api.ListeningList](ctx, c, call{method: http.MethodGet, path: workspacePath(ref, "/listening"), query: url.Values{"follow": {"true"}}})
}

// Tree returns a file or folder of a workspace as a tar archive, whose names and links
// were chosen by the workspace: whoever unpacks it has to keep inside a folder.
func (c *Client) Tree(ctx context.Context, ref, path string) (io.ReadCloser, error) {
	resp, err := c.open(ctx, call{method: http.MethodGet, path: workspacePath(ref, "/tree"), query: url.Values{"path": {path}}})
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// PutTree unpacks a tar archive into a folder of a workspace.
func (c *Client) PutTree(ctx context.Context, ref, path string, archive io.Reader) error {
	resp, err := c.open(ctx, call{
		method: http.MethodPut, path: workspacePath(ref, "/tree"), query: url.Values{"path": {path}},
		body: archive, mediaType: "application/x-tar",
	})
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// PutUpload sends an archive, whose SHA-256 is digest, ahead of the create that needs it.
func (c *Client) PutUpload(ctx context.Context, digest string, archive io.Reader) error {
	resp, err := c.open(ctx, call{method: http.MethodPut, path: "/v1/uploads/" + digest, body: archive, mediaType: "application/x-tar"})
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// RawConn is a connection into a workspace. One goroutine may read while another writes.
type RawConn struct {
	ws   *socket
	ctx  context.Context
	rest []byte
	over bool
}

// Forward connects to a port inside a running workspace. The connection ends with ctx.
func (c *Client) Forward(ctx context.Context, ref string, port int) (*RawConn, error) {
	return c.raw(ctx, workspacePath(ref, "/forward/"+strconv.Itoa(port)))
}

// SSH connects to the ssh server of a workspace, which is started where it sleeps. The
// connection ends with ctx.
func (c *Client) SSH(ctx context.Context, ref string) (*RawConn, error) {
	return c.raw(ctx, workspacePath(ref, "/ssh"))
}

// LendAgent opens a connection on which git, while it fetches the files of a workspace that
// the caller has made, asks an ssh agent: requests come in, answers go out. It is used for
// one connection of git's, and may wait for that. It ends with ctx.
func (c *Client) LendAgent(ctx context.Context, ref string) (*RawConn, error) {
	return c.raw(ctx, workspacePath(ref, "/ssh-agent"))
}

// GiveGitAccess says what the fetch of a workspace's files may use when it is tried again.
func (c *Client) GiveGitAccess(ctx context.Context, ref string, g api.GitAccess) error {
	return c.do(ctx, call{method: http.MethodPut, path: workspacePath(ref, "/git-access"), body: g}, nil)
}

func (c *Client) raw(ctx context.Context, path string) (*RawConn, error) {
	ws, err := c.upgrade(ctx, path, api.RawProtocol)
	if err != nil {
		return nil, err
	}
	return &RawConn{ws: ws, ctx: ctx}, nil
}

// Read implements io.Reader.
func (r *RawConn) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.over {
			return 0, io.EOF
		}
		_, b, err := r.ws.Read(r.ctx)
		switch {
		case websocket.CloseStatus(err) == websocket.StatusNormalClosure:
		case err != nil && r.ctx.Err() == nil:
			return 0, connectionLost(err)
		case err != nil:
			return 0, err
		}
		r.rest, r.over = b, len(b) == 0
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Write implements io.Writer.
func (r *RawConn) Write(p []byte) (n int, err error) {
	for n < len(p) {
		part := p[n:min(len(p), n+execFrame)]
		if err := r.ws.Write(r.ctx, websocket.MessageBinary, part); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// CloseWrite ends this side's half.
func (r *RawConn) CloseWrite() error { return r.ws.Write(r.ctx, websocket.MessageBinary, nil) }

// Close ends both halves.
func (r *RawConn) Close() error { return r.ws.CloseNow() }

// Relay copies between r and a local pair of streams until both halves have ended or one
// side fails, and closes r.
func (r *RawConn) Relay(in io.Reader, out io.Writer) error {
	defer r.Close()
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(r, in)
		sent <- errors.Join(err, r.CloseWrite())
	}()
	if _, err := io.Copy(out, r); err != nil {
		return err
	}
	if half, ok := out.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return <-sent
	}
	return nil // what is still to be read has nobody to go to
}
