package docker

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"

	"github.com/wsctl/wsctl/internal/runtime"
)

// cleanupBudget bounds the undoing of something half made, which goes on after
// the caller's context has ended.
const cleanupBudget = 20 * time.Second

// makeSandbox makes a network and a running sandbox on it and returns the
// sandbox's id, claimed. What was made before an error is removed again as far as
// the engine can be reached; Warm removes the rest.
func (d *Driver) makeSandbox(ctx context.Context) (string, error) {
	img, err := d.madeImage(ctx, "pause", func(runtime.Progress) {})
	if err != nil {
		return "", err
	}
	if n, done, ok := d.takeOrphan(ctx); ok {
		defer done()
		return d.sandboxOn(ctx, img.id, n.Name, n.ID)
	}
	name := "wsd-net-" + randomHex(6)
	done, _ := d.pool.working(name)
	defer done()
	netID, err := d.makeNetwork(ctx, name)
	if err != nil {
		return "", err
	}
	return d.sandboxOn(ctx, img.id, name, netID)
}

// takeOrphan takes a network that an earlier life has left without a sandbox: one
// that is killed again and again must not leave more and more of them.
func (d *Driver) takeOrphan(ctx context.Context) (n network.Summary, done func(), ok bool) {
	all, err := d.containers(ctx)
	if err != nil {
		return n, nil, false
	}
	nets, err := d.orphanNetworks(ctx, all)
	if err != nil {
		return n, nil, false
	}
	for _, n := range nets {
		if done, ok := d.pool.working(n.Name); ok {
			return n, done, true
		}
	}
	return n, nil, false
}

// sandboxOn makes a running sandbox on a network that is there; both have one name.
// After an error neither is left, as far as the engine can be reached.
func (d *Driver) sandboxOn(ctx context.Context, image, name, netID string) (id string, err error) {
	defer func() {
		if err == nil {
			return
		}
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupBudget)
		defer cancel()
		if id != "" {
			_ = d.removeContainer(undo, id)
		}
		_ = d.removeNetwork(undo, netID)
	}()
	created, err := call(ctx, d.link, slow, "create a network sandbox", func(ctx context.Context, s *session) (container.CreateResponse, error) {
		cfg := &container.Config{
			Image: image, Hostname: "workspace", StopSignal: "SIGKILL",
			Labels: map[string]string{labelInstance: d.cfg.Instance, labelRole: roleSandbox},
		}
		return s.ContainerCreate(ctx, cfg, sandboxHostConfig(netID, cgroupns(s)), nil, nil, name)
	})
	if err != nil {
		return d.idByName(ctx, name), err
	}
	if err := d.startSandbox(ctx, created.ID); err != nil {
		return created.ID, err
	}
	d.pool.claim(created.ID) // before its name is no longer marked as worked on
	return created.ID, nil
}

// cgroupns reports whether the engine knows CgroupnsMode (Docker API 1.41).
func cgroupns(s *session) bool { return versions.GreaterThanOrEqualTo(s.ClientVersion(), "1.41") }

// idByName finds what a create whose reply was lost has left; "" if nothing.
func (d *Driver) idByName(ctx context.Context, name string) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupBudget)
	defer cancel()
	in, err := d.inspectID(ctx, name)
	if err != nil || !d.oursContainer(in.Config.Labels) {
		return ""
	}
	return in.ID
}

func (d *Driver) startSandbox(ctx context.Context, id string) error {
	return do(ctx, d.link, slow, "start a network sandbox", func(ctx context.Context, s *session) error {
		return s.ContainerStart(ctx, id, container.StartOptions{})
	})
}

// subnetTries is how many subnets are tried that the engine calls taken although
// nothing that we can see uses them.
const subnetTries = 16

// makeNetwork makes a private bridge with a subnet of its own and returns its id.
func (d *Driver) makeNetwork(ctx context.Context, name string) (string, error) {
	used, err := d.usedSubnets(ctx)
	if err != nil {
		return "", err
	}
	for try := 1; ; try++ {
		subnet, err := d.nets.take(used)
		if err != nil {
			return "", err
		}
		id, err := d.createNetwork(ctx, name, subnet)
		d.nets.give(subnet)
		if err == nil {
			d.addrs.forgetIn(subnet)
			return id, nil
		}
		// 403 is the engine's "Pool overlaps with other one on this address space".
		if !cerrdefs.IsPermissionDenied(err) || try == subnetTries {
			return "", err
		}
		used = append(used, subnet)
	}
}

func (d *Driver) createNetwork(ctx context.Context, name string, subnet netip.Prefix) (string, error) {
	no := false
	res, err := call(ctx, d.link, slow, "create a network", func(ctx context.Context, s *session) (network.CreateResponse, error) {
		return s.NetworkCreate(ctx, name, network.CreateOptions{
			Driver: "bridge", EnableIPv6: &no,
			IPAM:    &network.IPAM{Driver: "default", Config: []network.IPAMConfig{{Subnet: subnet.String(), Gateway: subnet.Addr().Next().String()}}},
			Options: map[string]string{"com.docker.network.bridge.name": "wsdbr" + randomHex(4)},
			Labels:  map[string]string{labelInstance: d.cfg.Instance, labelRole: roleNetwork},
		})
	})
	if errors.Is(err, runtime.ErrUnreachable) {
		if id := d.networkByName(ctx, name); id != "" {
			return id, nil
		}
	}
	return res.ID, err
}

