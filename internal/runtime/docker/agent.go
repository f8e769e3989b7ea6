package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsctl/wsctl/internal/runtime"
)

// Where the agent listens inside (package agentapi says the same to the agent).
const (
	socketDir  = "/run/wsd"
	socketName = "agent.sock"
)

// justStarted is how long after a start a refused connection means only that the agent
// does not listen yet, which is not worth a request to the engine.
const justStarted = time.Second

// agentDirs are the private folders, one for each container, in which agents listen.
// They lie in one folder that only we may enter, so their own modes may be open. What
// is in them is the workspace's: nothing there is followed or believed.
type agentDirs struct {
	parent string // "": none

	mu      sync.Mutex
	seen    map[string]bool // made or kept in this life: not a leftover
	started map[string]time.Time
}

// dirName is the name of a container's folder. It is false for what is no id of ours.
func dirName(r runtime.Ref) (string, bool) {
	ok := r.Workspace != "" && strings.Trim(r.Workspace, "abcdefghijklmnopqrstuvwxyz0123456789") == "" && r.Generation > 0
	return fmt.Sprintf("%s-%d", r.Workspace, r.Generation), ok
}

// ensure makes the folder of r for a user, with nothing in the place of the socket, and
// returns its path. With open, or where this process cannot give the folder away, everybody
// may write to it.
func (a *agentDirs) ensure(r runtime.Ref, who identity, open bool) (string, error) {
	name, ok := dirName(r)
	if !ok {
		return "", fmt.Errorf("cannot make a folder for the agent: %q is no id", r.Workspace)
	}
	folder, err := a.make(name, who, open)
	if err != nil {
		return "", err
	}
	root, err := os.OpenRoot(a.parent)
	if err == nil {
		err = errors.Join(root.RemoveAll(filepath.Join(name, socketName)), root.Close()) // without the lock: a workspace may have put any number of files there
	}
	if err != nil {
		return "", fmt.Errorf("cannot make room for the agent's socket: %w", err)
	}
	return folder, nil
}

func (a *agentDirs) make(name string, who identity, open bool) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seen == nil {
		a.seen, a.started = map[string]bool{}, map[string]time.Time{}
	}
	a.seen[name] = true
	if err := os.MkdirAll(a.parent, 0o700); err != nil {
		return "", fmt.Errorf("cannot make the folder of the agents: %w", err)
	}
	root, err := os.OpenRoot(a.parent)
	if err != nil {
		return "", fmt.Errorf("cannot open the folder of the agents: %w", err)
	}
	defer func() { _ = root.Close() }()
	mode := os.FileMode(0o777)
	if os.Geteuid() == 0 && !open {
		mode = 0o700
	}
	if err := root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("cannot make a folder for the agent: %w", err)
	}
	if mode == 0o700 {
		err = root.Lchown(name, who.uid, who.gid)
	}
	if err = errors.Join(err, root.Chmod(name, mode)); err != nil {
		return "", fmt.Errorf("cannot give the agent its folder: %w", err)
	}
	return filepath.Join(a.parent, name), nil
}

// remove removes the folders of all generations of a workspace.
func (a *agentDirs) remove(workspaceID string) error {
	return a.clear(func(name string) bool {
		id, _, _ := strings.Cut(name, "-")
		return id == workspaceID
	})
}

// clearLeft removes the folders of earlier lives that used does not know.
func (a *agentDirs) clearLeft(used func(path string) bool) error {
	return a.clear(func(name string) bool { return !a.seen[name] && !used(filepath.Join(a.parent, name)) })
}

// clear removes the folders that are chosen; with a lock, so that none is made meanwhile.
func (a *agentDirs) clear(chosen func(name string) bool) error {
	if a.parent == "" {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	root, err := os.OpenRoot(a.parent)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot open the folder of the agents: %w", err)
	}
	defer func() { _ = root.Close() }()
	all, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return fmt.Errorf("cannot list the folders of the agents: %w", err)
	}
	for _, e := range all {
		if !chosen(e.Name()) {
			continue
		}
		if rerr := root.RemoveAll(e.Name()); rerr != nil { // os.Root: a planted link leads nowhere
			err = errors.Join(err, fmt.Errorf("cannot remove the folder of an agent: %w", rerr))
		}
		delete(a.seen, e.Name())
		delete(a.started, e.Name())
	}
	return err
}

