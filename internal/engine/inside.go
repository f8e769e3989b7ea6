package engine

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/agentlink"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// link is the way to the agent of w's present container. One that was started just now is
// given the moment that its agent takes: what is asked of it then is as good as later.
func (e *Engine) link(w workspace.Workspace) *agentlink.Link {
	r := ref(w)
	return agentlink.New(func(ctx context.Context) (net.Conn, error) {
		for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
			conn, err := e.cfg.Driver.DialAgent(ctx, r)
			if !errors.Is(err, rt.ErrAgentStarting) || !pause(ctx, wait) {
				return conn, err
			}
		}
	})
}

// start runs a command inside: by the agent, or by the container engine where the
// workspace has no agent that answers.
func (e *Engine) startInside(ctx context.Context, w workspace.Workspace, x rt.ExecSpec) (rt.Process, error) {
	x.Env = slices.Concat(environment(w.Spec.RemoteEnv), x.Env)
	if x.Dir == "" {
		x.Dir = w.Spec.Dir
	}
	p, err := e.link(w).Exec(ctx, agentapi.ExecStart{
		Command: x.Command, Env: x.Env, Dir: x.Dir, TTY: x.TTY, Stdin: x.Stdin, Cols: x.Cols, Rows: x.Rows,
	})
	if errors.Is(err, rt.ErrNoAgent) {
		return e.cfg.Driver.Exec(ctx, ref(w), x)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// environment returns KEY=value, sorted.
func environment(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+m[k])
	}
	return out
}

// dialInside connects to a port of a workspace. What listens on the workspace's address
// is reached at once; what listens on its loopback alone, by the agent.
func (e *Engine) dialInside(ctx context.Context, w workspace.Workspace, port int) (net.Conn, error) {
	conn, err := e.cfg.Driver.Dial(ctx, ref(w), port)
	if err == nil || !errors.Is(err, syscall.ECONNREFUSED) {
		return conn, err
	}
	inner, aerr := e.link(w).Dial(ctx, port)
	if aerr != nil {
		return nil, err
	}
	return inner, nil
}

// running is the workspace, if it runs now.
func (e *Engine) running(ctx context.Context, a workspace.Actor, name string) (workspace.Workspace, error) {
	w, err := e.Workspace(ctx, a, name)
	if err != nil {
		return w, err
	}
	switch w.State {
	case workspace.Running, workspace.Initializing:
		return w, nil
	case workspace.Paused:
		return w, e.explain(w, rt.ErrPaused)
	}
	return w, e.explain(w, rt.ErrNotRunning)
}

// inside words the error of a call to the agent.
func (e *Engine) inside(ctx context.Context, w workspace.Workspace, err error) error {
	if !errors.Is(err, rt.ErrNoAgent) {
		return e.explain(w, err)
	}
	st, ierr := e.cfg.Driver.Inspect(ctx, ref(w))
	switch {
	case ierr != nil:
		return e.explain(w, ierr)
	case st.State == rt.ObservedPaused:
		return e.explain(w, rt.ErrPaused)
	case st.State != rt.ObservedRunning:
		return e.explain(w, rt.ErrNotRunning)
	}
	return fault.New(fault.Conflict, "no_agent", "workspace %s runs without an agent that answers", w.Name).
		WithHint("`wsctl restart %s` gives it one", w.Name).WithCause(err)
}

// Terminal attaches to a terminal of a workspace, which is started where it sleeps.
func (e *Engine) Terminal(ctx context.Context, a workspace.Actor, name, terminal string, s api.TerminalStart) (rt.Process, error) {
	if err := workspace.ValidateEnv(s.Env); err != nil {
		return nil, err
	}
	if len(s.Command) > 0 {
		if err := workspace.ValidateCommand(s.Command); err != nil {
			return nil, err
		}
	}
	w, err := e.Awake(ctx, a, name)
	if err != nil {
		return nil, err
	}
	start := agentapi.TerminalStart{View: s.View, Attach: s.Attach, Detach: s.Detach, ExecStart: agentapi.ExecStart{
		Command: s.Command, Env: slices.Concat(environment(w.Spec.RemoteEnv), environment(s.Env)), Dir: s.Dir,
		TTY: true, Login: true, Cols: s.Cols, Rows: s.Rows,
	}}
	if start.Dir == "" {
		start.Dir = w.Spec.Dir
	}
	p, err := e.link(w).Terminal(ctx, terminal, start)
	if err != nil {
		return nil, e.inside(ctx, w, err)
	}
	e.attached(w)
	return p, nil
}

// Terminals lists the terminals of a running workspace; one that sleeps has none.
func (e *Engine) Terminals(ctx context.Context, a workspace.Actor, name string) ([]api.Terminal, error) {
	w, err := e.Workspace(ctx, a, name)
	if err != nil || w.State != workspace.Running && w.State != workspace.Initializing {
		return []api.Terminal{}, err
	}
	list, err := e.link(w).Terminals(ctx)
	if err != nil {
		return nil, e.inside(ctx, w, err)
	}
	out := make([]api.Terminal, 0, len(list))
	for _, t := range list {
		out = append(out, api.Terminal{
			Name: t.Name, Command: t.Command, Cols: t.Cols, Rows: t.Rows, Viewers: t.Viewers, Writers: t.Writers,
			CreatedAt: t.CreatedAt, LastInput: t.LastInput, LastOutput: t.LastOutput, Foreground: t.Foreground,
		})
	}
	return out, nil
}

