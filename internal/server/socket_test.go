package server

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
)

// otherUID is a user that the daemon does not know.
const otherUID = 54321

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	if !fault.HasCode(err, code) {
		t.Errorf("got %v, want code %s", err, code)
	}
	if f := fault.From(err); f != nil && f.Kind == fault.Internal {
		t.Errorf("%v is Internal", err)
	}
}

func TestListenMakesAClosedSocket(t *testing.T) {
	for name, mask := range map[string]int{"with the usual umask": 0o022, "with no umask": 0, "with a strict umask": 0o077} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(shortTemp(t), "a", "run")
			old := syscall.Umask(mask)
			defer syscall.Umask(old)
			path := filepath.Join(dir, "wsd.sock")
			ln, err := Listen(path)
			if err != nil {
				t.Fatal(err)
			}
			if info, err := os.Lstat(dir); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("the folder has %v, %v", info.Mode(), err)
			}
			if info, err := os.Lstat(path); err != nil || info.Mode() != fs.ModeSocket|0o600 {
				t.Errorf("the socket has %v, %v", info.Mode(), err)
			}
			if err := ln.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the socket stays behind: %v", err)
			}
		})
	}
}

func TestTheSocketIsClosedFromItsFirstMoment(t *testing.T) {
	path := filepath.Join(shortTemp(t), "s")
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	ln, err := bind(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if info, err := os.Lstat(path); err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("it is made with %v, %v", info.Mode(), err)
	}
}

// TestWhatIsAtThePath has the five cases of a file in the way.
func TestWhatIsAtThePath(t *testing.T) {
	for _, tt := range []struct {
		name string
		put  func(t *testing.T, path string)
		code string // "": replaced
	}{
		{"a dead socket of ours is replaced", deadSocket, ""},
		{"a live socket is left alone", func(t *testing.T, path string) {
			ln, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { ln.Close() })
		}, "socket_in_use"},
		{"a dead socket of another user is left alone", func(t *testing.T, path string) {
			needRoot(t)
			deadSocket(t, path)
			if err := os.Lchown(path, otherUID, otherUID); err != nil {
				t.Fatal(err)
			}
		}, "socket_taken"},
		{"a file is left alone", func(t *testing.T, path string) { write(t, path) }, "socket_taken"},
		{"an empty folder is left alone", func(t *testing.T, path string) { mkdir(t, path, 0o700) }, "socket_taken"},
		{"a symbolic link to a dead socket is left alone", func(t *testing.T, path string) {
			deadSocket(t, path+".real")
			symlink(t, path+".real", path)
		}, "socket_taken"},
		{"a symbolic link to nothing is left alone", func(t *testing.T, path string) { symlink(t, "nowhere", path) }, "socket_taken"},
		{"a pipe is left alone", func(t *testing.T, path string) {
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "socket_taken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			tt.put(t, path)
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			ln, err := Listen(path)
			if tt.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				ln.Close()
				return
			}
			wantCode(t, err, tt.code)
			after, err := os.Lstat(path)
			if err != nil || !os.SameFile(before, after) {
				t.Errorf("what was there is gone: %v", err)
			}
		})
	}
}

