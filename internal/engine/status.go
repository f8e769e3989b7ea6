package engine

import (
	"cmp"
	"context"
	"fmt"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/host"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Bounds below which doctor warns.
const (
	diskWarn    = 1 << 30 // bytes free for the state
	diskFail    = 64 << 20
	inotifyWarn = 256 // file watchers per uid; the kernel's default of 128 is used up by two editors
)

// Status tells how the daemon is.
func (e *Engine) Status(_ context.Context, a workspace.Actor) (api.Status, error) {
	id := e.cfg.Identity
	s := api.Status{
		Version: id.Version, API: api.Version, PID: id.PID, UID: id.UID, Instance: e.cfg.Store.Instance(),
		StartedAt: e.born, Socket: id.Socket, StateDir: id.StateDir, Engine: e.health.view(), Names: e.cfg.Names(),
	}
	owner := a.ID
	if a.Admin {
		owner = ""
	}
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		s.Workspaces, s.Seq = tx.CountByState(owner), tx.LastSeq()
		s.PortsFree = e.cfg.PortLast - e.cfg.PortFirst + 1
		for port := range tx.Ports() {
			if e.inRange(port) {
				s.PortsFree--
			}
		}
		return nil
	})
	return s, err
}

// Doctor looks for what would keep workspaces from working. Right after a start it
// waits for the container engine's first answer.
func (e *Engine) Doctor(ctx context.Context, a workspace.Actor) ([]api.Check, error) {
	_ = e.reachable(ctx) // checkEngine tells what is wrong, and more exactly
	checks := []api.Check{e.checkEngine()}
	info, _ := e.health.engine()
	for _, w := range info.Warnings {
		checks = append(checks, api.Check{Name: "engine", Status: "warn", Detail: w})
	}
	ports, err := e.Ports(ctx, a)
	if err != nil {
		return nil, err
	}
	return append(checks, checkPorts(ports), e.checkDisk(), checkInotify(), e.checkJobs(a)), nil
}

func (e *Engine) checkEngine() api.Check {
	v := e.health.view()
	if !v.Reachable {
		return api.Check{
			Name: "engine", Status: "fail", Detail: "the container engine does not answer: " + v.Error,
			Hint: "start it (`systemctl start docker`), or install it; wsd finds it again by itself",
		}
	}
	return api.Check{Name: "engine", Status: "ok", Detail: fmt.Sprintf("%s %s, API %s", v.Name, v.Version, v.API)}
}

func checkPorts(p api.PortList) api.Check {
	c := api.Check{Name: "ports", Status: "ok", Detail: fmt.Sprintf("%d of %d to %d are free", p.Free, p.First, p.Last)}
	for _, l := range p.Leases {
		if l.State == "leased" && !l.Bound {
			return api.Check{
				Name: "ports", Status: "warn",
				Detail: fmt.Sprintf("port %d of %s is held by %s", l.Port, whose(l), cmp.Or(l.Holder, "another program")),
				Hint:   "end that program; wsd takes the port within 30 s",
			}
		}
	}
	if p.Free == 0 {
		c.Status, c.Hint = "warn", "delete workspaces or widen ports.last in the configuration"
	}
	return c
}

func whose(l api.PortLease) string {
	if l.Name == "" {
		return "somebody else's workspace"
	}
	return "workspace " + l.Name
}

func (e *Engine) checkDisk() api.Check {
	free, err := host.DiskFree(e.cfg.Identity.StateDir)
	if err != nil {
		return api.Check{Name: "disk", Status: "warn", Detail: "cannot tell how much room is left"}
	}
	c := api.Check{Name: "disk", Status: "ok", Detail: workspace.FormatSize(free) + " free for the daemon's state"}
	switch {
	case free < diskFail:
		c.Status, c.Hint = "fail", "make room: nothing can be written soon"
	case free < diskWarn:
		c.Status, c.Hint = "warn", "make room; `wsctl gc` lists what is left over"
	}
	return c
}

func checkInotify() api.Check {
	n := host.InotifyInstances()
	if n == 0 || n >= inotifyWarn {
		return api.Check{Name: "file watchers", Status: "ok", Detail: fmt.Sprintf("%d per user", n)}
	}
	return api.Check{
		Name: "file watchers", Status: "warn", Detail: fmt.Sprintf("only %d per user, which development servers use up", n),
		Hint: "sudo sysctl fs.inotify.max_user_instances=1024; docs/troubleshooting.md tells how to keep it",
	}
}

func (e *Engine) checkJobs(a workspace.Actor) api.Check {
	failed, past, err := e.failedJobs(a)
	switch {
	case err != nil:
		return api.Check{Name: "jobs", Status: "warn", Detail: "cannot read which have failed"}
	case len(failed) == 0 && past == 0:
		return api.Check{Name: "jobs", Status: "ok", Detail: "none has failed"}
	case len(failed) == 0:
		return api.Check{Name: "jobs", Status: "ok", Detail: fmt.Sprintf("none needs a look; %d failed before, which is history", past)}
	}
	return api.Check{Name: "jobs", Status: "warn", Detail: fmt.Sprintf("%d failed, the newest: %s of %s: %s",
		len(failed), failed[0].Kind, failed[0].Name, failed[0].Error), Hint: "see `wsctl jobs ls --state failed`"}
}

// failedJobs are those that somebody can still do something about. The others are history:
// their workspace is deleted, or a later job of it has ended well.
func (e *Engine) failedJobs(a workspace.Actor) (failed []workspace.Job, past int, err error) {
	all, err := e.jobs(a, nil, "")
	if err != nil {
		return nil, 0, err
	}
	over := map[string]bool{} // workspaces of which an older failure is history
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		for _, j := range all { // newest first
			gone := false
			if j.State == workspace.JobFailed {
				_, err := tx.Workspace(j.Workspace)
				gone = fault.Is(err, fault.Gone) || fault.Is(err, fault.NotFound)
			}
			switch {
			case j.State == workspace.JobCompleted:
				over[j.Workspace] = true
			case j.State != workspace.JobFailed:
			case gone || over[j.Workspace]:
				past++
			default:
				failed = append(failed, j)
			}
		}
		return nil
	})
	return failed, past, err
}
