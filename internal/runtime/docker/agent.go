package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sys/unix"

	"github.com/wsctl/wsctl/internal/runtime"
)

// socketDir is where the agent of one container listens inside: a folder that only this
// container and wsd have.
const socketDir = "/run/wsd"

// socketName is the agent's socket in that folder.
const socketName = "agent.sock"

// agentFolder is the folder on this machine, "" where there can be none: the engine is on
// another one.
func (d *Driver) agentFolder(r runtime.Ref) string {
	if d.cfg.Sockets == "" || !d.link.local {
		return ""
	}
	return filepath.Join(d.cfg.Sockets, r.Workspace+"-"+strconv.Itoa(r.Generation))
}

// ensureAgentFolder makes the folder of a container whose processes have this uid. Other
// users of this machine do not get to it: its parent is closed to them.
func (d *Driver) ensureAgentFolder(ctx context.Context, r runtime.Ref, uid int) (string, error) {
	dir := d.agentFolder(r)
	if dir == "" {
		return "", nil
	}
	if err := os.MkdirAll(d.cfg.Sockets, 0o700); err != nil {
		return "", fmt.Errorf("cannot make the folder of the agents' sockets: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("cannot make the folder of an agent's socket: %w", err)
	}
	mapped, err := d.mapsUsers(ctx)
	if err != nil {
		return "", err
	}
	if os.Geteuid() == 0 && !mapped {
		return dir, os.Lchown(dir, uid, uid)
	}
	return dir, os.Chmod(dir, 0o777) //nolint:gosec // the parent keeps others out; the uid inside is not one that we can give it to
}

// healAgentFolder makes the folder again where somebody has removed it: the container would
// not start without it. One that was made by an older version has none.
func (d *Driver) healAgentFolder(ctx context.Context, r runtime.Ref, in container.InspectResponse) error {
	dir := d.agentFolder(r)
	if dir == "" || !slices.ContainsFunc(in.Mounts, func(m container.MountPoint) bool { return m.Source == dir }) {
		return nil
	}
	if _, err := os.Lstat(dir); err == nil {
		return nil
	}
	user, _, _ := strings.Cut(in.Config.User, ":")
	uid, err := strconv.Atoi(user)
	if err != nil {
		return fmt.Errorf("cannot tell whose folder the agent's is: %w", err)
	}
	_, err = d.ensureAgentFolder(ctx, r, uid)
	return err
}

// removeAgentFolders removes the folders of all generations of a workspace. What is in
// them was put there by the workspace: links are removed, not followed.
func (d *Driver) removeAgentFolders(workspaceID string) error {
	if d.cfg.Sockets == "" {
		return nil
	}
	entries, err := os.ReadDir(d.cfg.Sockets)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), workspaceID+"-") {
			err = errors.Join(err, os.RemoveAll(filepath.Join(d.cfg.Sockets, e.Name())))
		}
	}
	return err
}

// DialAgent implements runtime.Driver. The workspace can put anything in the place of the
// socket, so the connection is made to the very file that was looked at: a link to a
// socket of this machine leads nowhere.
func (d *Driver) DialAgent(ctx context.Context, r runtime.Ref) (net.Conn, error) {
	dir := d.agentFolder(r)
	if dir == "" {
		return nil, runtime.ErrNoAgent
	}
	fd, err := unix.Open(filepath.Join(dir, socketName), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, noAgent(err)
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, noAgent(err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil, noAgent(errors.New("what is in its place is no socket"))
	}
	conn, err := (&net.Dialer{Timeout: dialBudget}).DialContext(ctx, "unix", "/proc/self/fd/"+strconv.Itoa(fd))
	if err != nil {
		return nil, noAgent(err)
	}
	return conn, nil
}

// noAgent is ErrNoAgent with the reason.
func noAgent(err error) error { return fmt.Errorf("%w: %w", runtime.ErrNoAgent, err) }
