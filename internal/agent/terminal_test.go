package agent_test

import (
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// terminal is an interactive shell and the screen in front of it.
type terminal struct {
	t      *testing.T
	pty    *os.File
	cmd    *exec.Cmd
	chunks chan string
	seen   string // what was not yet expected
}

// startTerminal starts cmd on a terminal of 80 by 24.
func startTerminal(t *testing.T, cmd *exec.Cmd) *terminal {
	t.Helper()
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, pty: f, cmd: cmd, chunks: make(chan string, 1024)}
	go func() {
		defer close(term.chunks)
		buf := make([]byte, 4096)
		for {
			n, err := f.Read(buf)
			term.chunks <- string(buf[:n])
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = f.Close()
		_ = cmd.Wait()
	})
	return term
}

func (term *terminal) typed(keys string) {
	term.t.Helper()
	if _, err := io.WriteString(term.pty, keys); err != nil {
		term.t.Fatal(err)
	}
}

// expect waits until the screen shows what the pattern matches and forgets all up to its end.
func (term *terminal) expect(pattern string) string {
	term.t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.After(patience)
	for {
		if at := re.FindStringIndex(term.seen); at != nil {
			match := term.seen[at[0]:at[1]]
			term.seen = term.seen[at[1]:]
			return match
		}
		select {
		case chunk, open := <-term.chunks:
			term.seen += chunk
			if !open {
				term.t.Fatalf("the terminal ended without %q; it shows %q", pattern, term.seen)
			}
		case <-deadline:
			term.t.Fatalf("no %q in time; the terminal shows %q", pattern, term.seen)
		}
	}
}

// status waits for the end of the shell.
func (term *terminal) status() int {
	term.t.Helper()
	kill := time.AfterFunc(patience, func() { _ = term.cmd.Process.Kill() })
	defer kill.Stop()
	_ = term.cmd.Wait()
	return term.cmd.ProcessState.ExitCode()
}

const prompt = `demo:~\$ `

func TestInteractiveShell(t *testing.T) {
	tests := []struct {
		name   string
		use    func(term *terminal)
		status int
	}{
		{"runs commands and says where it is", func(term *terminal) {
			term.typed("echo a$((1+1))\r")
			term.expect(`\r\na2\r\n` + prompt)
			term.typed("mkdir -p d/e; cd d/e\r")
			term.expect(`demo:~/d/e\$ `)
			term.typed("cd /\r")
			term.expect(`demo:/\$ `)
			term.typed("exit 3\r")
		}, 3},
		{"Ctrl-D ends it with the last status", func(term *terminal) {
			term.typed("false\r")
			term.expect(prompt)
			term.typed("\x04")
		}, 1},
		{"Ctrl-C ends the command and not the shell", func(term *terminal) {
			term.typed("echo started; sleep 100; echo not reached\r")
			term.expect(`\r\nstarted\r\n`)
			awaitForeground(term, term.cmd.Process.Pid, "sleep")
			term.typed("\x03")
			term.expect(prompt)
			term.typed("echo status $?\r")
			term.expect(`\r\nstatus 130\r\n` + prompt)
			term.typed("exit\r")
		}, 0},
		{"Ctrl-C ends a loop of builtins", func(term *terminal) {
			term.typed("while true; do echo tick; done\r")
			term.expect(`\r\ntick\r\ntick\r\n`)
			term.typed("\x03")
			term.expect(prompt)
			term.typed("exit 5\r")
		}, 5},
		{"Ctrl-C leaves a half-typed line", func(term *terminal) {
			term.typed("echo never")
			term.expect("never")
			term.typed("\x03")
			term.expect(`\^C\r\n` + prompt)
			term.typed("echo $?\r")
			term.expect(`\r\n130\r\n` + prompt)
			term.typed("exit\r")
		}, 0},
		{"Ctrl-C leaves a command of several lines", func(term *terminal) {
			term.typed("for i in 1 2; do\r")
			term.expect(`> `)
			term.typed("\x03")
			term.expect(prompt)
			term.typed("echo back\r")
			term.expect(`\r\nback\r\n` + prompt)
			term.typed("exit\r")
		}, 0},
		{"commands of several lines", func(term *terminal) {
			term.typed("for i in 1 2\r")
			term.expect(`> `)
			term.typed("do echo n$i; done\r")
			term.expect(`n1\r\nn2\r\n` + prompt)
			term.typed("echo 'a\rb'\r")
			term.expect(`a\r\nb\r\n` + prompt)
			term.typed("exit 0\r")
		}, 0},
		{"a syntax error is told and forgotten", func(term *terminal) {
			term.typed("if then; )\r")
			term.expect(`sh: .*\r\n` + prompt)
			term.typed("echo $?\r")
			term.expect(`\r\n2\r\n` + prompt)
			term.typed("exit 0\r")
		}, 0},
		{"the line can be edited and comes back", func(term *terminal) {
			term.typed("echo ac\x1b[Db\r") // left, then b
			term.expect(`\r\nabc\r\n` + prompt)
			term.typed("\x1b[A\r") // up
			term.expect(`\r\nabc\r\n` + prompt)
			term.typed("wrong\x15echo right\r") // Ctrl-U
			term.expect(`\r\nright\r\n` + prompt)
			term.typed("x\x03")
			term.expect(prompt)
			term.typed("\x1b[A\r") // the history outlives Ctrl-C
			term.expect(`\r\nright\r\n` + prompt)
			term.typed("exit 0\r")
		}, 0},
		{"commands have the terminal", func(term *terminal) {
			term.typed("cat\r")
			awaitForeground(term, term.cmd.Process.Pid, "cat")
			term.typed("hello\r")
			term.expect(`hello\r\nhello\r\n`)
			term.typed("\x04")
			term.expect(prompt)
			term.typed("exit 0\r")
		}, 0},
		{"Ctrl-C spares the background", func(term *terminal) {
			term.typed("sleep 100 & sleep 200\r")
			awaitForeground(term, term.cmd.Process.Pid, "sleep\x00200")
			term.typed("\x03")
			term.expect(prompt)
			term.typed("kill $! && echo alive\r")
			term.expect(`\r\nalive\r\n` + prompt)
			term.typed("exit 0\r")
		}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			term := startTerminal(t, newImage(t).command("sh"))
			term.expect(prompt)
			test.use(term)
			if got := term.status(); got != test.status {
				t.Errorf("status %d, want %d", got, test.status)
			}
		})
	}
}

// awaitForeground waits until a child of the process shell runs the command whose line
// begins with name.
func awaitForeground(term *terminal, shell int, name string) {
	term.t.Helper()
	poll(term.t, name+" runs", func() bool {
		for _, pid := range childrenOf(term.t, shell) {
			data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
			if err == nil && strings.HasPrefix(string(data), name+"\x00") {
				return true
			}
		}
		return false
	})
}

func TestInitOnATerminalGivesItToTheCommand(t *testing.T) {
	im := newImage(t)
	cmd := im.command("sh") // replaced below: only its environment and folder are wanted
	cmd.Path, cmd.Args = os.Args[0], []string{os.Args[0], "agent", "--", "sh"}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID
	}
	term := startTerminal(t, cmd)
	term.expect(prompt)
	term.typed("sleep 100\r")
	awaitForeground(term, childrenOf(t, cmd.Process.Pid)[0], "sleep")
	term.typed("\x1a\x03") // Ctrl-Z would stop the shell for good: nobody could continue it
	term.expect(prompt)
	term.typed("exit 6\r")
	if got := term.status(); got != 6 {
		t.Errorf("status %d, want 6", got)
	}
}
