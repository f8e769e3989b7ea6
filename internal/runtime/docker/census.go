package docker

import (
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"github.com/wsctl/wsctl/internal/runtime"
)

// describe turns the engine's lists into objects. A sandbox is in use while a
// workspace's container names it or while it is one of the wanted spares; a volume is while
// its workspace has a container. A network is while a sandbox is on it and while it is worked
// on, asked before the list of containers and after that of networks: no sandbox is made, or
// removed with its network, in the time that the two take.
func (d *Driver) describe(
	all []container.Summary, nets []network.Summary, vols []*volume.Volume, worked map[string]bool,
) []runtime.Object {
	users := map[string]string{} // sandbox id -> workspace
	exists := map[string]bool{}  // workspaces with a container
	for _, c := range all {
		if d.ours(c.Labels, roleWorkspace) {
			users[sandboxOf(c.HostConfig.NetworkMode)] = c.Labels[labelWorkspace]
			exists[c.Labels[labelWorkspace]] = true
		}
	}
	var out []runtime.Object
	owners := map[string]runtime.Object{} // network id -> its sandbox
	for _, c := range all {
		o := runtime.Object{
			Kind: kindContainer, ID: c.ID, Name: summaryName(c), Workspace: c.Labels[labelWorkspace],
			CreatedAt: unixTime(c.Created), InUse: c.State == container.StateRunning || c.State == container.StatePaused,
		}
		if d.ours(c.Labels, roleSandbox) {
			o.Kind, o.Workspace = kindSandbox, users[c.ID]
			o.InUse = o.Workspace != "" || d.pool.spare(c.ID)
			owners[c.HostConfig.NetworkMode] = o
		}
		out = append(out, o)
	}
	for _, n := range nets {
		box, on := owners[n.ID]
		out = append(out, runtime.Object{
			Kind: kindNetwork, ID: n.ID, Name: n.Name, Workspace: box.Workspace,
			CreatedAt: n.Created, InUse: on || worked[n.Name],
		})
	}
	for _, v := range vols {
		w := v.Labels[labelWorkspace]
		out = append(out, runtime.Object{
			Kind: kindVolume, ID: v.Name, Name: v.Name, Workspace: w,
			CreatedAt: parseTime(v.CreatedAt), InUse: exists[w],
		})
	}
	return out
}