// networkByName finds what a create whose reply was lost has left. The name is
// random, so at most one network has it.
func (d *Driver) networkByName(ctx context.Context, name string) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupBudget)
	defer cancel()
	nets, err := d.networks(ctx, filters.Arg("name", name))
	if err != nil || len(nets) != 1 || nets[0].Name != name {
		return ""
	}
	return nets[0].ID
}

// networks lists our networks.
func (d *Driver) networks(ctx context.Context, more ...filters.KeyValuePair) ([]network.Summary, error) {
	f := d.filter(labelRole + "=" + roleNetwork)
	for _, m := range more {
		f.Add(m.Key, m.Value)
	}
	return call(ctx, d.link, quick, "list networks", func(ctx context.Context, s *session) ([]network.Summary, error) {
		return s.NetworkList(ctx, network.ListOptions{Filters: f})
	})
}

// usedSubnets returns what a new subnet must not overlap: the networks of the
// engine, whoever made them, and the routes of this machine.
func (d *Driver) usedSubnets(ctx context.Context) ([]netip.Prefix, error) {
	nets, err := call(ctx, d.link, quick, "list networks", func(ctx context.Context, s *session) ([]network.Summary, error) {
		return s.NetworkList(ctx, network.ListOptions{})
	})
	if err != nil {
		return nil, err
	}
	var used []netip.Prefix
	for _, n := range nets {
		for _, c := range n.IPAM.Config {
			if p, err := netip.ParsePrefix(c.Subnet); err == nil {
				used = append(used, p)
			}
		}
	}
	return append(used, hostRoutes()...), nil
}

// sandboxOf returns the id of the sandbox that a container names.
func sandboxOf(networkMode string) string {
	id, _ := strings.CutPrefix(networkMode, "container:")
	if id == networkMode {
		return ""
	}
	return id
}

// inspectSandbox looks at a sandbox of ours; ErrNotFound if id is anything else.
func (d *Driver) inspectSandbox(ctx context.Context, id string) (container.InspectResponse, error) {
	if id == "" {
		return container.InspectResponse{}, lost("the container has no network sandbox")
	}
	in, err := d.inspectID(ctx, id)
	if err == nil && !d.ours(in.Config.Labels, roleSandbox) {
		return in, lost("the container's network is not a sandbox of this daemon")
	}
	return in, err
}

// killSandbox ends a sandbox and keeps it with its network, to be started again.
func (d *Driver) killSandbox(ctx context.Context, id string) error {
	err := do(ctx, d.link, slow, "stop a network sandbox", func(ctx context.Context, s *session) error {
		return s.ContainerKill(ctx, id, "SIGKILL")
	})
	if cerrdefs.IsConflict(err) || errors.Is(err, runtime.ErrNotFound) { // does not run
		return nil
	}
	return err
}

// removeSandbox removes a sandbox of ours and its network. What is gone is fine.
func (d *Driver) removeSandbox(ctx context.Context, id string) error {
	in, err := d.inspectSandbox(ctx, id)
	if errors.Is(err, runtime.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if done, ok := d.pool.working(strings.TrimPrefix(in.Name, "/")); ok {
		defer done()
	}
	if err := d.removeContainer(ctx, in.ID); err != nil {
		return err
	}
	d.pool.forget(in.ID)
	return d.removeNetwork(ctx, string(in.HostConfig.NetworkMode))
}

// removeContainer removes a container by id, running or not, with its anonymous
// volumes. A removal that is already under way counts as done once it is gone.
func (d *Driver) removeContainer(ctx context.Context, id string) error {
	return retry(ctx, func() error {
		err := do(ctx, d.link, slow, "remove a container", func(ctx context.Context, s *session) error {
			return s.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
		})
		if errors.Is(err, runtime.ErrNotFound) {
			return nil
		}
		return err
	}, cerrdefs.IsConflict)
}

// removeNetwork removes a network of ours by id. The engine lets go of a removed
// container's endpoint a little later, and calls it "in use" until then (403).
func (d *Driver) removeNetwork(ctx context.Context, id string) error {
	n, err := call(ctx, d.link, quick, "look at the network", func(ctx context.Context, s *session) (network.Inspect, error) {
		return s.NetworkInspect(ctx, id, network.InspectOptions{})
	})
	if errors.Is(err, runtime.ErrNotFound) || err == nil && !d.ours(n.Labels, roleNetwork) {
		return nil
	}
	if err != nil {
		return err
	}
	return retry(ctx, func() error {
		err := do(ctx, d.link, slow, "remove a network", func(ctx context.Context, s *session) error {
			return s.NetworkRemove(ctx, n.ID)
		})
		if errors.Is(err, runtime.ErrNotFound) {
			return nil
		}
		return err
	}, func(err error) bool { return cerrdefs.IsPermissionDenied(err) || cerrdefs.IsConflict(err) })
}

// retry repeats f for about three seconds while its error is worth it.
func retry(ctx context.Context, f func() error, worth func(error) bool) error {
	wait := 20 * time.Millisecond
	for {
		err := f()
		if err == nil || !worth(err) || wait > 2*time.Second {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
		wait *= 2
	}
}
