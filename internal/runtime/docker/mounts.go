package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/docker/docker/api/types/mount"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// maxMounts bounds the further folders of one workspace.
const maxMounts = 32

// forbidden are places of the host of which nothing is ever bound into a workspace:
// neither they, nor what is in them, nor a folder that holds one of them.
var forbidden = []string{
	"/proc", "/sys", "/dev", "/run", "/var/run", "/etc", "/boot", "/var/lib/docker", "/var/lib/containerd",
	"/bin", "/sbin", "/lib", "/lib64", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/local/bin", "/usr/local/sbin", "/usr/local/lib",
}

// reserved are places inside a workspace that wsd itself mounts or the kernel needs. Only
// below /workspace there may be more.
var reserved = []string{"/proc", "/sys", "/dev", "/run", "/tmp", "/opt/wsd", passwdPath, "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", workspaceDir}

// workspaceDir is where the files of a workspace are inside.
const workspaceDir = "/workspace"

// mountName is the name of a volume within its workspace.
var mountName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,62}$`)

// bound reports whether /workspace is a folder of the host instead of a volume.
func bound(s workspace.Spec) bool { return s.Source != nil && s.Source.Kind == "bind" }

// binds lists the folders of the host that a spec wants.
func binds(s workspace.Spec) []string {
	var out []string
	if bound(s) {
		out = append(out, s.Source.Path)
	}
	for _, m := range s.Mounts {
		if m.Kind == "bind" {
			out = append(out, m.Source)
		}
	}
	return out
}

// refuseMount is the fault for a mount that no caller can ask for.
func refuseMount(format string, args ...any) *fault.Error {
	return fault.New(fault.Denied, "mount_refused", format, args...)
}

// within reports whether p is dir or in it. Both are clean.
func within(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}

// checkBind refuses what must never be bound, by its name alone. private are further
// places of ours.
func checkBind(source string, private []string) error {
	if !path.IsAbs(source) || path.Clean(source) != source || strings.ContainsAny(source, "\x00\n\r") {
		return refuseMount("%.200q is not an absolute path without detours", source)
	}
	for _, place := range slices.Concat(forbidden, private) {
		if within(source, place) || within(place, source) {
			return refuseMount("the folder %.200q is not for workspaces", source).
				WithHint("a workspace gets project folders, not parts of the system")
		}
	}
	for part := range strings.SplitSeq(source, "/") {
		if strings.HasSuffix(part, ".sock") {
			return refuseMount("the folder %.200q has the name of a socket", source)
		}
	}
	return nil
}

// checkTarget refuses places inside that are not free for a mount.
func checkTarget(target string) error {
	if !path.IsAbs(target) || path.Clean(target) != target || strings.ContainsAny(target, "\x00\n\r,:") {
		return refuseMount("%.200q is not an absolute path without detours", target)
	}
	for _, place := range reserved {
		inside := within(target, place) && (place != workspaceDir || target == place)
		if inside || within(place, target) {
			return refuseMount("nothing can be mounted at %.200q", target)
		}
	}
	return nil
}

// mounts turns a spec's mounts into the engine's. It is pure: what it lets through is
// never a forbidden place, a volume of somebody else or a place that wsd needs.
func mounts(c runtime.Container, p place) ([]mount.Mount, map[string]string, error) {
	if len(c.Spec.Mounts) > maxMounts {
		return nil, nil, fault.New(fault.Limit, "too_many_mounts", "a workspace has at most %d mounts", maxMounts)
	}
	if !mountName.MatchString(p.volume) { // to the engine a path would be another kind of thing
		return nil, nil, refuseMount("%.80q is not the name of a volume", p.volume)
	}
	var out []mount.Mount
	tmpfs := map[string]string{}
	if bound(c.Spec) {
		if err := checkBind(c.Spec.Source.Path, p.private); err != nil {
			return nil, nil, err
		}
		out = append(out, bindMount(c.Spec.Source.Path, workspaceDir, false))
	} else {
		out = append(out, volumeMount(p.volume, workspaceDir, volumeLabels(p.instance, c)))
	}
	taken := map[string]bool{}
	for _, m := range c.Spec.Mounts {
		if err := checkTarget(m.Target); err != nil {
			return nil, nil, err
		}
		if taken[m.Target] {
			return nil, nil, refuseMount("two mounts want %.200q", m.Target)
		}
		taken[m.Target] = true
		if m.Kind == "tmpfs" {
			tmpfs[m.Target] = "rw,nosuid,nodev,exec,size=256m,mode=1777"
			continue
		}
		one, err := oneMount(c, m, p)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, one)
	}
	for _, target := range declared(c.Spec, p.volumes) {
		m := volumeMount(imageVolume(c.Workspace, target), target, volumeLabels(p.instance, c))
		m.VolumeOptions.NoCopy = false // an empty one gets what the image has there
		out = append(out, m)
	}
	return out, tmpfs, nil
}

func oneMount(c runtime.Container, m workspace.Mount, p place) (mount.Mount, error) {
	switch m.Kind {
	case "bind":
		if err := checkBind(m.Source, p.private); err != nil {
			return mount.Mount{}, err
		}
		return bindMount(m.Source, m.Target, m.ReadOnly), nil
	case "volume":
		if !mountName.MatchString(m.Source) {
			return mount.Mount{}, refuseMount("%.80q is not the name of a volume", m.Source)
		}
		v := volumeMount(namedVolume(c.Workspace, m.Source), m.Target, volumeLabels(p.instance, c))
		v.ReadOnly = m.ReadOnly
		return v, nil
	}
	return mount.Mount{}, refuseMount("%.40q is not a kind of mount", m.Kind)
}

// bindMount shares a folder. A read-only one comes without what is mounted below it: the
// kernel would leave that writable.
func bindMount(source, target string, readOnly bool) mount.Mount {
	return mount.Mount{
		Type: mount.TypeBind, Source: source, Target: target, ReadOnly: readOnly,
		BindOptions: &mount.BindOptions{Propagation: mount.PropagationRPrivate, NonRecursive: readOnly},
	}
}

// volumeMount has the labels too: a volume that was removed by hand meanwhile is made anew by
// the engine, and would without them never be found again.
func volumeMount(name, target string, labels map[string]string) mount.Mount {
	return mount.Mount{
		Type: mount.TypeVolume, Source: name, Target: target,
		VolumeOptions: &mount.VolumeOptions{NoCopy: true, Labels: labels},
	}
}

// declared lists the places that an image declares to be volumes and that a workspace has
// nothing else at. For the others, and beyond maxMounts, the engine would make volumes
// without a name, which go with their container.
func declared(s workspace.Spec, volumes []string) []string {
	var out []string
	for _, target := range volumes {
		target = path.Clean(target) // as the engine does
		taken := slices.ContainsFunc(s.Mounts, func(m workspace.Mount) bool { return m.Target == target })
		if !taken && checkTarget(target) == nil && !slices.Contains(out, target) && len(out) < maxMounts {
			out = append(out, target)
		}
	}
	return out
}

// namedVolume is the engine's name for a volume of a workspace beside its main one.
func namedVolume(workspaceID, name string) string { return volumeName(workspaceID) + "-" + name }

// imageVolume is the engine's name for the volume at a place that an image declares. No name
// of a mount begins like it.
func imageVolume(workspaceID, target string) string {
	sum := sha256.Sum256([]byte(target))
	return volumeName(workspaceID) + "-_" + hex.EncodeToString(sum[:6])
}

// checkHost looks at the folders that a spec wants to share. Who may share which is
// decided by the engine package; here nobody gets, by way of a container, a user that
// they are not: a program that is written there with the set-user-id bit is one for the
// whole host.
func (d *Driver) checkHost(c runtime.Container, who identity, facts hostFacts) error {
	if !d.link.local {
		return fault.New(fault.Unsupported, "bind_remote", "folders of this machine cannot be shared with an engine on another one")
	}
	for _, source := range binds(c.Spec) {
		info, err := lookFolder(source)
		if err != nil {
			return err
		}
		if !mayShare(c, who, info, facts.mapped) {
			return refuseMount("the workspace's user %s may not have the folder %.200q, which belongs to somebody else", who, source).
				WithHint("the user must be the folder's own, or none in particular")
		}
	}
	return nil
}

// lookFolder refuses what is no folder, or no longer where its name says.
func lookFolder(source string) (os.FileInfo, error) {
	real, err := filepath.EvalSymlinks(source)
	if err != nil {
		return nil, fault.New(fault.Invalid, "bind_missing", "the folder %.200q cannot be looked at", source).WithCause(err)
	}
	if real != source {
		return nil, refuseMount("%.200q leads through a symbolic link", source).WithHint("name the folder itself: %.200q", real)
	}
	info, err := os.Lstat(source)
	if err != nil || !info.IsDir() {
		return nil, fault.New(fault.Invalid, "bind_missing", "%.200q is not a folder", source).WithCause(err)
	}
	return info, nil
}

// checkShared looks again at the folders that a container shares. The engine follows their
// names at each start, and a workspace may have put a link to any place of the host where
// a folder of its project was.
func checkShared(mounts []mount.Mount) error {
	for _, m := range mounts {
		own := m.Target == agentPath || m.Target == socketDir || m.Target == passwdPath
		if m.Type != mount.TypeBind || own {
			continue
		}
		if _, err := lookFolder(m.Source); err != nil {
			return fault.From(err).WithHint("put the folder back in its place")
		}
	}
	return nil
}

// mayShare reports whether processes of who may have a folder. Workspaces of the daemon's
// own user may be anybody, for that user commands the engine anyway; so may those whose
// users are nobody on the host.
func mayShare(c runtime.Container, who identity, info os.FileInfo, mapped bool) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case mapped, c.Owner == "uid:"+strconv.Itoa(os.Geteuid()):
		return true
	case !ok, c.Spec.Profile == workspace.Admin, who.root():
		return false
	case who == slotIdentity(c):
		return true
	}
	return c.Owner == "uid:"+strconv.Itoa(who.uid) && who == identity{int(st.Uid), int(st.Gid)}
}