func TestWhereTheSocketMayBe(t *testing.T) {
	for _, tt := range []struct {
		name string
		path func(t *testing.T, dir string) string
		code string
	}{
		{"103 an abstract socket", func(*testing.T, string) string { return "@wsd" }, "socket_abstract"},
		{"103 an abstract socket by its NUL", func(*testing.T, string) string { return "\x00wsd" }, "socket_abstract"},
		{"103 directly in /tmp", func(*testing.T, string) string { return "/tmp/wsd-test-socket" }, "socket_dir_open"},
		{"103 a folder that others can write to", func(t *testing.T, dir string) string {
			mkdir(t, dir+"/o", 0o702)
			return dir + "/o/s"
		}, "socket_dir_open"},
		{"103 a folder that the group can write to", func(t *testing.T, dir string) string {
			mkdir(t, dir+"/g", 0o770)
			return dir + "/g/s"
		}, "socket_dir_open"},
		{"a folder of ours inside one that everybody can write to", func(t *testing.T, dir string) string {
			mkdir(t, dir+"/open", 0o777)
			mkdir(t, dir+"/open/ours", 0o700)
			return dir + "/open/ours/s"
		}, "socket_dir_open"},
		{"a folder of ours inside a sticky one is good", func(t *testing.T, dir string) string {
			mkdir(t, dir+"/tmp", 0o777|fs.ModeSticky)
			mkdir(t, dir+"/tmp/ours", 0o700)
			return dir + "/tmp/ours/s"
		}, ""},
		{"a folder that others can read is good", func(t *testing.T, dir string) string {
			mkdir(t, dir+"/r", 0o755)
			return dir + "/r/s"
		}, ""},
		{"a folder of another user", func(t *testing.T, dir string) string {
			needRoot(t)
			mkdir(t, dir+"/theirs", 0o700)
			if err := os.Chown(dir+"/theirs", otherUID, otherUID); err != nil {
				t.Fatal(err)
			}
			return dir + "/theirs/s"
		}, "socket_dir_owner"},
		{"a symbolic link for a folder", func(t *testing.T, dir string) string {
			mkdir(t, dir+"/real", 0o700)
			symlink(t, dir+"/real", dir+"/link")
			return dir + "/link/s"
		}, "socket_dir"},
		{"a file for a folder", func(t *testing.T, dir string) string { write(t, dir+"/f"); return dir + "/f/s" }, "socket_dir"},
		{"a relative path", func(*testing.T, string) string { return "wsd.sock" }, "socket_path"},
		{"no path", func(*testing.T, string) string { return "" }, "socket_path"},
		{"a path of 108 bytes", func(_ *testing.T, dir string) string { return dir + "/" + strings.Repeat("x", 107-len(dir)) }, "socket_too_long"},
		{"a path of 107 bytes is good", func(_ *testing.T, dir string) string { return dir + "/" + strings.Repeat("x", 106-len(dir)) }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ln, err := Listen(tt.path(t, shortTemp(t)))
			if tt.code != "" {
				wantCode(t, err, tt.code)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			ln.Close()
		})
	}
}

func TestPeersAreKnownByTheKernel(t *testing.T) {
	needRoot(t)
	dir := shortTemp(t)
	path := filepath.Join(dir, "run", "s")
	ln, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	for p, mode := range map[string]fs.FileMode{dir: 0o755, filepath.Dir(path): 0o755, path: 0o666} { // so that others get as far as accept
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
	}
	self := filepath.Join(dir, "child")
	copyTo(t, self)
	s := New(Options{Backend: newFake(), Templates: catalogue{}, Allow: []uint32{otherUID + 1}})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	for _, tt := range []struct {
		name string
		uid  uint32
		want []string
	}{
		{"104 another user is refused", otherUID, []string{"HTTP/1.1 403", `"peer_refused"`}},
		{"104 nobody of another namespace is refused", 65534, []string{"HTTP/1.1 403", `"peer_refused"`}},
		{"an allowed user is let in without rights", otherUID + 1, []string{"HTTP/1.1 200", `"instance":"uid:54322"`}},
		{"root is let in", 0, []string{"HTTP/1.1 200", `"instance":"uid:0"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command(self)
			cmd.Env = []string{"WSD_TEST_DIAL=" + path}
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: tt.uid, Gid: tt.uid}}
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for _, want := range tt.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("no %s in %s", want, out)
				}
			}
		})
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRealSocketAnswers(t *testing.T) {
	path := filepath.Join(shortTemp(t), "s")
	ln, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Backend: newFake(), Templates: catalogue{}})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get("http://localhost/v1/status")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("got %d", resp.StatusCode)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket stays behind: %v", err)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it acts as another user")
	}
}

// shortTemp is a folder whose path leaves room in sun_path.
func shortTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func deadSocket(t *testing.T, path string) {
	t.Helper()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// copyTo puts this test program where another user can run it.
func copyTo(t *testing.T, path string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
}