// note records a start of r now, or its end.
func (a *agentDirs) note(r runtime.Ref, started bool) {
	name, _ := dirName(r)
	a.mu.Lock()
	defer a.mu.Unlock()
	if !started {
		delete(a.started, name)
		return
	}
	if a.started == nil {
		a.seen, a.started = map[string]bool{}, map[string]time.Time{}
	}
	a.started[name] = time.Now()
}

func (a *agentDirs) young(r runtime.Ref) bool {
	name, _ := dirName(r)
	a.mu.Lock()
	defer a.mu.Unlock()
	at, ok := a.started[name]
	return ok && time.Since(at) < justStarted
}

// errNoSocket says that there is nothing to connect to.
var errNoSocket = errors.New("there is no socket of an agent")

// dial connects to the agent of r. The socket is opened first and connected to by its
// descriptor, so that nothing which the workspace puts in its place can lead elsewhere.
func (a *agentDirs) dial(ctx context.Context, r runtime.Ref) (net.Conn, error) {
	name, ok := dirName(r)
	if a.parent == "" || !ok {
		return nil, errNoSocket
	}
	fd, err := openSocket(a.parent, name, socketName)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	conn, err := (&net.Dialer{Timeout: dialBudget}).DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d", fd))
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.EPROTOTYPE), errors.Is(err, unix.EACCES):
		return nil, fmt.Errorf("%w: %w", errNoSocket, err)
	}
	return nil, fmt.Errorf("cannot connect to the agent: %w", err)
}

// openSocket opens parent/folder/name without following a link in the last two, and makes
// sure that it is a socket.
func openSocket(parent, folder, name string) (int, error) {
	at := unix.AT_FDCWD
	for _, step := range []struct {
		path  string
		flags int
	}{{parent, unix.O_DIRECTORY}, {folder, unix.O_DIRECTORY | unix.O_NOFOLLOW}, {name, unix.O_NOFOLLOW}} {
		fd, err := unix.Openat(at, step.path, unix.O_PATH|unix.O_CLOEXEC|step.flags, 0)
		if at != unix.AT_FDCWD {
			_ = unix.Close(at)
		}
		if err != nil {
			return -1, fmt.Errorf("%w: %w", errNoSocket, err)
		}
		at = fd
	}
	var st unix.Stat_t
	if err := unix.Fstat(at, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		_ = unix.Close(at)
		return -1, errNoSocket
	}
	return at, nil
}

// DialAgent connects to the agent of a running workspace over its socket, without a
// request to the engine unless that fails. A paused workspace accepts connections and
// does not answer on them.
func (d *Driver) DialAgent(ctx context.Context, r runtime.Ref) (net.Conn, error) {
	if err := d.link.fail(ctx, nil, "connect to the agent", ctx.Err()); err != nil {
		return nil, err
	}
	conn, err := d.agents.dial(ctx, r)
	if !errors.Is(err, errNoSocket) {
		return conn, err
	}
	if d.agents.young(r) {
		return nil, fmt.Errorf("%w: %w", runtime.ErrAgentStarting, err)
	}
	in, ierr := d.inspect(ctx, r)
	switch {
	case ierr != nil:
		return nil, ierr
	case in.State.Paused:
		return nil, runtime.ErrPaused
	case !in.State.Running:
		return nil, runtime.ErrNotRunning
	}
	return nil, fmt.Errorf("%w: %w", runtime.ErrNoAgent, err)
}

// ensureAgentDir makes the folder in which the agent of a container listens; "" where
// there is none.
func (d *Driver) ensureAgentDir(ctx context.Context, r runtime.Ref, who identity) (string, error) {
	if d.agents.parent == "" {
		return "", nil
	}
	facts, err := d.hostFacts(ctx)
	if err != nil {
		return "", err
	}
	return d.agents.ensure(r, who, facts.mapped)
}
