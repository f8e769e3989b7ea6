package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/docker/docker/api/types/container"

	"github.com/wsctl/wsctl/internal/runtime"
)

// agentCopy is the name of a folder in Config.Agents that holds one copy of the agent.
var agentCopy = regexp.MustCompile(`^[0-9a-f]{16}$`)

// clearLeft removes what earlier lives have left on this machine and no container of the
// engine mounts, whoever made it: folders of agents' sockets and old copies of the agent.
// It does so once.
func (d *Driver) clearLeft(ctx context.Context) error {
	if !d.link.local || d.cfg.Sockets == "" && d.cfg.Agents == "" || d.cleared.Load() {
		return nil
	}
	all, err := d.everyContainer(ctx)
	if err != nil {
		return err
	}
	var mounted []string
	for _, c := range all {
		for _, m := range c.Mounts {
			mounted = append(mounted, m.Source)
		}
	}
	used := func(dir string) bool {
		for _, m := range mounted {
			if within(m, dir) {
				return true
			}
		}
		return false
	}
	d.cleared.Store(true) // what cannot be removed now is left for the next life
	return errors.Join(d.agents.clearLeft(used), d.clearCopies(used))
}

// clearCopies removes copies of the agent that neither new nor old containers mount.
func (d *Driver) clearCopies(used func(dir string) bool) error {
	if d.cfg.Agents == "" {
		return nil
	}
	root, err := os.OpenRoot(d.cfg.Agents)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot open the folder of the agent's copies: %w", err)
	}
	defer func() { _ = root.Close() }()
	agent, err := filepath.EvalSymlinks(d.cfg.Agent) // its folder may be a link to the newest
	if err != nil {
		return fmt.Errorf("cannot find the agent: %w", err)
	}
	copies, err := fs.ReadDir(root.FS(), ".")
	for _, e := range copies {
		dir := filepath.Join(d.cfg.Agents, e.Name())
		if e.IsDir() && agentCopy.MatchString(e.Name()) && filepath.Base(filepath.Dir(agent)) != e.Name() && !used(dir) {
			err = errors.Join(err, root.RemoveAll(e.Name()))
		}
	}
	return err
}

// heal brings back what a container mounts of ours and somebody has removed, for without it
// the container would not start, and what its agent needs to listen, whatever the workspace
// has made of that.
func (d *Driver) heal(ctx context.Context, in container.InspectResponse) error {
	ref := refOf(in.Config.Labels)
	who, err := parseIDs(in.Config.User)
	if err != nil {
		return err
	}
	for _, m := range in.Mounts {
		switch {
		case m.Destination == socketDir:
			_, err = d.ensureAgentDir(ctx, ref, who)
		case !d.link.local || !gone(m.Source):
		case m.Destination == passwdPath:
			_, err = d.nameUser(ctx, runtime.Container{Ref: ref}, imageFacts{id: in.Image}, who)
		case m.Destination == agentPath && d.cfg.Agents != "" && strings.HasPrefix(m.Source, d.cfg.Agents+"/"):
			err = errors.Join(os.MkdirAll(filepath.Dir(m.Source), 0o755), os.Link(d.cfg.Agent, m.Source))
		}
		if err != nil {
			return fmt.Errorf("cannot bring back what is mounted at %s: %w", m.Destination, err)
		}
	}
	return nil
}

func gone(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}
