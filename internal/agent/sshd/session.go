package sshd

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/creack/pty"
	"github.com/gliderlabs/ssh"
)

// host is what the sessions of the connection have in common.
type host struct {
	env   []string
	group sync.WaitGroup
}

func (h *host) wait() { h.group.Wait() }

// The statuses of a shell for what does not start and what a signal has ended.
const (
	statusNotStarted = 127
	signalBase       = 128
)

// session runs a command, or a login shell where none is asked for.
func (h *host) session(s ssh.Session) {
	h.group.Add(1)
	defer h.group.Done()
	cmd := h.command(s)
	if ssh.AgentRequested(s) {
		if l, err := ssh.NewAgentListener(); err == nil {
			defer func() { _ = l.Close(); _ = os.RemoveAll(filepath.Dir(l.Addr().String())) }()
			go ssh.ForwardAgentConnections(l, s)
			cmd.Env = append(cmd.Env, "SSH_AUTH_SOCK="+l.Addr().String())
		}
	}
	var err error
	if _, sizes, ok := s.Pty(); ok {
		err = onTerminal(cmd, s, sizes)
	} else {
		err = onPipes(cmd, s)
	}
	if err != nil && cmd.ProcessState == nil {
		_, _ = io.WriteString(s.Stderr(), "cannot start: "+err.Error()+"\n")
		_ = s.Exit(statusNotStarted)
		return
	}
	_ = s.Exit(status(cmd.ProcessState))
}

func status(p *os.ProcessState) int {
	if ws, ok := p.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return signalBase + int(ws.Signal())
	}
	return p.ExitCode()
}

// command prepares what s asks for, as the leader of a session of its own.
func (h *host) command(s ssh.Session) *exec.Cmd {
	shell, name := h.shell()
	args := []string{"-" + name}
	if raw := s.RawCommand(); raw != "" {
		args = []string{name, "-c", raw}
	}
	if filepath.Base(shell) != name { // the agent's own shell is a word of its program
		args = append([]string{"wsd", "agent-applet", name}, args[1:]...)
	}
	cmd := &exec.Cmd{Path: shell, Args: args, Dir: home(), SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	cmd.Env = slices.Concat(os.Environ(), h.env, safe(s.Environ()))
	if p, _, ok := s.Pty(); ok {
		cmd.Env = append(cmd.Env, "TERM="+p.Term)
	}
	return cmd
}

// safe keeps the variables that a client may set: not those by which a program is made to
// load or run something else.
func safe(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return strings.HasPrefix(name, "LD_") || slices.Contains([]string{"PATH", "HOME", "SHELL", "BASH_ENV", "ENV", "IFS"}, name)
	})
}

// shell is the user's shell, and its name.
func (h *host) shell() (path, name string) {
	for _, candidate := range []string{os.Getenv("SHELL"), "/bin/bash", "/bin/sh"} {
		info, err := os.Stat(candidate)
		if err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 && filepath.IsAbs(candidate) {
			if self, serr := os.Stat("/proc/self/exe"); serr == nil && os.SameFile(info, self) {
				continue
			}
			return candidate, filepath.Base(candidate)
		}
	}
	self, err := os.Executable()
	if err != nil {
		self = "/proc/self/exe"
	}
	return self, "sh"
}

// onTerminal runs cmd on a terminal of its own.
func onTerminal(cmd *exec.Cmd, s ssh.Session, sizes <-chan ssh.Window) error {
	cmd.SysProcAttr.Setctty = true
	p, _, _ := s.Pty()
	master, err := pty.StartWithAttrs(cmd, size(p.Window), cmd.SysProcAttr)
	if err != nil {
		return err
	}
	defer master.Close()
	go func() {
		for w := range sizes {
			_ = pty.Setsize(master, size(w))
		}
	}()
	go func() { _, _ = io.Copy(master, s) }()
	stop := signals(cmd, s)
	defer stop()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.Copy(s, master)
	}()
	err = cmd.Wait()
	<-drained
	return err
}

func size(w ssh.Window) *pty.Winsize {
	return &pty.Winsize{Cols: uint16(min(max(w.Width, 1), 1000)), Rows: uint16(min(max(w.Height, 1), 1000))} //nolint:gosec // bounded
}

// onPipes runs cmd with its output and errors apart.
func onPipes(cmd *exec.Cmd, s ssh.Session) error {
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = s, s.Stderr()
	cmd.WaitDelay = outputGrace // what it left in the background may hold its output open
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := signals(cmd, s)
	defer stop()
	go func() {
		_, _ = io.Copy(in, s)
		_ = in.Close()
	}()
	if err := cmd.Wait(); !errors.Is(err, exec.ErrWaitDelay) {
		return err
	}
	return nil
}

// signals passes the signals of the client on, and hangs the command up when the client
// has gone: all of its group on a terminal, as the kernel would. Without one only the
// command itself, because what it left in the background has to live on: editors start
// their servers so, and find them again over the next connection.
func signals(cmd *exec.Cmd, s ssh.Session) (stop func()) {
	lost := cmd.Process.Pid
	if _, _, tty := s.Pty(); tty {
		lost = -lost
	}
	asked := make(chan ssh.Signal, 4)
	s.Signals(asked)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case sig := <-asked:
				if n, ok := named()[sig]; ok {
					_ = syscall.Kill(-cmd.Process.Pid, n)
				}
			case <-s.Context().Done():
				_ = syscall.Kill(lost, syscall.SIGHUP)
				return
			case <-done:
				return
			}
		}
	}()
	return func() { close(done) }
}

func named() map[ssh.Signal]syscall.Signal {
	return map[ssh.Signal]syscall.Signal{
		ssh.SIGABRT: syscall.SIGABRT, ssh.SIGALRM: syscall.SIGALRM, ssh.SIGHUP: syscall.SIGHUP, ssh.SIGINT: syscall.SIGINT,
		ssh.SIGKILL: syscall.SIGKILL, ssh.SIGPIPE: syscall.SIGPIPE, ssh.SIGQUIT: syscall.SIGQUIT, ssh.SIGTERM: syscall.SIGTERM,
		ssh.SIGUSR1: syscall.SIGUSR1, ssh.SIGUSR2: syscall.SIGUSR2,
	}
}
