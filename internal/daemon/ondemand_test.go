package daemon_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/wstest"
)

// serving returns the processes of `wsd serve` on the state of p.
func serving(t *testing.T, p *wstest.Process) []int {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, dir := range dirs {
		args, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		env, _ := os.ReadFile(filepath.Join(dir, "environ"))
		if bytes.HasSuffix(args, []byte("/wsd\x00serve\x00")) && bytes.Contains(env, []byte("WSD_STATE_DIR="+p.StateDir+"\x00")) {
			pid, _ := strconv.Atoi(filepath.Base(dir))
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestEightCommandsAtOnceStartOneDaemonAndAllSucceed(t *testing.T) {
	p := memoryProcess(t)
	killLater(t, p)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			args := []string{"create", "w" + string(rune('0'+i))}
			if i%2 == 0 {
				args = []string{"list"}
			}
			if out, errs, status := p.Wsctl(args...); status != 0 {
				t.Errorf("%s ends with %d: %s%s", args, status, out, errs)
			}
		})
	}
	group.Wait()
	if pids := serving(t, p); len(pids) != 1 {
		t.Errorf("daemons %d are left", pids)
	}
	log, err := os.ReadFile(filepath.Join(p.StateDir, "wsd.log"))
	if n := bytes.Count(log, []byte("wsd answers")); err != nil || n != 1 {
		t.Errorf("%d daemons were started, %v: %s", n, err, log)
	}
	if out := wantWsctl(t, p, "list"); strings.Count(out, "running") != 4 {
		t.Errorf("the list is\n%s", out)
	}
}

// connections is how many ends of connections the kernel knows under a socket's
// path, that which listens included (proc_net(5), unix).
func connections(t *testing.T, socket string) int {
	t.Helper()
	b, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(b, []byte(" "+socket+"\n"))
}

// stands reports whether no thread of a process runs any more (proc_pid_stat(5)).
func stands(t *testing.T, pid int) bool {
	t.Helper()
	tasks, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat")
	if err != nil || len(tasks) == 0 {
		t.Fatalf("process %d has no threads, %v", pid, err)
	}
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err == nil && !bytes.Contains(b, []byte(") T ")) {
			return false
		}
	}
	return true
}

// The socket of a daemon that is stopped, or being killed, takes connections that
// nobody will ever answer.
func TestDaemonThatDiesUnderACommandIsStartedAgain(t *testing.T) {
	p := memoryProcess(t)
	killLater(t, p)
	wantWsctl(t, p, "daemon", "start")
	for _, args := range [][]string{
		{"list"}, {"create", "one"}, {"daemon", "start"}, {"events"}, {"template", "ls"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			s, err := p.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			p.Close() // the connection of this very question
			wstest.Until(t, 10*time.Second, "nobody is connected", func(context.Context) bool { return connections(t, p.Socket) == 1 })
			if err := syscall.Kill(s.PID, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = syscall.Kill(s.PID, syscall.SIGKILL) }() // whatever fails, the next one starts afresh
			wstest.Until(t, 10*time.Second, "every thread of it stands", func(context.Context) bool { return stands(t, s.PID) })
			cmd := p.Command("wsctl", args...)
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			wstest.Until(t, 10*time.Second, "the command has looked and asked", func(context.Context) bool {
				return connections(t, p.Socket) >= 3
			})
			if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("it ends with %v: %s", err, &out)
			}
			if now, err := p.Status(t.Context()); err != nil || now.PID == s.PID {
				t.Errorf("process %d answers, %v", now.PID, err)
			}
		})
	}
}

func TestCommandRightAfterAKillSucceeds(t *testing.T) {
	p := memoryProcess(t)
	killLater(t, p)
	wantWsctl(t, p, "daemon", "start")
	for range 8 {
		s, err := p.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.Close()
		cmds := []*exec.Cmd{p.Command("wsctl", "daemon", "start"), p.Command("wsctl", "list")}
		if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for _, cmd := range cmds {
			group.Go(func() {
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%s ends with %v: %s", cmd.Args[1:], err, out)
				}
			})
		}
		group.Wait()
	}
}

