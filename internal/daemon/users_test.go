package daemon_test

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/wstest"
)

// nobody is the user and group id of a second local user.
const nobody = 65534

// asNobody runs fn on a thread that belongs to the second user. The thread ends with
// it, so no other goroutine ever gets it.
func asNobody(t *testing.T, fn func()) {
	t.Helper()
	needRoot(t)
	var failed error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the runtime ends the thread
		for _, call := range []struct{ number, a, b, c uintptr }{
			{syscall.SYS_SETGROUPS, 0, 0, 0},
			{syscall.SYS_SETRESGID, nobody, nobody, nobody},
			{syscall.SYS_SETRESUID, nobody, nobody, nobody}, // the bare system calls change this thread alone
		} {
			if _, _, errno := syscall.RawSyscall(call.number, call.a, call.b, call.c); errno != 0 {
				failed = errno
				return
			}
		}
		fn()
	}()
	<-done
	if failed != nil {
		t.Fatalf("cannot become another user: %v", failed)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("becoming a second user needs root")
	}
}

// wsctlAs runs wsctl as another user, in an environment of its own or that of p.
func wsctlAs(t *testing.T, uid uint32, p *wstest.Process, env []string, args ...string) (out, errs string, status int) {
	t.Helper()
	needRoot(t)
	if err := os.Chmod(wstest.Binaries(t), 0o755); err != nil { //nolint:gosec // others have to run it
		t.Fatal(err)
	}
	cmd := p.Command("wsctl", args...)
	cmd.Env = append(cmd.Env, "HOME=/")
	if env != nil {
		cmd.Env = env
	}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: nobody}}
	return wstest.Output(t, cmd)
}

// openBase lets everybody reach what is below the folders of a process, as far as their
// own modes allow.
func openBase(t *testing.T, p *wstest.Process) {
	t.Helper()
	if err := os.Chmod(filepath.Dir(p.StateDir), 0o755); err != nil { //nolint:gosec // what the test is about
		t.Fatal(err)
	}
}

func TestSecondUserCannotReachTheSocket(t *testing.T) {
	p := onMemory(t)
	openBase(t, p)
	asNobody(t, func() {
		if c, err := net.Dial("unix", p.Socket); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("a connection gives %v, %v", c, err)
		}
	})
	_, errs, status := wsctlAs(t, nobody, p, nil, "list")
	if status != fault.ClassOf(fault.Denied).Exit || !strings.Contains(errs, "you may not use the socket "+p.Socket) || !strings.Contains(errs, "WSD_SOCKET") {
		t.Errorf("wsctl ends with %d: %s", status, errs)
	}
}

func TestSecondUserWhoReachesTheSocketIsRefusedUnread(t *testing.T) {
	p := onMemory(t)
	openBase(t, p)
	if err := errors.Join(os.Chmod(filepath.Dir(p.Socket), 0o755), os.Chmod(p.Socket, 0o666)); err != nil { //nolint:gosec // what the test is about
		t.Fatal(err)
	}
	for _, sent := range []string{"", "nonsense\r\n\r\n", "GET /v1/status HTTP/1.1\r\nHost: wsd\r\n\r\n"} {
		asNobody(t, func() {
			c, err := net.Dial("unix", p.Socket)
			if err != nil {
				t.Errorf("the socket cannot be reached: %v", err)
				return
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = c.Write([]byte(sent))
			answer, _ := io.ReadAll(c)
			if text := string(answer); !strings.HasPrefix(text, "HTTP/1.1 403 ") || !strings.Contains(text, `"peer_refused"`) {
				t.Errorf("%q is answered with %q", sent, text)
			}
		})
	}
	_, errs, status := wsctlAs(t, nobody, p, nil, "list")
	if status != fault.ClassOf(fault.Denied).Exit || !strings.Contains(errs, "user 65534 may not use this daemon") || !strings.Contains(errs, "a daemon of your own") {
		t.Errorf("wsctl ends with %d: %s", status, errs)
	}
	if _, err := p.Status(t.Context()); err != nil {
		t.Errorf("its own user is not answered: %v", err)
	}
}

func TestSecondUserCannotReadWhatTheDaemonKeeps(t *testing.T) {
	p := wstest.LocalDocker(t).NewProcess(t, "WSD_DOCKER_SPARE=0") // its driver keeps the agent among the state
	killLater(t, p)
	wantWsctl(t, p, "daemon", "start") // with a log beside the store
	openBase(t, p)
	seen := 0
	err := filepath.WalkDir(p.StateDir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		seen++
		asNobody(t, func() {
			if f, err := os.Open(path); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("%s: %v, %v", path, f, err)
			}
		})
		return nil
	})
	if err != nil || seen < 6 { // folder, lock, store, instance, log, agent
		t.Errorf("%d files, %v", seen, err)
	}
}

// home makes a folder that belongs to the second user.
func home(t *testing.T) string {
	t.Helper()
	needRoot(t)
	dir, err := os.MkdirTemp("", "wsd-home-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A user of the machine who has set nothing gets a daemon of their own, whose place
// follows from what the system has told about them.
func TestDefaultsOfAPlainUser(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the real program")
	}
	path := "PATH=" + os.Getenv("PATH")
	dir := home(t)
	for _, c := range []struct {
		name   string
		uid    uint32
		env    []string
		socket string // "": refused
		says   string
	}{
		{"with a runtime folder", nobody, []string{"HOME=" + dir, "XDG_RUNTIME_DIR=" + dir + "/run"}, dir + "/run/wsd/wsd.sock", ""},
		{"without one", nobody, []string{"HOME=" + dir}, dir + "/.local/state/wsd/run/wsd.sock", ""},
		{"without a home, all named", nobody, []string{"WSD_SOCKET=" + dir + "/s/sock", "WSD_STATE_DIR=" + dir + "/t"}, dir + "/s/sock", ""},
		{"without a home", 4242, nil, "", "HOME"},
		{"with a home that is too deep for a socket", nobody, []string{"HOME=" + dir + "/" + strings.Repeat("x", 100)}, "", "107"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := errors.Join(os.MkdirAll(dir+"/run", 0o700), os.Chown(dir+"/run", nobody, nobody)); err != nil {
				t.Fatal(err)
			}
			p := wstest.NewProcess(t)
			out, errs, status := wsctlAs(t, c.uid, p, append(c.env, path, "WSD_DRIVER=memory"), "daemon", "status")
			if want := fault.ClassOf(fault.Unavailable).Exit; c.socket != "" && (status != want || !strings.Contains(errs, c.socket)) {
				t.Errorf("status ends with %d, want %d: %s%s", status, want, out, errs)
			}
			out, errs, status = wsctlAs(t, c.uid, p, append(c.env, path, "WSD_DRIVER=memory"), "daemon", "start")
			if c.socket == "" {
				if status != fault.ClassOf(fault.Usage).Exit || !strings.Contains(errs, c.says) {
					t.Errorf("start ends with %d: %s%s", status, out, errs)
				}
				return
			}
			if status != 0 || !strings.Contains(out, c.socket) {
				t.Errorf("start ends with %d: %s%s", status, out, errs)
			}
			if _, errs, status := wsctlAs(t, c.uid, p, append(c.env, path), "daemon", "stop"); status != 0 {
				t.Errorf("stop ends with %d: %s", status, errs)
			}
		})
	}
}
