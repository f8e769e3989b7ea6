package docker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestOnlyFreePlacesOfTheHostAreBound(t *testing.T) {
	private := []string{"/home/ann/state"}
	for source, want := range map[string]bool{
		"/home/ann/project": true, "/srv/data": true, "/var/data": true, "/etcetera": true, "/runner/x": true, "/root/project": true,
		"/home/ann/states": true, "/usr/src/project": true, "/usr/local/src/project": true,
		"/usr": false, "/usr/bin": false, "/usr/lib/x": false, "/usr/local": false, "/bin": false, "/lib64": false,
		"": false, "project": false, "/": false, "//": false, "/home/": false, "/home/../etc": false, "/home/./x": false,
		"/proc": false, "/proc/1/root": false, "/sys/fs": false, "/dev": false, "/run": false, "/run/user/1000": false,
		"/var/run": false, "/var/run/docker.sock": false, "/etc": false, "/etc/ssl": false, "/var": false, "/var/lib": false,
		"/var/lib/docker": false, "/var/lib/docker/volumes/x/_data": false, "/home/x/docker.sock": false, "/home/docker.sock/x": false,
		"/home/ann/state": false, "/home/ann/state/wsd.db": false, "/home/ann": false, "/home": false, "/home/a\x00b": false,
	} {
		if got := checkBind(source, private); (got == nil) != want {
			t.Errorf("%q: %v, want it allowed: %t", source, got, want)
		}
	}
}

func TestNothingIsMountedWhereWsdNeedsThePlace(t *testing.T) {
	for target, want := range map[string]bool{
		"/data": true, "/workspace/node_modules": true, "/home/dev/.cache": true, "/opt/tools": true, "/etc/app": true, "/runner": true,
		"": false, "data": false, "/": false, "/data/": false, "/data/../run": false, "/workspace": false, "/run": false, "/run/wsd": false,
		"/run/secrets": false, "/proc/1": false, "/sys": false, "/dev/shm": false, "/tmp": false, "/opt": false, "/opt/wsd": false,
		"/opt/wsd/agent": false, "/etc": false, "/etc/hosts": false, "/etc/passwd": false, "/a:b": false, "/a,b": false,
	} {
		if got := checkTarget(target); (got == nil) != want {
			t.Errorf("%q: %v, want it allowed: %t", target, got, want)
		}
	}
}

func TestAUserIsNumbersOrAName(t *testing.T) {
	for text, want := range map[string]string{
		"1000": "1000:1000", "1000:100": "1000:100", "0:0": "0:0", "2147483647": "2147483647:2147483647",
		"": "", ":": "", "1000:": "", ":5": "", "-1": "", "+1": "", "1:2:3": "", "2147483648": "", "1e3": "", " 1": "", "0x10": "", "99999999999999999999": "", //nolint:gocritic // a blank is among what is refused
	} {
		got, err := parseIDs(text)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("%q: %v, %v, want %q", text, got, err, want)
		}
	}
	passwd := "root:x:0:0::/root:/bin/sh\nshort:x\nnode:x:1000:100:Node:/home/node:/bin/sh\nnode:x:0:0::/:/bin/sh\nbad:x:-1:0::/:\n"
	for name, want := range map[string]string{"node": "1000:100", "root": "0:0", "bad": "", "short": "", "nobody": "", "x": ""} {
		got, ok := findUser([]byte(passwd), name)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%s: %v %t, want %q", name, got, ok, want)
		}
	}
}

func TestAFolderOfTheHostIsSharedWithItsOwnerOnly(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("gives folders to other users")
	}
	d := newDriver(t)
	dir := t.TempDir()
	project, link := filepath.Join(dir, "project"), filepath.Join(dir, "link")
	if err := os.Mkdir(project, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(project, 4242, 4243); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(project, link); err != nil {
		t.Fatal(err)
	}
	for what, row := range map[string]struct {
		owner, path, user string
		profile           workspace.Profile
		want              bool
	}{
		"the owner as itself":            {"uid:4242", project, "4242:4243", workspace.Strict, true},
		"the owner as nobody":            {"uid:4242", project, "", workspace.Strict, true},
		"the owner as root":              {"uid:4242", project, "0:0", workspace.Strict, false},
		"the owner in the group of root": {"uid:4242", project, "4242:0", workspace.Strict, false},
		"the owner in a foreign group":   {"uid:4242", project, "4242:998", workspace.Strict, false},
		"the owner as somebody else":     {"uid:4242", project, "4300:4300", workspace.Strict, false},
		"the owner with capabilities":    {"uid:4242", project, "", workspace.Admin, false},
		"somebody else as the owner":     {"uid:4300", project, "4242:4243", workspace.Strict, false},
		"somebody else as itself":        {"uid:4300", project, "4300:4300", workspace.Strict, false},
		"the daemon's user as the owner": {"uid:0", project, "4242:4243", workspace.Strict, true},
		"the daemon's user as root":      {"uid:0", project, "root", workspace.Strict, true},
		"a path through a symbolic link": {"uid:0", link, "", workspace.Strict, false},
		"a missing folder":               {"uid:0", project + "/none", "", workspace.Strict, false},
		"the daemon's own state":         {"uid:0", d.cfg.Private[0], "", workspace.Strict, false},
	} {
		c := testContainer("shared", "wait")
		c.Owner, c.Spec.User, c.Spec.Profile = row.owner, row.user, row.profile
		c.Spec.Source = &workspace.Source{Kind: "bind", Path: row.path}
		_, err := d.Ensure(t.Context(), c)
		if (err == nil) != row.want {
			t.Errorf("%s: %v, want it allowed: %t", what, err, row.want)
		}
		if err := d.Remove(t.Context(), c.Workspace); err != nil {
			t.Fatal(err)
		}
	}
}