// wsd is started in another folder than wsctl, and has no flag of wsctl's.
func TestTheStartedDaemonReadsTheFileThatWsctlReads(t *testing.T) {
	for name, said := range map[string]struct {
		args []string
		env  string
	}{
		"by a flag":                     {[]string{"--config", "own.toml"}, ""},
		"by a variable":                 {nil, "WSD_CONFIG=own.toml"},
		"by the wsd of a relative path": {[]string{"--config", "own.toml"}, "WSCTL_WSD=./wsd"},
	} {
		t.Run(name, func(t *testing.T) {
			p := memoryProcess(t)
			killLater(t, p)
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "own.toml"), []byte("[log]\nformat = \"json\"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(wstest.Binaries(t), "wsd"), filepath.Join(dir, "wsd")); err != nil {
				t.Fatal(err)
			}
			cmd := p.Command("wsctl", append(said.args, "daemon", "start")...)
			cmd.Dir, cmd.Env = dir, append(cmd.Env, said.env)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("it ends with %v: %s", err, out)
			}
			log, err := os.ReadFile(filepath.Join(p.StateDir, "wsd.log"))
			if err != nil || !bytes.HasPrefix(log, []byte("{")) {
				t.Errorf("the daemon logs %.200s, %v", log, err)
			}
		})
	}
}

// A wsd that ends lets what is asked of it come to its end, and holds its state meanwhile.
func TestCommandWhileTheDaemonEndsIsAnsweredByTheNext(t *testing.T) {
	p := memoryProcess(t)
	killLater(t, p)
	wantWsctl(t, p, "daemon", "start")
	before, err := p.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("unix", p.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	stalled := "PUT /v1/uploads/" + strings.Repeat("a", 64) + " HTTP/1.1\r\nHost: wsd\r\nContent-Type: application/x-tar\r\nContent-Length: 2\r\n\r\na"
	if _, err := c.Write([]byte(stalled)); err != nil {
		t.Fatal(err)
	}
	wstest.Until(t, 10*time.Second, "wsd takes the archive", func(context.Context) bool {
		parts, _ := filepath.Glob(filepath.Join(p.StateDir, "uploads", ".new-*"))
		return len(parts) == 1
	})
	if err := syscall.Kill(before.PID, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wstest.Until(t, 10*time.Second, "the socket is gone", func(context.Context) bool {
		_, err := os.Lstat(p.Socket)
		return os.IsNotExist(err)
	})
	wantWsctl(t, p, "list")
	if now, err := p.Status(t.Context()); err != nil || now.PID == before.PID {
		t.Errorf("process %d answers, %v", now.PID, err)
	}
}

func TestCommandWhileTheSocketIsRemovedReachesTheDaemon(t *testing.T) {
	p := memoryProcess(t)
	killLater(t, p)
	wantWsctl(t, p, "daemon", "start")
	before, err := p.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	if err := os.Remove(p.Socket); err != nil {
		t.Fatal(err)
	}
	wantWsctl(t, p, "list")
	if now, err := p.Status(t.Context()); err != nil || now.PID != before.PID {
		t.Errorf("process %d answers in place of %d, %v", now.PID, before.PID, err)
	}
}

// Where a unit of systemd runs wsctl, it is that unit's own word that systemd waits for.
func TestTheStartedDaemonTellsTheUnitOfWsctlNothing(t *testing.T) {
	p := memoryProcess(t)
	killLater(t, p)
	notify := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmd := p.Command("wsctl", "daemon", "start")
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+notify)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("it ends with %v: %s", err, out)
	}
	wantWsctl(t, p, "daemon", "stop")
	own, err := net.Dial("unixgram", notify)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	if _, err := own.Write([]byte("the end")); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 1024)
	if n, err := l.Read(said); err != nil || string(said[:n]) != "the end" {
		t.Errorf("wsd says %q, %v", said[:n], err)
	}
}
