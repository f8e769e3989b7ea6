package agent_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// output gathers what a process writes and lets a test wait for it.
type output struct {
	lines chan string
	rest  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.rest.Write(p)
	for {
		line, err := o.rest.ReadString('\n')
		if err != nil {
			o.rest.WriteString(line)
			return len(p), nil
		}
		o.lines <- strings.TrimSuffix(line, "\n")
	}
}

func (o *output) expect(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-o.lines:
		if got != want {
			t.Fatalf("the command wrote %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("the command did not write %q in time", want)
	}
}

// initProcess is a running `wsd agent`.
type initProcess struct {
	*exec.Cmd
	out   *output // standard output, by lines
	notes *output // standard error, by lines
	err   bytes.Buffer
}

// process1 is how the agent becomes process 1 of a PID namespace: as root, or by a user
// namespace.
func process1() []*syscall.SysProcAttr {
	return []*syscall.SysProcAttr{
		{Cloneflags: syscall.CLONE_NEWPID},
		{
			Cloneflags:  syscall.CLONE_NEWPID | syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}},
		},
	}
}

// startInit starts the agent as process 1 of a PID namespace where one is to be had, else as
// a subreaper.
func startInit(t *testing.T, command ...string) *initProcess {
	t.Helper()
	p := startAs(t, append(process1(), &syscall.SysProcAttr{}), command...)
	if p == nil {
		t.Fatal("cannot start the agent at all")
	}
	return p
}

// startProcess1 fails the test where there is no PID namespace to be had: what it is about
// holds for process 1 alone.
func startProcess1(t *testing.T, command ...string) *initProcess {
	t.Helper()
	p := startAs(t, process1(), command...)
	if p == nil {
		t.Fatal("this test needs a PID namespace: run it as root, or allow user namespaces (sysctl user.max_user_namespaces)")
	}
	return p
}

// startAs starts the agent in the first way that the kernel allows; nil: in none.
func startAs(t *testing.T, ways []*syscall.SysProcAttr, command ...string) *initProcess {
	t.Helper()
	for _, attr := range ways {
		p := &initProcess{Cmd: exec.Command(os.Args[0], append([]string{"agent", "--"}, command...)...)}
		p.out, p.notes = &output{lines: make(chan string, 64)}, &output{lines: make(chan string, 64)}
		p.SysProcAttr, p.Stdout, p.Stderr = attr, p.out, io.MultiWriter(&p.err, p.notes)
		p.SysProcAttr.Pdeathsig = syscall.SIGKILL
		err := p.Start()
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) { // forbidden, or as many as are allowed
			continue
		}
		if err != nil {
			t.Fatalf("cannot start the agent: %v", err)
		}
		t.Cleanup(func() {
			_ = p.Process.Kill()
			_ = p.Wait()
		})
		return p
	}
	return nil
}

func self(mode string, args ...string) []string {
	return append([]string{os.Args[0], "test-child", mode}, args...)
}

// status waits for the end.
func (p *initProcess) status(t *testing.T) int {
	t.Helper()
	kill := time.AfterFunc(patience, func() { _ = p.Process.Kill() })
	defer kill.Stop()
	_ = p.Wait()
	return p.ProcessState.ExitCode()
}

func TestInitEndsWithTheStatusOfItsCommand(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	plain := filepath.Join(t.TempDir(), "plain")
	noFormat := filepath.Join(t.TempDir(), "noformat")
	for file, mode := range map[string]os.FileMode{plain: 0o644, noFormat: 0o755} {
		if err := os.WriteFile(file, []byte("\x00\x01 nothing\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name    string
		command []string
		status  int
		stderr  string
	}{
		{"success", self("exit", "0"), 0, ""},
		{"failure", self("exit", "1"), 1, ""},
		{"any status", self("exit", "42"), 42, ""},
		{"the highest status", self("exit", "255"), 255, ""},
		{"killed by SIGKILL", self("die", "9"), 137, ""},
		{"killed by SIGTERM", self("die", "15"), 143, ""},
		{"a name that is not in PATH", []string{"no-such-command"}, 127, "no such command in PATH"},
		{"a path that does not exist", []string{missing}, 127, "no such file"},
		{"a file that is not executable", []string{plain}, 126, "permission denied"},
		{"a file that is no program", []string{noFormat}, 126, "not a program for this machine"},
		{"a folder", []string{t.TempDir()}, 126, "it is a directory"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := startInit(t, test.command...)
			if got := p.status(t); got != test.status {
				t.Errorf("status %d, want %d; stderr: %s", got, test.status, p.err.String())
			}
			if !strings.Contains(p.err.String(), test.stderr) || strings.Count(p.err.String(), "\n") > 1 {
				t.Errorf("stderr is %q, want one line with %q", p.err.String(), test.stderr)
			}
		})
	}
}

func TestInitPassesSignalsOn(t *testing.T) {
	p := startInit(t, self("signals")...)
	p.out.expect(t, "ready")
	for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM} {
		if err := p.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		p.out.expect(t, s.String())
	}
	if got := p.status(t); got != 7 {
		t.Errorf("status %d, want the command's 7", got)
	}
}