// KillTerminal ends a terminal and what runs in it.
func (e *Engine) KillTerminal(ctx context.Context, a workspace.Actor, name, terminal string) error {
	w, err := e.running(ctx, a, name)
	if err != nil {
		return err
	}
	return e.inside(ctx, w, e.link(w).KillTerminal(ctx, terminal))
}

// Forward connects to a port of a running workspace.
func (e *Engine) Forward(ctx context.Context, a workspace.Actor, name string, port int) (net.Conn, error) {
	w, err := e.running(ctx, a, name)
	if err != nil {
		return nil, err
	}
	conn, err := e.dialInside(ctx, w, port)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fault.New(fault.Conflict, "port_refused", "nothing listens on port %d of workspace %s", port, w.Name).
			WithHint("see what does with `wsctl ports %s`", w.Name)
	}
	return conn, e.explain(w, err)
}

// SSH opens an ssh connection whose server is the agent. A workspace that sleeps is
// started.
func (e *Engine) SSH(ctx context.Context, a workspace.Actor, name string) (net.Conn, error) {
	w, err := e.Awake(ctx, a, name)
	if err != nil {
		return nil, err
	}
	key, err := e.cfg.HostKeys.Private(w.ID)
	if err != nil {
		return nil, err
	}
	conn, err := e.link(w).SSH(ctx, agentapi.SSHStart{HostKey: key, Env: environment(w.Spec.RemoteEnv)})
	if err != nil {
		return nil, e.inside(ctx, w, err)
	}
	return &sshConn{Conn: conn, engine: e, w: w, user: a.ID}, nil
}

// SSHKey tells by which key a client knows the workspace again.
func (e *Engine) SSHKey(ctx context.Context, a workspace.Actor, name string) (api.SSHKey, error) {
	w, err := e.Workspace(ctx, a, name)
	if err != nil {
		return api.SSHKey{}, err
	}
	key, err := e.cfg.HostKeys.Public(w.ID)
	return api.SSHKey{HostKey: key, User: "dev"}, err
}

// Listening lists the ports on which something inside listens.
func (e *Engine) Listening(ctx context.Context, a workspace.Actor, name string) (api.ListeningList, error) {
	w, err := e.running(ctx, a, name)
	if err != nil {
		return api.ListeningList{}, err
	}
	r, err := e.link(w).Report(ctx)
	if err != nil {
		return api.ListeningList{}, e.inside(ctx, w, err)
	}
	return e.listening(w, r), nil
}

// FollowListening calls yield with the ports now and after each change, until ctx ends,
// the workspace stops or yield fails.
func (e *Engine) FollowListening(ctx context.Context, a workspace.Actor, name string, yield func(api.ListeningList) error) error {
	w, err := e.running(ctx, a, name)
	if err != nil {
		return err
	}
	var last string
	err = e.link(w).Follow(ctx, func(r agentapi.Report) error {
		list := e.listening(w, r)
		if now := key(list); now != last {
			last = now
			return yield(list)
		}
		return nil
	})
	if ctx.Err() != nil || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil // it was left, or the workspace has ended
	}
	return e.inside(ctx, w, err)
}

// key is what has to differ for a follower to be told.
func key(l api.ListeningList) string {
	var b []byte
	for _, p := range l.Ports {
		b = append(strconv.AppendInt(b, int64(p.Port), 10), ' ')
		b = append(append(b, p.Process...), '\n')
	}
	return string(b)
}

func (e *Engine) listening(w workspace.Workspace, r agentapi.Report) api.ListeningList {
	list := api.ListeningList{Ports: []api.Listening{}}
	for _, p := range r.Ports {
		l := api.Listening{Port: p.Port, Address: p.Address, Process: p.Process}
		for _, known := range w.Spec.Ports {
			if known.Port == p.Port {
				l.Label = known.Label
			}
		}
		switch {
		case p.Port == w.Spec.Port && w.Port != 0:
			l.URL = "http://127.0.0.1:" + strconv.Itoa(w.Port) + "/"
		default:
			l.URL = api.NameURL(e.cfg.Names(), w.Name, p.Port, w.Spec.Port)
		}
		list.Ports = append(list.Ports, l)
	}
	return list
}

// Tree packs a file or folder of a running workspace as a tar archive.
func (e *Engine) Tree(ctx context.Context, a workspace.Actor, name, path string) (io.ReadCloser, error) {
	w, err := e.running(ctx, a, name)
	if err != nil {
		return nil, err
	}
	body, err := e.link(w).Tree(ctx, path)
	if err != nil {
		return nil, e.inside(ctx, w, err)
	}
	return body, nil
}

// PutTree unpacks a tar archive into a folder of a running workspace.
func (e *Engine) PutTree(ctx context.Context, a workspace.Actor, name, path string, archive io.Reader) error {
	w, err := e.running(ctx, a, name)
	if err != nil {
		return err
	}
	return e.inside(ctx, w, e.link(w).PutTree(ctx, path, archive))
}