func TestASpecsUserMountsAndFoldersAreThere(t *testing.T) {
	d := newDriver(t)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"project", "data"} {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "in"), []byte("from outside"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := testContainer("rich", "wait")
	c.Spec.User, c.Spec.Dir, c.Spec.Restart = "nobody", "/workspace/later", workspace.RestartAlways
	c.Spec.Source = &workspace.Source{Kind: "bind", Path: filepath.Join(dir, "project")}
	c.Spec.Mounts = []workspace.Mount{
		{Kind: "bind", Source: filepath.Join(dir, "data"), Target: "/data", ReadOnly: true},
		{Kind: "volume", Source: "cache", Target: "/home/cache"},
		{Kind: "tmpfs", Target: "/scratch"},
	}
	c.Owner = "uid:" + itoa(os.Geteuid())
	up(t, d, c)
	if out, _, _ := inside(t, d, c.Ref, "", "id"); out != "65534 65534\n" {
		t.Errorf("user %q, want nobody of the image", out)
	}
	for _, row := range []struct {
		path string
		can  bool
	}{{"/workspace/new", true}, {"/data/new", false}, {"/home/cache/new", true}, {"/scratch/new", true}, {"/home/new", false}} {
		if _, errs, code := inside(t, d, c.Ref, "", "write", row.path, "x"); (code == 0) != row.can {
			t.Errorf("writing %s: %d %s, want it to work: %t", row.path, code, errs, row.can)
		}
	}
	if out, _, _ := inside(t, d, c.Ref, "", "read", "/data/in"); out != "from outside" {
		t.Errorf("the shared file holds %q", out)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "project", "new")); string(b) != "x" {
		t.Errorf("the file written in /workspace: %q, %v", b, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "project", "run.sh")); err == nil {
		t.Error("files of the template were written into a person's folder")
	}
	if left := census(t, engine(t), d.cfg.Instance); !strings.Contains(fmt.Sprint(left), "volume wsd-"+c.Workspace+"-cache") {
		t.Errorf("no volume of its own among %v", left)
	}
	if again, err := d.Ensure(t.Context(), c); err != nil || again.Spec == "" {
		t.Errorf("Ensure again: %+v, %v", again, err)
	}
	for what, change := range map[string]func(){
		"an unknown user":    func() { c.Spec.User = "ghost" },
		"a user with tricks": func() { c.Spec.User = "a b" },
		"a relative folder":  func() { c.Spec.Dir = "x" },
		"another mount":      func() { c.Spec.Mounts = c.Spec.Mounts[:1] },
	} {
		keep := c
		change()
		if _, err := d.Ensure(t.Context(), c); err == nil {
			t.Errorf("%s is accepted for a container that runs", what)
		}
		c = keep
	}
}

// A workspace can move what is in its project, and the engine follows the names at each start.
func TestASharedFolderThatHasBecomeALinkIsNotFollowed(t *testing.T) {
	d := newDriver(t)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	project, host := filepath.Join(dir, "shared", "project"), filepath.Join(dir, "host")
	data := filepath.Join(project, "data")
	for _, path := range []string{data, host} {
		if err := os.MkdirAll(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	c := testContainer("links", "wait")
	c.Spec.User, c.Owner = "nobody", "uid:"+itoa(os.Geteuid())
	c.Spec.Source = &workspace.Source{Kind: "bind", Path: project}
	c.Spec.Mounts = []workspace.Mount{{Kind: "bind", Source: data, Target: "/data"}}
	for _, moved := range []string{data, project} {
		for _, ran := range []bool{false, true} {
			if _, err := d.Ensure(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if ran {
				if err := errors.Join(d.Start(t.Context(), c.Ref), d.Stop(t.Context(), c.Ref, 0)); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(os.Rename(moved, moved+".old"), os.Symlink(host, moved)); err != nil {
				t.Fatal(err)
			}
			if err := d.Start(t.Context(), c.Ref); !fault.HasCode(err, "mount_refused") {
				t.Errorf("%s is a link, ran before: %t: %v", moved, ran, err)
			}
			if st, err := d.Inspect(t.Context(), c.Ref); err != nil || st.State == runtime.ObservedRunning {
				t.Errorf("the container is %s, %v", st.State, err)
			}
			if err := errors.Join(os.Remove(moved), os.Rename(moved+".old", moved), d.Start(t.Context(), c.Ref)); err != nil {
				t.Errorf("with the folder back in its place: %v", err)
			}
			if err := d.Remove(t.Context(), c.Workspace); err != nil {
				t.Fatal(err)
			}
		}
	}
}
