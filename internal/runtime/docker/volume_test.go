package docker

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// A person may remove a volume while no container holds it yet: between the two calls that
// make them. The engine then makes another one for the container, by itself.
func TestAVolumeThatTheEngineMakesAnewIsOursAndFilled(t *testing.T) {
	c := testContainer("anew", "wait")
	c.Spec.Mounts = []workspace.Mount{{Kind: "volume", Source: "cache", Target: "/home/cache"}}
	names := []string{volumeName(c.Workspace), namedVolume(c.Workspace, "cache")}
	e := engine(t)
	removed := 0
	d := newDriver(t, func(cfg *Config) {
		cfg.Host = tamperBefore(t, "/containers/create?name=wsd-w", func() {
			for _, name := range names {
				if err := e.VolumeRemove(context.Background(), name, false); err != nil {
					t.Errorf("cannot remove a volume by hand: %v", err)
				}
				removed++
			}
		})
	})
	up(t, d, c)
	if removed != len(names) {
		t.Fatalf("%d volumes were removed by hand, want %d", removed, len(names))
	}
	if out, errs, _ := inside(t, d, c.Ref, "", "read", "/workspace/a/b/hello.txt"); out != "hello\n" {
		t.Errorf("the template's file holds %q %s", out, errs)
	}
	for _, dir := range []string{"/workspace", "/home/cache"} {
		if _, errs, code := inside(t, d, c.Ref, "", "write", dir+"/new", "x"); code != 0 {
			t.Errorf("the workspace cannot write to %s: %s", dir, errs)
		}
	}
	removesAll(t, d, c, names)
}

// What this test makes for a moment is no leak of a test of another package.
func TestAVolumeOfAMomentIsNotCountedAsLeft(t *testing.T) {
	host := tamperOnce(t, "/volumes", http.StatusOK, `{"Volumes":[{"Name":"wsd-w-of-a-moment"}]}`)
	c, err := client.NewClientWithOpts(client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if bare := bareVolumes(t.Context(), t, c); slices.Contains(bare, "wsd-w-of-a-moment") {
		t.Errorf("counted are %q", bare)
	}
}

// removesAll removes a workspace and fails if one of these volumes is left, whatever its labels.
func removesAll(t *testing.T, d *Driver, c runtime.Container, names []string) {
	t.Helper()
	e := engine(t)
	for _, name := range names {
		v, err := e.VolumeInspect(t.Context(), name)
		if err != nil || v.Labels[labelWorkspace] != c.Workspace || !d.ours(v.Labels, roleVolume) {
			t.Errorf("the volume %s has the labels %v, %v", name, v.Labels, err)
		}
	}
	if err := d.Remove(t.Context(), c.Workspace); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, err := e.VolumeInspect(t.Context(), name); err == nil {
			t.Errorf("the volume %s is left", name)
		}
	}
}

func volumesOf(t *testing.T, r runtime.Ref) []string {
	t.Helper()
	in, err := engine(t).ContainerInspect(t.Context(), containerName(r))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range in.Mounts {
		if m.Type == mount.TypeVolume {
			out = append(out, m.Name)
		}
	}
	return out
}

// What an image declares to be data is kept like a workspace's files: through the loss of its
// container, until the workspace is deleted.
func TestVolumesOfAnImageAreKeptAndRemovedWithTheWorkspace(t *testing.T) {
	d := builder(t)
	ref := testRef()
	img, lines, err := builds(t.Context(), t, d, ref,
		"FROM wsd:base\nRUN mkdir -p /data/sub && echo made > /data/made && chmod 777 /data\nVOLUME /data/ /workspace /home/cache\n", nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(lines, "\n"))
	}
	c := testContainer("declared")
	c.Spec.Image, c.Spec.Digest, c.Spec.Command = ref, img.Digest, []string{"sleep", "1000"}
	c.Spec.Mounts = []workspace.Mount{{Kind: "volume", Source: "cache", Target: "/home/cache"}}
	up(t, d, c)
	names := volumesOf(t, c.Ref)
	if len(names) != 3 {
		t.Fatalf("the volumes are %q, want three", names)
	}
	if out, errs, _ := inside(t, d, c.Ref, "", "agent-applet", "cat", "/data/made"); out != "made\n" {
		t.Errorf("what the image has there reads %q %s", out, errs)
	}
	if _, errs, code := inside(t, d, c.Ref, "", "agent-applet", "sh", "-c", "echo kept > /data/sub2"); code != 0 {
		t.Errorf("cannot write to the image's volume: %s", errs)
	}
	if err := engine(t).ContainerRemove(t.Context(), containerName(c.Ref), container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
		t.Fatal(err)
	}
	c.Generation++
	up(t, d, c)
	if out, errs, _ := inside(t, d, c.Ref, "", "agent-applet", "cat", "/data/sub2"); out != "kept\n" {
		t.Errorf("after the loss of the container the data reads %q %s", out, errs)
	}
	removesAll(t, d, c, names)
}

func TestAForeignVolumeIsNeverMountedForAnImage(t *testing.T) {
	d := builder(t)
	ref := testRef()
	img, lines, err := builds(t.Context(), t, d, ref, "FROM wsd:base\nVOLUME /data\n", nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(lines, "\n"))
	}
	c := testContainer("foreigndata")
	c.Spec.Image, c.Spec.Digest, c.Spec.Command = ref, img.Digest, []string{"sleep", "1000"}
	name := imageVolume(c.Workspace, "/data")
	e := engine(t)
	if _, err := e.VolumeCreate(t.Context(), volume.CreateOptions{Name: name, Labels: foreignLabel()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.VolumeRemove(context.Background(), name, true) })
	if _, err := d.Ensure(t.Context(), c); !hasCode(err, "foreign_object") {
		t.Errorf("Ensure over a foreign volume: %v", err)
	}
}
