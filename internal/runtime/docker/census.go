package docker

import (
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"github.com/wsctl/wsctl/internal/runtime"
)

// describe turns the engine's lists into objects. A sandbox is in use while a
// workspace's container names it or while it is one of the wanted spares; a network
// shares the fate of its sandbox, a volume that of its workspace's containers.
func (d *Driver) describe(all []container.Summary, nets []network.Summary, vols []*volume.Volume) []runtime.Object {
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
		box := owners[n.ID]
		out = append(out, runtime.Object{
			Kind: kindNetwork, ID: n.ID, Name: n.Name, Workspace: box.Workspace,
			CreatedAt: n.Created, InUse: box.InUse || d.pool.isMaking(n.Name),
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
