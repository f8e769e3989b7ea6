package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/api/types/volume"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// ownVolume is a volume of one workspace.
type ownVolume struct {
	name  string
	image bool             // an image's data: it comes from there, its owners too
	files []workspace.File // what it holds at first
	at    string           // its folder on the engine's host, once it is claimed
}

// volumesFor lists the volumes of c: the main one, which gets the template's files where
// this is the first generation, those of its mounts and those that its image declares. A
// folder of the host stays as it is.
func volumesFor(c runtime.Container, img imageFacts) []ownVolume {
	var out []ownVolume
	if !bound(c.Spec) {
		v := ownVolume{name: volumeName(c.Workspace)}
		if c.Origin {
			v.files = c.Spec.Files
		}
		out = append(out, v)
	}
	for _, m := range c.Spec.Mounts {
		if m.Kind == "volume" {
			out = append(out, ownVolume{name: namedVolume(c.Workspace, m.Source)})
		}
	}
	for _, target := range declared(c.Spec, img.volumes) {
		out = append(out, ownVolume{name: imageVolume(c.Workspace, target), image: true})
	}
	return out
}

// volumeLabels are the labels of every volume of a workspace.
func volumeLabels(instance string, c runtime.Container) map[string]string {
	return map[string]string{
		labelInstance: instance, labelRole: roleVolume, labelWorkspace: c.Workspace, labelOwner: c.Owner,
	}
}

// emptied reports whether the main volume of a workspace that had one is gone.
func (d *Driver) emptied(ctx context.Context, c runtime.Container) (bool, error) {
	if !c.Again || bound(c.Spec) {
		return false, nil
	}
	_, err := call(ctx, d.link, quick, "look at the volume", func(ctx context.Context, s *session) (volume.Volume, error) {
		return s.VolumeInspect(ctx, volumeName(c.Workspace))
	})
	return errors.Is(err, runtime.ErrNotFound), ignoreMissing(err)
}

// claimVolumes makes the volumes that are missing and proves that all are ours.
func (d *Driver) claimVolumes(ctx context.Context, c runtime.Container, img imageFacts) ([]ownVolume, error) {
	all := volumesFor(c, img)
	for i := range all {
		at, err := d.claimVolume(ctx, c, all[i].name)
		if err != nil {
			return nil, err
		}
		all[i].at = at
	}
	return all, nil
}

func (d *Driver) claimVolume(ctx context.Context, c runtime.Container, name string) (at string, err error) {
	v, err := call(ctx, d.link, slow, "create the volume", func(ctx context.Context, s *session) (volume.Volume, error) {
		return s.VolumeCreate(ctx, volume.CreateOptions{Name: name, Driver: "local", Labels: volumeLabels(d.cfg.Instance, c)})
	})
	if err != nil {
		return "", err
	}
	// An existing volume of that name is returned as if it had been made, old labels and
	// all; without any if it was there when the engine started (Docker 20.10): ask again.
	if len(v.Labels) == 0 {
		v, err = call(ctx, d.link, quick, "look at the volume", func(ctx context.Context, s *session) (volume.Volume, error) {
			return s.VolumeInspect(ctx, name)
		})
		if err != nil {
			return "", err
		}
	}
	if !d.ours(v.Labels, roleVolume) || v.Labels[labelWorkspace] != c.Workspace {
		return "", foreign("volume", name)
	}
	return v.Mountpoint, nil
}

// fillVolumes lets the workspace's user write to what was claimed and writes the files. It
// runs while the container is there, which keeps the engine from removing the volumes, and
// does not run yet, so no code of the workspace has touched them.
func (d *Driver) fillVolumes(ctx context.Context, c runtime.Container, who identity, all []ownVolume) error {
	for _, v := range all {
		if v.image {
			continue
		}
		if err := d.fillVolume(ctx, c, who, v); err != nil {
			return err
		}
	}
	return nil
}

func (d *Driver) fillVolume(ctx context.Context, c runtime.Container, who identity, v ownVolume) error {
	root, err := d.openVolume(ctx, v.at)
	if err != nil {
		return err
	}
	if root == nil {
		return d.fillRemote(ctx, c, v.name, who, v.files)
	}
	defer func() { _ = root.Close() }()
	if err := fillLocal(root, who, v.files); err != nil {
		return volumeFault(err)
	}
	return nil
}

// openVolume opens a volume's folder where this process may write to it: the
// engine is on this machine, we are root, and uids inside are uids outside. Nil if
// not.
func (d *Driver) openVolume(ctx context.Context, mountpoint string) (*os.Root, error) {
	if !d.link.local || os.Geteuid() != 0 || mountpoint == "" {
		return nil, nil
	}
	if facts, err := d.hostFacts(ctx); err != nil || facts.mapped {
		return nil, err
	}
	root, err := os.OpenRoot(mountpoint)
	if err != nil {
		return nil, nil //nolint:nilerr // a folder that we cannot open is one that only the engine can
	}
	return root, nil
}

// hostFacts is what the driver has to know of the engine's host. It does not change
// while that runs.
type hostFacts struct {
	mapped  bool     // containers have other uids than they see: userns-remap or rootless
	private []string // folders that are the engine's own
}

