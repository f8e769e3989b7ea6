package agent_test

import (
	"errors"
	"fmt"
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
const patience = 30 * time.Second

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
		forever()
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
		forever()
	case "orphans": // each one's parent ends at once, so the init inherits it
		n, _ := strconv.Atoi(args[0])
		parents := make([]*exec.Cmd, n)
		for i := range parents {
			parents[i] = exec.Command(os.Args[0], "test-child", "fork", "exit", "0")
			_ = parents[i].Start()
		}
		for _, p := range parents {
			_ = p.Wait()
		}
		return child("signals", nil)
	case "leave": // ends at SIGTERM and leaves a process that wants to clean up
		cmd := exec.Command(os.Args[0], "test-child", "signals")
		cmd.Stdout = os.Stdout
		_ = cmd.Start()
		forever()
	case "fork":
		cmd := exec.Command(os.Args[0], append([]string{"test-child"}, args...)...)
		_ = cmd.Start()
		return 0
	case "identity":
		fmt.Println(os.Getpid(), syscall.Getpgrp() == os.Getpid(), os.Getuid())
	}
	return 0
}

// forever blocks in a way that the Go runtime does not take for a deadlock, which would
// end the process.
func forever() {
	for {
		time.Sleep(time.Hour)
	}
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
