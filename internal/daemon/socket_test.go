package daemon_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/wstest"
)

// memoryProcess prepares a daemon without an engine that is not started.
func memoryProcess(t *testing.T, env ...string) *wstest.Process {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and runs the real program")
	}
	return wstest.NewProcess(t, append(env, "WSD_DRIVER=memory")...)
}

// contender is one of several daemons that are started at once.
type contender struct {
	cmd *exec.Cmd
	out bytes.Buffer
}

// contend starts n daemons at once and returns those that have ended once only one is
// left. That one is killed with the test.
func contend(t *testing.T, p *wstest.Process, n int) (losers []*contender, winner int) {
	t.Helper()
	ended := make(chan *contender, n)
	var group sync.WaitGroup
	alive := map[int]bool{}
	for range n {
		c := &contender{cmd: p.Command("wsd", "serve")}
		c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
		if err := c.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		alive[c.cmd.Process.Pid] = true
		group.Go(func() {
			_ = c.cmd.Wait()
			ended <- c
		})
	}
	for len(alive) > 1 {
		select {
		case c := <-ended:
			losers = append(losers, c)
			delete(alive, c.cmd.Process.Pid)
		case <-time.After(20 * time.Second):
			t.Fatalf("%d daemons live on", len(alive))
		}
	}
	for pid := range alive {
		winner = pid
	}
	t.Cleanup(func() {
		_ = syscall.Kill(winner, syscall.SIGKILL)
		group.Wait()
	})
	return losers, winner
}

func TestOfSixDaemonsAtOnceOneWins(t *testing.T) {
	p := memoryProcess(t)
	for _, what := range []string{"on nothing", "on what a killed one has left"} {
		t.Run(what, func(t *testing.T) {
			losers, winner := contend(t, p, 6)
			for _, l := range losers {
				if status := l.cmd.ProcessState.ExitCode(); status != fault.ClassOf(fault.Conflict).Exit ||
					!strings.Contains(l.out.String(), fmt.Sprintf("pid %d", winner)) {
					t.Errorf("a loser against %d ends with %d: %s", winner, status, &l.out)
				}
			}
			wstest.Until(t, 20*time.Second, "the winner answers", func(ctx context.Context) bool {
				s, err := p.Status(ctx)
				return err == nil && s.PID == winner
			})
		})
	}
}

func TestSocketOfAKilledDaemonIsReplaced(t *testing.T) {
	p := memoryProcess(t)
	p.Start()
	p.Kill()
	if info, err := os.Lstat(p.Socket); err != nil || info.Mode().Type() != fs.ModeSocket {
		t.Fatalf("the killed daemon left %v, %v", info, err)
	}
	p.Start()
}

func TestASocketThatIsRemovedIsMadeAnew(t *testing.T) {
	p := memoryProcess(t)
	p.Start()
	before, err := p.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for what, remove := range map[string]func() error{
		"the socket": func() error { return os.Remove(p.Socket) },
		"its folder": func() error { return os.RemoveAll(filepath.Dir(p.Socket)) },
	} {
		if err := remove(); err != nil {
			t.Fatal(err)
		}
		wstest.Until(t, 30*time.Second, "wsd is reached after the end of "+what, func(ctx context.Context) bool {
			if _, err := os.Lstat(p.Socket); err != nil {
				return false
			}
			s, err := client.New(client.Options{Socket: p.Socket}).Status(ctx) // over a connection of its own
			return err == nil && s.PID == before.PID
		})
		if info, err := os.Lstat(p.Socket); err != nil || info.Mode() != fs.ModeSocket|0o600 {
			t.Errorf("the new socket is %v, %v", info, err)
		}
	}
	p.Terminate()
	if _, err := os.Lstat(p.Socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the end the socket is still there: %v", err)
	}
}