// hostFacts asks the engine once.
func (d *Driver) hostFacts(ctx context.Context) (hostFacts, error) {
	d.factsMu.Lock()
	defer d.factsMu.Unlock()
	if d.facts != nil {
		return *d.facts, nil
	}
	in, err := call(ctx, d.link, quick, "ask the engine for its security options", func(ctx context.Context, s *session) (system.Info, error) {
		return s.Info(ctx)
	})
	if err != nil {
		return hostFacts{}, err
	}
	d.facts = &hostFacts{mapped: slices.ContainsFunc(in.SecurityOptions, func(o string) bool {
		return strings.Contains(o, "name=userns") || strings.Contains(o, "name=rootless")
	})}
	if path.IsAbs(in.DockerRootDir) {
		d.facts.private = []string{path.Clean(in.DockerRootDir)}
	}
	return *d.facts, nil
}

func volumeFault(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fault.New(fault.StorageFull, "engine_disk_full", "there is no space left for the workspace's files").WithCause(err)
	}
	return fmt.Errorf("cannot fill the volume: %w", err)
}

// fillLocal gives the volume to who and writes files, each complete or not at all.
func fillLocal(root *os.Root, who identity, files []workspace.File) error {
	if err := root.Chown(".", who.uid, who.gid); err != nil {
		return err
	}
	if err := root.Chmod(".", 0o755); err != nil {
		return err
	}
	for _, f := range files {
		if err := makeFolders(root, who, path.Dir(f.Path)); err != nil {
			return err
		}
		if err := writeFile(root, who, f); err != nil {
			return err
		}
	}
	return nil
}

func makeFolders(root *os.Root, who identity, dir string) error {
	for _, p := range parents(dir) {
		err := root.Mkdir(p, 0o755)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := root.Lchown(p, who.uid, who.gid); err != nil {
			return err
		}
	}
	return nil
}

// parents lists a/b/c as a, a/b, a/b/c; "." as nothing.
func parents(dir string) []string {
	var out []string
	for i, r := range dir {
		if r == '/' {
			out = append(out, dir[:i])
		}
	}
	if dir == "." || dir == "" {
		return nil
	}
	return append(out, dir)
}

func writeFile(root *os.Root, who identity, f workspace.File) error {
	part := path.Join(path.Dir(f.Path), ".wsd-"+randomHex(4))
	w, err := root.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = w.WriteString(f.Content)
	err = errors.Join(err, w.Chown(who.uid, who.gid), w.Chmod(fileMode(f)), w.Close())
	if err == nil {
		err = root.Rename(part, f.Path)
	}
	if err != nil {
		_ = root.Remove(part)
	}
	return err
}

func fileMode(f workspace.File) os.FileMode {
	if f.Mode == 0 {
		return 0o644
	}
	return os.FileMode(f.Mode) & 0o777
}

// fillRemote does the same through the engine: a container that is never started
// holds the volume while an archive is copied into the folder above it, which sets
// the owner of the volume's own folder too.
func (d *Driver) fillRemote(ctx context.Context, c runtime.Container, name string, who identity, files []workspace.File) error {
	archive, err := volumeArchive(who, files)
	if err != nil {
		return err
	}
	img, err := d.madeImage(ctx, "pause", func(runtime.Progress) {})
	if err != nil {
		return err
	}
	id, err := d.makeWriter(ctx, c, img.id, func(h *container.HostConfig) {
		h.Mounts = []mount.Mount{volumeMount(name, "/volume/workspace", volumeLabels(d.cfg.Instance, c))}
	})
	if err != nil {
		return err
	}
	defer d.undoWriter(ctx, id)
	return do(ctx, d.link, slow, "fill the volume", func(ctx context.Context, s *session) error {
		return s.CopyToContainer(ctx, id, "/volume", bytes.NewReader(archive), container.CopyToContainerOptions{})
	})
}

// volumeArchive is the volume's content below workspace/.
func volumeArchive(who identity, files []workspace.File) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	seen := map[string]bool{}
	add := func(name string, mode int64, kind byte, data string) error {
		h := &tar.Header{Name: name, Typeflag: kind, Mode: mode, Uid: who.uid, Gid: who.gid, Size: int64(len(data)), ModTime: imageTime}
		if err := w.WriteHeader(h); err != nil {
			return fmt.Errorf("cannot pack %s: %w", name, err)
		}
		_, err := w.Write([]byte(data))
		return err
	}
	if err := add("workspace/", 0o755, tar.TypeDir, ""); err != nil {
		return nil, err
	}
	for _, f := range files {
		if clean := path.Clean(f.Path); path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") {
			return nil, fault.New(fault.Invalid, "file_outside", "the file %.80q is not inside the workspace", f.Path)
		}
		for _, p := range parents(path.Dir(path.Clean(f.Path))) {
			if seen[p] {
				continue
			}
			seen[p] = true
			if err := add("workspace/"+p+"/", 0o755, tar.TypeDir, ""); err != nil {
				return nil, err
			}
		}
		if err := add("workspace/"+path.Clean(f.Path), int64(fileMode(f)), tar.TypeReg, f.Content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("cannot pack the files: %w", err)
	}
	return b.Bytes(), nil
}
