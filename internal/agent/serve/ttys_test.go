package serve

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/wsctl/wsctl/internal/agentapi"
)

// soon bounds every wait for a real process.
const soon = 20 * time.Second

// until polls for what the kernel tells only when asked.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(soon); !cond(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// onTerminal runs a script of the system's shell on a terminal that the agent knows
// nothing of, and returns its pid, what to type into, and what is seen of it.
func onTerminal(t *testing.T, script string) (int, *os.File, func(own ...agentapi.Terminal) agentapi.Tty) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	f, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = f.Close(); _ = cmd.Wait() })
	name, err := os.Readlink("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/fd/0")
	if err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, f, func(own ...agentapi.Terminal) agentapi.Tty {
		list := ttys(own)
		i := slices.IndexFunc(list, func(y agentapi.Tty) bool { return "/dev/"+y.Name == name })
		if i < 0 {
			return agentapi.Tty{}
		}
		return list[i]
	}
}

func TestATerminalThatTheAgentDidNotOpenIsSeen(t *testing.T) {
	tests := []struct {
		name, script, typed string
		job                 string
		interactive         bool
	}{
		{"a shell that waits for a line", "read x", "", "", true},
		{"a command that waits for a line", "set -m; cat; :", "", "cat", true},
		{"a program that takes each key, and waits otherwise", "stty -icanon; set -m; sleep 100; :", "", "sleep", true},
		{"a job that works", "set -m; sleep 100; :", "", "sleep", false},
		{"a script that works", "sleep 100; :", "", "sh", false},
		{"a command in place of the shell", "exec sleep 100", "", "sleep", false},
		{"what was typed lets it go on", "read x; exec sleep 100", "go\n", "sleep", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			_, keys, see := onTerminal(t, tt.script)
			if _, err := keys.WriteString(tt.typed); err != nil {
				t.Fatal(err)
			}
			var last agentapi.Tty
			until(t, "the job "+tt.job, func() bool {
				last = see()
				return last.Foreground == tt.job && last.Interactive == tt.interactive
			})
			if since := last.ForegroundSince.Sub(began); since < -time.Second || since > soon {
				t.Errorf("in the foreground since %v after the start", since)
			}
		})
	}
}

func TestATerminalOfTheAgentsOwnIsNamed(t *testing.T) {
	pid, _, see := onTerminal(t, "read x")
	if got := see(agentapi.Terminal{Name: "other", PID: 1}, agentapi.Terminal{Name: "main", PID: pid}).Terminal; got != "main" {
		t.Errorf("terminal %q", got)
	}
	if got := see().Terminal; got != "" {
		t.Errorf("somebody else's is called %q", got)
	}
}

// The kernel's own clock of terminals has steps of eight seconds.
func TestTimesOfATerminalMoveWithItsUse(t *testing.T) {
	t.Parallel()
	_, keys, see := onTerminal(t, "while read x; do :; done")
	until(t, "the shell waits", func() bool { return see().Interactive })
	if y := see(); !y.LastInput.IsZero() || !y.LastOutput.IsZero() {
		t.Errorf("used before anything was typed: %+v", y)
	}
	until(t, "input is seen", func() bool {
		_, _ = keys.WriteString("x\n")
		return time.Since(see().LastInput) < 10*time.Second
	})
	if y := see(); !y.LastOutput.IsZero() {
		t.Errorf("an echo of the kernel counts as output: %+v", y)
	}
}

func TestALineOfTheProcessTableIsRead(t *testing.T) {
	boot := time.Unix(1000, 0)
	tail := " S 1 42 40 34817 42 4194304 1 2 3 4 5 6 7 8 20 0 1 0 250 9 9\n"
	tests := []struct {
		name, line string
		want       task
	}{
		{"plain", "43 (make)" + tail, task{pid: 43, name: "make"}},
		{"a name that looks like the rest", "43 (a) S 9 9 9 (b)" + tail, task{pid: 43, name: "a) S 9 9 9 (b"}},
		{"a name that is no text", "43 (\xff)" + tail, task{pid: 43, name: "\uFFFD"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.group, tt.want.session, tt.want.tty, tt.want.foreground = 42, 40, 34817, 42
			tt.want.started = boot.Add(2500 * time.Millisecond)
			if got, ok := parseTask(tt.line, boot); !ok || got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
	for _, line := range []string{"", "43", "43 (make)", "43 (make) S 1 2", strings.Repeat("(", 100)} {
		if _, ok := parseTask(line, boot); ok {
			t.Errorf("%q was read", line)
		}
	}
}

func TestAFollowerIsToldOfChangesAtOnceAndOfUseInAWhile(t *testing.T) {
	base := agentapi.Report{Time: time.Unix(100, 0), CPU: 5, Ttys: []agentapi.Tty{{Name: "pts/0", LastInput: time.Unix(50, 0)}}}
	tests := []struct {
		name   string
		after  time.Duration
		change func(*agentapi.Report)
		told   bool
	}{
		{"nothing", time.Hour, func(*agentapi.Report) {}, false},
		{"a foreground job", time.Second, func(r *agentapi.Report) { r.Ttys[0].Foreground = "make" }, true},
		{"a job that asks", time.Second, func(r *agentapi.Report) { r.Ttys[0].Interactive = true }, true},
		{"a terminal", time.Second, func(r *agentapi.Report) { r.Ttys = nil }, true},
		{"input a moment ago", time.Second, func(r *agentapi.Report) { r.Ttys[0].LastInput = time.Unix(100, 0) }, false},
		{"input since a while", agentapi.TellEvery, func(r *agentapi.Report) { r.Ttys[0].LastInput = time.Unix(100, 0) }, true},
		{"work since a while", agentapi.TellEvery, func(r *agentapi.Report) { r.CPU += 2 }, true},
		{"the agent's own work", time.Hour, func(r *agentapi.Report) { r.CPU += 10 }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			next := base
			next.Time, next.Ttys = base.Time.Add(tt.after), slices.Clone(base.Ttys)
			tt.change(&next)
			if got := differs(base, next); got != tt.told {
				t.Errorf("told: %v", got)
			}
		})
	}
}
