package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"reflect"
	"strconv"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/gateway"
	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Inside is the part of Backend that goes on inside a workspace. Terminal and SSH start a
// workspace that sleeps; the rest needs one that runs.
type Inside interface {
	Terminal(ctx context.Context, a workspace.Actor, ref, terminal string, s api.TerminalStart) (runtime.Process, error)
	Terminals(ctx context.Context, a workspace.Actor, ref string) ([]api.Terminal, error)
	KillTerminal(ctx context.Context, a workspace.Actor, ref, terminal string) error
	Forward(ctx context.Context, a workspace.Actor, ref string, port int) (net.Conn, error)
	SSH(ctx context.Context, a workspace.Actor, ref string) (net.Conn, error)
	// LendAgent returns a connection on which the fetch of a workspace's files asks the caller's ssh agent.
	LendAgent(ctx context.Context, a workspace.Actor, ref string) (net.Conn, error)
	// GiveGitAccess says what the fetch of a workspace's files may use of the caller's.
	GiveGitAccess(ctx context.Context, a workspace.Actor, ref string, g api.GitAccess) error
	SSHKey(ctx context.Context, a workspace.Actor, ref string) (api.SSHKey, error)
	Listening(ctx context.Context, a workspace.Actor, ref string) (api.ListeningList, error)
	FollowListening(ctx context.Context, a workspace.Actor, ref string, yield func(api.ListeningList) error) error
	Tree(ctx context.Context, a workspace.Actor, ref, path string) (io.ReadCloser, error)
	PutTree(ctx context.Context, a workspace.Actor, ref, path string, archive io.Reader) error
	PutUpload(ctx context.Context, a workspace.Actor, digest string, archive io.Reader) error
}

func insideRoutes() []route {
	const tar, lines = "application/x-tar", "application/x-ndjson"
	socket := func(doc string) []answer { return []answer{{status: http.StatusSwitchingProtocols, doc: doc}} }
	path := []param{{name: "path", kind: text, doc: "Path inside, required; relative to the working folder"}}
	return []route{
		{
			method: "GET", path: "/v1/workspaces/{ref}/terminals", access: owner, id: "list-terminals", summary: "List its terminals",
			answers: ok[api.TerminalList]("In order of name"), errors: []int{404, 409, 503}, handle: (*Server).terminals,
		},
		{
			method: "GET", path: "/v1/workspaces/{ref}/terminals/{name}", access: owner, id: "attach-terminal", stream: true,
			summary: "Attach to a terminal over a WebSocket of protocol " + api.ExecProtocol,
			answers: socket("The WebSocket"), errors: []int{404, 409, 426, 503}, handle: (*Server).attach,
		},
		{
			method: "DELETE", path: "/v1/workspaces/{ref}/terminals/{name}", access: owner, id: "kill-terminal", summary: "End a terminal",
			answers: []answer{{status: http.StatusNoContent, doc: "It has ended"}}, errors: []int{404, 409, 503}, handle: (*Server).killTerminal,
		},
		{
			method: "GET", path: "/v1/workspaces/{ref}/forward/{port}", access: owner, id: "forward-port", stream: true,
			summary: "Connect to a port inside over a WebSocket of protocol " + api.RawProtocol,
			answers: socket("The WebSocket"), errors: []int{404, 409, 422, 426, 503}, handle: (*Server).forward,
		},
		{
			method: "GET", path: "/v1/workspaces/{ref}/ssh", access: owner, id: "workspace-ssh", stream: true,
			summary: "Connect to its ssh server over a WebSocket of protocol " + api.RawProtocol,
			answers: socket("The WebSocket"), errors: []int{404, 409, 426, 503}, handle: (*Server).ssh,
		},
		{
			method: "GET", path: "/v1/workspaces/{ref}/ssh-key", access: owner, id: "workspace-ssh-key", summary: "The public host key of its ssh server",
			answers: ok[api.SSHKey]("The key"), errors: []int{404, 409}, handle: (*Server).sshKey,
		},
		{
			method: "GET", path: "/v1/workspaces/{ref}/listening", access: owner, id: "listening-ports", stream: true,
			summary: "Ports on which something inside listens",
			params:  []param{{name: "follow", kind: boolean, doc: "Go on with one JSON object a line after each change"}},
			answers: []answer{{status: 200, doc: "The ports", of: reflect.TypeFor[api.ListeningList]()}, {status: 200, doc: "With follow", media: lines, of: reflect.TypeFor[api.ListeningList]()}},
			errors:  []int{404, 409, 503}, handle: (*Server).listening,
		},
		{
			method: "GET", path: "/v1/workspaces/{ref}/tree", access: owner, id: "get-tree", summary: "A file or folder as a tar archive", stream: true,
			params: path, answers: []answer{{status: 200, doc: "The archive", media: tar}}, errors: []int{404, 409, 503}, handle: (*Server).getTree,
		},
		{
			method: "PUT", path: "/v1/workspaces/{ref}/tree", access: owner, id: "put-tree", summary: "Unpack a tar archive into a folder", stream: true,
			params: path, body: body{media: tar, raw: true}, answers: []answer{{status: http.StatusNoContent, doc: "It is unpacked"}},
			errors: []int{404, 409, 422, 503, 507}, handle: (*Server).putTree,
		},
		{
			method: "PUT", path: "/v1/uploads/{digest}", access: anyone, id: "put-upload", summary: "Send an archive ahead of the create that needs it", stream: true,
			body: body{media: tar, raw: true}, answers: []answer{{status: http.StatusNoContent, doc: "It is kept for a day after its last use, and for as long as a workspace waits for it"}},
			errors: []int{413, 507}, handle: (*Server).putUpload,
		},
	}
}

