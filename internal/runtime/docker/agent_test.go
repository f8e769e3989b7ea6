package docker

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsctl/wsctl/internal/runtime"
)

// listening is a workspace whose main process listens where an agent does.
func listening(name string) runtime.Container {
	return testContainer(name, "listen", socketDir+"/"+socketName)
}

// greeted waits until the agent of c says hello.
func greeted(t *testing.T, d *Driver, c runtime.Container) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		conn, err := d.DialAgent(t.Context(), c.Ref)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		if line, err := bufio.NewReader(conn).ReadString('\n'); line != "hello\n" {
			return fmt.Errorf("it said %q: %w", line, err)
		}
		return nil
	})
}

func TestAnAgentIsReachedByItsSocket(t *testing.T) {
	d := newDriver(t)
	c := listening("agent")
	st, err := d.Ensure(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.DialAgent(t.Context(), c.Ref); !errors.Is(err, runtime.ErrNotRunning) {
		t.Errorf("before the start: %v, want ErrNotRunning", err)
	}
	folder := filepath.Join(d.cfg.Sockets, c.Workspace+"-1")
	for path, want := range map[string]uint32{d.cfg.Sockets: 0, folder: uint32(firstUID + c.Slot)} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if uid := info.Sys().(*syscall.Stat_t).Uid; info.Mode().Perm() != 0o700 || os.Geteuid() == 0 && uid != want {
			t.Errorf("%s has mode %s and owner %d, want 0700 and %d", path, info.Mode(), uid, want)
		}
	}
	for range 2 { // the second start finds the socket of the first
		if err := d.Start(t.Context(), c.Ref); err != nil {
			t.Fatal(err)
		}
		greeted(t, d, c)
		if err := d.Stop(t.Context(), c.Ref, 10*time.Second); err != nil {
			t.Fatal(err)
		}
		if _, err := d.DialAgent(t.Context(), c.Ref); !errors.Is(err, runtime.ErrNotRunning) {
			t.Errorf("after the stop: %v, want ErrNotRunning", err)
		}
	}
	if err := d.Remove(t.Context(), c.Workspace); err != nil {
		t.Fatal(err)
	}
	if _, err := d.DialAgent(t.Context(), c.Ref); !errors.Is(err, runtime.ErrNotFound) {
		t.Errorf("after the removal of %s: %v, want ErrNotFound", st.Name, err)
	}
	if _, err := os.Lstat(folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is left: %v", err)
	}
}

// A workspace may put anything in the place of its agent's socket. A link to a socket of
// the host must not make wsd, which may use that socket, connect to it.
func TestWhatAWorkspacePlantsInsteadOfItsSocketLeadsNowhere(t *testing.T) {
	d := newDriver(t)
	c := testContainer("planter", "wait")
	up(t, d, c)
	dir := t.TempDir()
	host, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = host.Close() }()
	place := filepath.Join(d.cfg.Sockets, c.Workspace+"-1", socketName)
	if _, errs, code := inside(t, d, c.Ref, "", "link", filepath.Join(dir, "s"), socketDir+"/"+socketName); code != 0 {
		t.Fatalf("cannot plant a link: %s", errs)
	}
	if trap, err := net.Dial("unix", place); err != nil {
		t.Fatalf("the trap does not work: %v", err)
	} else {
		_ = trap.Close()
	}
	for what, plant := range map[string]func() error{
		"a link to a socket of the host": func() error { return nil },
		"a link to a missing file":       func() error { return os.Symlink("/nowhere", place) },
		"a plain file":                   func() error { return os.WriteFile(place, nil, 0o666) },
		"a pipe":                         func() error { return unix.Mkfifo(place, 0o666) },
		"a folder":                       func() error { return os.Mkdir(place, 0o777) },
		"a socket that nobody listens on": func() error {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: place, Net: "unix"})
			if err == nil {
				l.SetUnlinkOnClose(false)
				err = l.Close()
			}
			return err
		},
		"a socket of another kind": func() error {
			l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: place, Net: "unixgram"})
			if err == nil {
				t.Cleanup(func() { _ = l.Close() })
			}
			return err
		},
	} {
		if what != "a link to a socket of the host" {
			if err := errors.Join(os.RemoveAll(place), plant()); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		conn, err := d.DialAgent(t.Context(), c.Ref)
		if !errors.Is(err, runtime.ErrNoAgent) || conn != nil {
			t.Errorf("%s: %v, %v, want ErrNoAgent", what, conn, err)
		}
		if what != "a link to a socket of the host" {
			_ = os.RemoveAll(place)
			_ = os.Symlink(filepath.Join(dir, "s"), place)
		}
	}
}

