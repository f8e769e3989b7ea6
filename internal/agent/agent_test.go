package agent_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/agent"
)

// patience bounds every wait for a real process.
const patience = 10 * time.Second

// TestMain makes the test binary the agent itself, and the commands that it is to run.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "agent" {
		// A SIGTERM that comes before the init is ready is lost instead of deadly, so that
		// the test can repeat it.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM)
		fmt.Println("armed")
	}
	if code, handled := agent.Main(os.Args); handled {
		os.Exit(code)
	}
	if len(os.Args) > 2 && os.Args[1] == "test-child" {
		os.Exit(child(os.Args[2], os.Args[3:]))
	}
	os.Exit(m.Run())
}

// child is what the init runs in these tests.
func child(mode string, args []string) int {
	switch mode {
	case "exit":
		code, _ := strconv.Atoi(args[0])
		return code
	case "die":
		n, _ := strconv.Atoi(args[0])
		_ = syscall.Kill(os.Getpid(), syscall.Signal(n))
		select {}
	case "signals": // tells each signal; SIGTERM ends it with status 7
		c := make(chan os.Signal, 16)
		signal.Notify(c)
		fmt.Println("ready")
		for s := range c {
			if s == syscall.SIGURG || s == syscall.SIGCHLD {
				continue // the Go runtime's own
			}
			fmt.Println(s)
			if s == syscall.SIGTERM {
				return 7
			}
		}
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		select {}
	case "orphans": // each one's parent ends at once, so the init inherits it
		n, _ := strconv.Atoi(args[0])
		for range n {
			_ = exec.Command(os.Args[0], "test-child", "fork", "exit", "0").Run()
		}
		return child("signals", nil)
	case "leave": // ends at SIGTERM and leaves a process that wants to clean up
		cmd := exec.Command(os.Args[0], "test-child", "signals")
		cmd.Stdout = os.Stdout
		_ = cmd.Start()
		select {}
	case "fork":
		cmd := exec.Command(os.Args[0], append([]string{"test-child"}, args...)...)
		_ = cmd.Start()
		return 0
	case "identity":
		fmt.Println(os.Getpid(), syscall.Getpgrp() == os.Getpid(), os.Getuid())
	}
	return 0
}

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

// startInit starts the agent as process 1 of a PID namespace, which needs root or user
// namespaces; where there are neither, it runs as a subreaper.
func startInit(t *testing.T, command ...string) *initProcess {
	t.Helper()
	for _, attr := range []*syscall.SysProcAttr{
		{Cloneflags: syscall.CLONE_NEWPID},
		{
			Cloneflags:  syscall.CLONE_NEWPID | syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}},
		},
		{},
	} {
		p := &initProcess{Cmd: exec.Command(os.Args[0], append([]string{"agent", "--"}, command...)...)}
		p.out, p.notes = &output{lines: make(chan string, 64)}, &output{lines: make(chan string, 64)}
		p.SysProcAttr, p.Stdout, p.Stderr = attr, p.out, io.MultiWriter(&p.err, p.notes)
		p.SysProcAttr.Pdeathsig = syscall.SIGKILL
		if err := p.Start(); errors.Is(err, syscall.EPERM) {
			continue
		} else if err != nil {
			t.Fatalf("cannot start the agent: %v", err)
		}
		t.Cleanup(func() {
			_ = p.Process.Kill()
			_ = p.Wait()
		})
		return p
	}
	t.Fatal("cannot start the agent at all")
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
	p := startInit(t, self("leave")...)
	if p.SysProcAttr.Cloneflags == 0 {
		t.Skip("there is no PID namespace to be had here")
	}
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
	p := startInit(t, self("identity")...)
	if p.SysProcAttr.Cloneflags == 0 {
		t.Skip("there is no PID namespace to be had here")
	}
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
			if took := time.Since(began); took > time.Second {
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

func TestNothingElseIsHandled(t *testing.T) {
	for _, args := range [][]string{nil, {"wsd"}, {"wsd", "serve"}, {"wsd", "sh"}, {"/usr/bin/wsd", "agent-applet"}, {"/opt/wsd/agent"}, {"wsd", "agents"}} {
		if code, handled := agent.Main(args); handled {
			t.Errorf("%q was handled with status %d", args, code)
		}
	}
}

func TestAppletsAreSortedAndAnswer(t *testing.T) {
	names := agent.Applets()
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("the names are not sorted or not unique: %v", names)
	}
	for _, name := range []string{"[", "cat", "echo", "httpd", "ls", "sh", "tar"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is missing", name)
		}
	}
	out, err := exec.Command(os.Args[0], "agent-applet", "echo", "a b", "*").Output()
	if err != nil || string(out) != "a b *\n" {
		t.Errorf("agent-applet echo wrote %q, %v", out, err)
	}
	var exit *exec.ExitError
	if err := exec.Command(os.Args[0], "agent-applet", "nothing").Run(); !errors.As(err, &exit) || exit.ExitCode() != 127 {
		t.Errorf("an unknown applet gave %v, want status 127", err)
	}
}

// poll waits until done.
func poll(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// childrenOf returns the children of a process, zombies included.
func childrenOf(t *testing.T, pid int) []int {
	t.Helper()
	var out []int
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		data, err := os.ReadFile(task)
		if err != nil {
			continue
		}
		for _, f := range strings.Fields(string(data)) {
			n, _ := strconv.Atoi(f)
			out = append(out, n)
		}
	}
	return out
}