func (s *Server) terminals(c *call) error {
	ref, err := parseRef(c.r.PathValue("ref"))
	if err != nil {
		return err
	}
	list, err := s.backend.Terminals(c.ctx, c.actor, ref)
	if err != nil {
		return err
	}
	return s.reply(c, http.StatusOK, noTag, api.TerminalList{Terminals: list})
}

func (s *Server) attach(c *call) error {
	ref, err := s.upgradable(c, api.ExecProtocol)
	if err != nil {
		return err
	}
	s.sessions.add()
	defer s.sessions.done()
	e, name := s.relay(c), c.r.PathValue("name")
	e.Attend, e.Called, e.Notices = s.leases(c, ref, activity.Terminal), "terminal "+name, s.notices(c, ref)
	e.Attach = func(ctx context.Context, start api.TerminalStart) (runtime.Process, error) {
		return s.backend.Terminal(ctx, c.actor, ref, name, start)
	}
	e.Serve(c.ctx, s.closing, c.w, c.r)
	return nil
}

func (s *Server) killTerminal(c *call) error {
	ref, err := parseRef(c.r.PathValue("ref"))
	if err != nil {
		return err
	}
	if err := s.backend.KillTerminal(c.ctx, c.actor, ref, c.r.PathValue("name")); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) forward(c *call) error {
	ref, err := s.upgradable(c, api.RawProtocol)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(c.r.PathValue("port"))
	if err == nil {
		err = workspace.ValidatePort(port)
	}
	if err != nil {
		return fault.New(fault.Invalid, "port_invalid", "the port has to be 1 to 65535").WithField("/port", "port_invalid", "")
	}
	inner, err := s.backend.Forward(c.ctx, c.actor, ref, port)
	if err != nil {
		return err
	}
	return s.raw(c, ref, activity.TCP, inner)
}

func (s *Server) ssh(c *call) error {
	ref, err := s.upgradable(c, api.RawProtocol)
	if err != nil {
		return err
	}
	inner, err := s.backend.SSH(c.ctx, c.actor, ref)
	if err != nil {
		return err
	}
	return s.raw(c, ref, activity.SSH, inner)
}

// raw carries a connection into a workspace. What is typed over ssh nobody can read here;
// the agent sees the terminals that it ends in.
func (s *Server) raw(c *call, ref string, kind activity.ClientKind, inner net.Conn) error {
	s.sessions.add()
	defer s.sessions.done()
	lease, err := s.lease(c.ctx, c, ref, kind, "")
	if err != nil {
		_ = inner.Close()
		return err
	}
	if kind == activity.SSH {
		lease.Engage(activity.Ran, "ssh")
	}
	s.carry(c, lease, inner)
	return nil
}

func (s *Server) carry(c *call, lease activity.Lease, inner net.Conn) {
	gateway.Raw{Lease: lease, Inner: inner, Log: s.log.With("request_id", requestID(c.r)), Patience: s.times.Exec}.Serve(c.ctx, s.closing, c.w, c.r)
}

func (s *Server) sshKey(c *call) error {
	ref, err := parseRef(c.r.PathValue("ref"))
	if err != nil {
		return err
	}
	key, err := s.backend.SSHKey(c.ctx, c.actor, ref)
	if err != nil {
		return err
	}
	return s.reply(c, http.StatusOK, noTag, key)
}

func (s *Server) listening(c *call) error {
	ref, err := parseRef(c.r.PathValue("ref"))
	if err != nil {
		return err
	}
	if !c.query.bool("follow") {
		list, err := s.backend.Listening(c.ctx, c.actor, ref)
		if err != nil {
			return err
		}
		return s.reply(c, http.StatusOK, noTag, list)
	}
	if c.r.Method == http.MethodHead {
		return s.seen(c, ref)
	}
	st := s.newStream(c, nil)
	defer st.stop()
	return st.end(s.backend.FollowListening(st.ctx, c.actor, ref, func(l api.ListeningList) error { return st.send(l) }))
}

func (s *Server) getTree(c *call) error {
	ref, path, err := treeOf(c)
	if err != nil {
		return err
	}
	if c.r.Method == http.MethodHead {
		return s.seen(c, ref)
	}
	archive, err := s.backend.Tree(c.ctx, c.actor, ref, path)
	if err != nil {
		return err
	}
	defer archive.Close()
	c.w.Header().Set("Content-Type", "application/x-tar")
	c.w.WriteHeader(http.StatusOK)
	if _, err := io.Copy(pieces{c.w, s.times.Write}, archive); err != nil {
		return errAbort
	}
	return nil
}

func (s *Server) putTree(c *call) error {
	ref, path, err := treeOf(c)
	if err != nil {
		return err
	}
	lease, err := s.lease(c.ctx, c, ref, activity.Exec, "")
	if err != nil {
		return err
	}
	defer lease.Close()
	done := make(chan struct{})
	defer close(done)
	go untilKicked(c.w, lease, done)
	if err := s.backend.PutTree(c.ctx, c.actor, ref, path, carrying{incoming{c.r.Body}, lease, "copy files"}); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) putUpload(c *call) error {
	if err := s.backend.PutUpload(c.ctx, c.actor, c.r.PathValue("digest"), incoming{c.r.Body}); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// treeOf reads which files are meant.
func treeOf(c *call) (ref, path string, err error) {
	if ref, err = parseRef(c.r.PathValue("ref")); err != nil {
		return "", "", err
	}
	path = c.query.text("path")
	if path == "" || len(path) > 4096 {
		err = fault.New(fault.Invalid, "path_invalid", "the query needs path, of at most 4096 bytes").WithField("/path", "path_invalid", "")
	}
	return ref, path, err
}