func TestWhatIsNoSocketOfOursIsRefusedAndLeftAlone(t *testing.T) {
	for what, put := range map[string]func(path string) error{
		"a file":   func(path string) error { return os.WriteFile(path, []byte("precious"), 0o600) },
		"a folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"a link to a file": func(path string) error {
			return errors.Join(os.WriteFile(path+"-", nil, 0o600), os.Symlink(path+"-", path))
		},
		"a link to nothing": func(path string) error { return os.Symlink(path+"-", path) },
		"a pipe":            func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a link to a dead socket": func(path string) error {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path + "-", Net: "unix"})
			if err != nil {
				return err
			}
			l.SetUnlinkOnClose(false)
			return errors.Join(l.Close(), os.Symlink(path+"-", path))
		},
	} {
		t.Run(what, func(t *testing.T) {
			p := memoryProcess(t)
			if err := errors.Join(os.Mkdir(filepath.Dir(p.Socket), 0o700), put(p.Socket)); err != nil {
				t.Fatal(err)
			}
			before, err := os.Lstat(p.Socket)
			if err != nil {
				t.Fatal(err)
			}
			out, status := serveToItsEnd(p)
			if status != fault.ClassOf(fault.Usage).Exit || !strings.Contains(out, "exists and is not a socket") {
				t.Errorf("wsd ends with %d: %s", status, out)
			}
			after, err := os.Lstat(p.Socket)
			if err != nil || !os.SameFile(before, after) || before.Mode() != after.Mode() {
				t.Errorf("it was %v and is %v, %v", before, after, err)
			}
			_, errs, status := p.Wsctl("list")
			if status != fault.ClassOf(fault.Unavailable).Exit || errs == "" {
				t.Errorf("wsctl ends with %d: %s", status, errs)
			}
		})
	}
}

func TestSocketFolderThatOthersMayWriteToIsRefused(t *testing.T) {
	for _, mode := range []os.FileMode{0o777, 0o720, 0o702, 0o777 | fs.ModeSticky} {
		t.Run(mode.String(), func(t *testing.T) {
			p := memoryProcess(t)
			dir := filepath.Dir(p.Socket)
			if err := errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, mode)); err != nil {
				t.Fatal(err)
			}
			out, status := serveToItsEnd(p)
			if status != fault.ClassOf(fault.Usage).Exit || !strings.Contains(out, "chmod go-w "+dir) {
				t.Errorf("it ends with %d: %s", status, out)
			}
			if _, err := os.Lstat(p.Socket); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a socket was made: %v", err)
			}
		})
	}
}

func TestSocketPathThatIsTooLongIsRefusedByBothPrograms(t *testing.T) {
	p := memoryProcess(t, "WSD_SOCKET=/tmp/"+strings.Repeat("x", 110)+"/wsd.sock")
	out, status := serveToItsEnd(p)
	if status != fault.ClassOf(fault.Usage).Exit || !strings.Contains(out, "107") {
		t.Errorf("wsd ends with %d: %s", status, out)
	}
	if _, errs, status := p.Wsctl("list"); status != fault.ClassOf(fault.Usage).Exit || !strings.Contains(errs, "107") {
		t.Errorf("wsctl ends with %d: %s", status, errs)
	}
}

func TestFilesAreClosedToOthersWhateverTheUmask(t *testing.T) {
	for _, umask := range []string{"000", "077"} {
		t.Run(umask, func(t *testing.T) {
			p := memoryProcess(t)
			masked := func(program string, args ...string) {
				t.Helper()
				cmd := p.Command("wsctl")
				cmd.Args = append([]string{"sh", "-c", "umask " + umask + `; exec "$@"`, "sh", filepath.Join(wstest.Binaries(t), program)}, args...)
				cmd.Path = "/bin/sh"
				if out, errs, status := wstest.Output(t, cmd); status != 0 {
					t.Fatalf("%s ends with %d: %s%s", args, status, out, errs)
				}
			}
			killLater(t, p)
			masked("wsctl", "create", "demo") // starts wsd
			masked("wsctl", "admin", "backup", filepath.Join(p.StateDir, "backup"))
			masked("wsctl", "daemon", "stop")
			masked("wsctl", "list")
			wantClosed(t, filepath.Dir(p.Socket))
			wantClosed(t, p.StateDir)
		})
	}
}

// wantClosed checks that nobody but the owner has any right to anything below root.
func wantClosed(t *testing.T, root string) {
	t.Helper()
	seen := 0
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		want := os.FileMode(0o600)
		if e.IsDir() {
			want = 0o700
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		seen++
		return nil
	})
	if err != nil || seen < 2 {
		t.Errorf("%d files below %s, %v", seen, root, err)
	}
}

// killLater ends the daemon that commands have started, with the test.
func killLater(t *testing.T, p *wstest.Process) {
	t.Helper()
	t.Cleanup(func() {
		for _, pid := range serving(t, p) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
}