func TestAFolderThatWasRemovedComesBackWithTheNextStart(t *testing.T) {
	d := newDriver(t)
	c := listening("healed")
	up(t, d, c)
	greeted(t, d, c)
	if err := d.Stop(t.Context(), c.Ref, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(d.cfg.Sockets); err != nil {
		t.Fatal(err)
	}
	if err := d.Start(t.Context(), c.Ref); err != nil {
		t.Fatal(err)
	}
	greeted(t, d, c)
}

func TestWhatAWorkspaceHasMadeOfTheFolderIsGoneWithTheNextStart(t *testing.T) {
	d := newDriver(t)
	c := listening("spoilt")
	up(t, d, c)
	greeted(t, d, c)
	if err := d.Stop(t.Context(), c.Ref, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	name, _ := dirName(c.Ref)
	folder := filepath.Join(d.cfg.Sockets, name)
	socket, kept := filepath.Join(folder, socketName), filepath.Join(folder, "begun")
	for _, err := range []error{
		os.RemoveAll(socket), os.Mkdir(socket, 0o700), os.WriteFile(filepath.Join(socket, "x"), nil, 0o600),
		os.WriteFile(kept, nil, 0o600), os.Chmod(socket, 0), os.Chmod(folder, 0),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Start(t.Context(), c.Ref); err != nil {
		t.Fatal(err)
	}
	greeted(t, d, c)
	if _, err := os.Lstat(kept); err != nil {
		t.Errorf("what the agent has noted is gone: %v", err)
	}
}

func TestAContainerWithoutTheFolderHasNoAgent(t *testing.T) {
	d := newDriver(t, func(c *Config) { c.Sockets = "" })
	c := testContainer("old", "wait")
	up(t, d, c)
	if _, err := d.DialAgent(t.Context(), c.Ref); !errors.Is(err, runtime.ErrNoAgent) {
		t.Errorf("got %v, want ErrNoAgent", err)
	}
}

// An earlier life leaves folders and copies of the agent; what a container still mounts
// must stay, whoever made that container.
func TestLeftoversOfEarlierLivesAreRemovedUnlessMounted(t *testing.T) {
	var cfg Config
	first := newDriver(t, func(c *Config) {
		copies := filepath.Join(filepath.Dir(c.Sockets), "agent")
		for _, name := range []string{"00000000000000aa", "00000000000000bb", "00000000000000cc", "kept"} {
			if err := os.MkdirAll(filepath.Join(copies, name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Link(c.Agent, filepath.Join(copies, name, "wsd")); err != nil {
				t.Fatal(err)
			}
		}
		c.Agents, c.Agent = copies, filepath.Join(copies, "00000000000000aa", "wsd")
		cfg = *c
	})
	kept, gone := testContainer("kept", "wait"), testContainer("gone", "wait")
	if _, err := first.Ensure(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	if _, err := first.agents.ensure(gone.Ref, identity{1, 1}, false); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("00000000000000bb", filepath.Join(cfg.Agents, "current")); err != nil {
		t.Fatal(err)
	}
	cfg.Agent = filepath.Join(cfg.Agents, "current", "wsd")
	second, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	if _, err := second.agents.ensure(runtime.Ref{Workspace: "wnew", Generation: 1}, identity{1, 1}, false); err != nil {
		t.Fatal(err)
	}
	if err := second.warmOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{
		filepath.Join(cfg.Sockets, kept.Workspace+"-1"):   true,
		filepath.Join(cfg.Sockets, gone.Workspace+"-1"):   false,
		filepath.Join(cfg.Sockets, "wnew-1"):              true, // made in this life
		filepath.Join(cfg.Agents, "00000000000000aa/wsd"): true, // mounted
		filepath.Join(cfg.Agents, "00000000000000bb/wsd"): true, // the current one
		filepath.Join(cfg.Agents, "00000000000000cc"):     false,
		filepath.Join(cfg.Agents, "kept/wsd"):             true, // not ours
	}
	for path, stay := range want {
		if _, err := os.Lstat(path); (err == nil) != stay {
			t.Errorf("%s: %v, want it there: %t", path, err, stay)
		}
	}
	if err := second.agents.remove("wnew"); err != nil {
		t.Fatal(err)
	}
	// The copy is removed by hand: the container brings it back.
	if err := os.RemoveAll(filepath.Join(cfg.Agents, "00000000000000aa")); err != nil {
		t.Fatal(err)
	}
	if err := second.Start(t.Context(), kept.Ref); err != nil {
		t.Errorf("start without the agent that it was made with: %v", err)
	}
}