func TestInitKeepsWaitingForACommandThatIgnoresSIGTERM(t *testing.T) {
	p := startInit(t, self("deaf")...)
	p.out.expect(t, "ready")
	for range 3 {
		if err := p.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	// SIGKILL for the command is what ends it, not one of the SIGTERMs before.
	pids := childrenOf(t, p.Process.Pid)
	if len(pids) != 1 {
		t.Fatalf("the init has the children %v, want one", pids)
	}
	if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if got := p.status(t); got != 137 {
		t.Errorf("status %d, want 137", got)
	}
}

func TestInitReapsOrphans(t *testing.T) {
	p := startInit(t, self("orphans", "20")...)
	p.out.expect(t, "ready")
	poll(t, "all 20 orphans are reaped", func() bool { return len(childrenOf(t, p.Process.Pid)) == 1 })
	_ = p.Process.Signal(syscall.SIGTERM)
	if got := p.status(t); got != 7 {
		t.Errorf("status %d, want 7", got)
	}
}

func TestInitLetsLeftOverProcessesEndAfterAStop(t *testing.T) {
	p := startProcess1(t, self("leave")...)
	p.out.expect(t, "ready")
	_ = p.Process.Signal(syscall.SIGTERM)
	p.out.expect(t, syscall.SIGTERM.String())
	p.status(t)
}

func TestInitWithoutACommandWaitsForSIGTERM(t *testing.T) {
	p := startInit(t)
	p.out.expect(t, "armed")
	ended := make(chan int)
	go func() { ended <- p.status(t) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = p.Process.Signal(syscall.SIGTERM)
		case got := <-ended:
			if got != 0 {
				t.Errorf("status %d, want 0", got)
			}
			return
		}
	}
}

func TestInitGivesTheCommandAGroupOfItsOwn(t *testing.T) {
	p := startProcess1(t, self("identity")...)
	line := <-p.out.lines
	if fields := strings.Fields(line); fields[0] == "1" || fields[1] != "true" {
		t.Errorf("pid and leadership are %q, want another pid than 1, and true", line)
	}
}

func TestInitProvidesAppletsWithoutAnyFile(t *testing.T) {
	t.Setenv("PATH", "/nonexistent")
	p := startInit(t, "sh", "-c", "exit 9")
	if got := p.status(t); got != 9 {
		t.Errorf("status %d, want 9; stderr: %s", got, p.err.String())
	}
}

func TestInitServesFilesByItself(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, command := range map[string]string{"by name": "httpd", "by a link": filepath.Join(newImage(t).bin, "httpd")} {
		t.Run(name, func(t *testing.T) {
			p := startInit(t, command, "--dir", dir, "--port", "0")
			address := p.address(t)
			resp, err := http.Get("http://" + address + "/")
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("status %d", resp.StatusCode)
			}
			if children := childrenOf(t, p.Process.Pid); len(children) != 0 {
				t.Errorf("it has the children %v, want none", children)
			}
			began := time.Now()
			_ = p.Process.Signal(syscall.SIGTERM)
			if got := p.status(t); got != 0 {
				t.Errorf("status %d, want 0", got)
			}
			if took := time.Since(began); took > patience/2 {
				t.Errorf("it took %v to end", took)
			}
		})
	}
}

// address is where the process listens: the first line of its standard error says so.
func (p *initProcess) address(t *testing.T) string {
	t.Helper()
	select {
	case line := <-p.notes.lines:
		_, port, err := net.SplitHostPort(line[strings.LastIndexByte(line, ' ')+1:])
		if err != nil {
			t.Fatalf("no address in %q: %v", line, err)
		}
		return "127.0.0.1:" + port
	case <-time.After(patience):
		t.Fatal("it does not listen in time")
	}
	return ""
}
