package serve

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/wsctl/wsctl/internal/agent/proc"
	"github.com/wsctl/wsctl/internal/agentapi"
)

const hangup = syscall.SIGHUP

// What becomes of a command whose caller is gone: it is hung up, and killed when it runs
// on after killAfter.
const killAfter = 10 * time.Second

// outputGrace is how long output is waited for once the command itself has ended: what it
// wrote is in the pipe by then, and what it left in the background may hold the pipe open
// for ever. maxLate is more than a pipe can hold, in bytes.
const (
	outputGrace = 250 * time.Millisecond
	maxLate     = 2 << 20
)

// exec runs one command for one connection.
func (s *Server) exec(w http.ResponseWriter, r *http.Request) {
	conn, ok := s.upgrade(w, r, agentapi.UpgradeFrames)
	if !ok {
		return
	}
	defer conn.Close()
	l := newLink(conn)
	var start agentapi.ExecStart
	if !l.first(&start) {
		return
	}
	if start.Auth {
		socket, err := s.auths.open(l)
		if err != nil {
			l.fail("no_auth_socket", "cannot make the socket of an ssh agent: "+err.Error())
			return
		}
		defer socket.close()
		start.Env = slices.Concat(start.Env, []string{"SSH_AUTH_SOCK=" + socket.path()})
	}
	c, err := s.begin(start)
	if err != nil {
		l.refuse(start.Command, err)
		return
	}
	defer c.close()
	_ = l.control(agentapi.Control{Type: "started", PID: c.PID})
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		c.input(l)
	}()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var log io.Writer = io.Discard
		if start.Log {
			log = s.o.Log
		}
		c.copyOut(l, log)
	}()
	select {
	case <-c.Ended():
	case <-gone:
		s.abandon(c.Process)
		return
	}
	c.drain(done)
	_ = l.control(agentapi.Control{Type: "exit", Code: c.Status()})
}

// refuse tells why a command did not start.
func (l *link) refuse(command []string, err error) {
	e := startError(command, err)
	l.fail(e.Code, e.Text)
}

// startError tells apart why a command did not start.
func startError(command []string, err error) agentapi.Error {
	var folder *folderError
	e := agentapi.Error{Code: "command_not_executable", Text: "cannot start " + quoted(command) + ": " + proc.Reason(err)}
	switch {
	case errors.As(err, &folder):
		e.Code, e.Text = "not_found", folder.Error()
	case proc.Missing(err):
		e.Code = "command_not_found"
	}
	return e
}

// folderError is a folder in which nothing can be started.
type folderError struct {
	dir string
	err error
}

func (e *folderError) Error() string {
	return "cannot start anything in the folder " + strconv.Quote(e.dir) + ": " + e.err.Error()
}

// checkFolder reports what is wrong with the folder of a command.
func checkFolder(dir string) error {
	if dir == "" {
		return nil
	}
	info, err := os.Stat(dir)
	var path *fs.PathError
	switch {
	case errors.As(err, &path):
		return &folderError{dir, path.Err}
	case err == nil && !info.IsDir():
		return &folderError{dir, syscall.ENOTDIR}
	}
	return err
}

func quoted(command []string) string {
	if len(command) == 0 {
		return "a shell"
	}
	b, _ := json.Marshal(command[0])
	return string(b)
}

// command is a process with the agent's ends of its streams.
type command struct {
	*proc.Process
	pty         *os.File // master; nil without a terminal
	stdin       *os.File // nil: none
	out, errOut *os.File // reading ends; nil with a terminal
}

// begin starts what start says.
func (s *Server) begin(start agentapi.ExecStart) (*command, error) {
	if err := checkFolder(start.Dir); err != nil {
		return nil, err
	}
	argv, env, path, err := s.resolve(start)
	if err != nil {
		return nil, err
	}
	spec := proc.Spec{Path: path, Args: argv, Env: env, Dir: start.Dir, TTY: start.TTY}
	c := &command{}
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			_ = f.Close()
		}
	}()
	if start.TTY {
		slave, err := c.openPTY(start.Cols, start.Rows)
		if err != nil {
			return nil, err
		}
		theirs, spec.Files = []*os.File{slave}, []*os.File{slave, slave, slave}
	} else {
		if theirs, err = c.openPipes(start.Stdin); err != nil {
			c.close()
			return nil, err
		}
		spec.Files = theirs
	}
	if c.Process, err = s.o.Table.Start(spec); err != nil {
		c.close()
		return nil, err
	}
	s.note(c.Process, false)
	return c, nil
}

// resolve finds the program, its arguments and its environment.
func (s *Server) resolve(start agentapi.ExecStart) (argv, env []string, path string, err error) {
	env = merged(os.Environ(), start.Env)
	argv = start.Command
	if len(argv) == 0 {
		path, argv = s.shell(env)
		return argv, withTerm(env, start.TTY), path, nil
	}
	path, err = proc.LookPath(argv[0], start.Dir)
	if name, usual := usualName(argv[0]); usual && proc.Missing(err) {
		// An image without any program still has the agent's own.
		if self, ok := s.applet(name); ok {
			return slices.Concat([]string{"wsd", "agent-applet", name}, argv[1:]), withTerm(env, start.TTY), self, nil
		}
	}
	return argv, withTerm(env, start.TTY), path, err
}

// usualName is the name of a program that is asked for without a folder, or in one of those
// where everybody expects it: /bin/sh.
func usualName(path string) (name string, usual bool) {
	dir, name := filepath.Split(path)
	return name, dir == "" || slices.Contains(strings.Split(proc.DefaultPath, ":"), strings.TrimSuffix(dir, "/"))
}

// note keeps p among the commands that run, until it ends; ssh tells that it only serves a
// connection.
func (s *Server) note(p *proc.Process, ssh bool) {
	s.mu.Lock()
	s.execs[p] = ssh
	s.mu.Unlock()
	go func() {
		<-p.Ended()
		s.mu.Lock()
		delete(s.execs, p)
		s.mu.Unlock()
	}()
}

func (s *Server) running() []*proc.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*proc.Process, 0, len(s.execs))
	for p := range s.execs {
		out = append(out, p)
	}
	return out
}

// abandon ends a command that nobody waits for any more.
func (s *Server) abandon(p *proc.Process) {
	p.Signal(hangup)
	select {
	case <-p.Ended():
	case <-time.After(killAfter):
		p.Signal(syscall.SIGKILL)
	}
}

func (c *command) openPipes(stdin bool) (theirs []*os.File, err error) {
	var in *os.File
	if stdin {
		in, c.stdin, err = os.Pipe()
	} else {
		in, err = os.Open(os.DevNull)
	}
	if err != nil {
		return nil, err
	}
	theirs = append(theirs, in)
	for _, mine := range []**os.File{&c.out, &c.errOut} {
		r, w, err := os.Pipe()
		if err != nil {
			return theirs, err
		}
		*mine = r
		theirs = append(theirs, w)
	}
	return theirs, nil
}

// copyOut carries output until it ends.
func (c *command) copyOut(l *link, log io.Writer) {
	if c.pty != nil {
		c.carry(l.writer(agentapi.Stdout), c.pty)
		return
	}
	both := make(chan struct{})
	go func() {
		defer close(both)
		c.carry(io.MultiWriter(log, l.writer(agentapi.Stderr)), c.errOut)
	}()
	c.carry(io.MultiWriter(log, l.writer(agentapi.Stdout)), c.out)
	<-both
}

// copySize is how much output is carried at a time, in bytes.
const copySize = 32 << 10

// carry copies from f until it ends. Once the command has ended, silence for outputGrace
// or maxLate more bytes are the end too.
func (c *command) carry(to io.Writer, f *os.File) {
	buf := make([]byte, copySize)
	for late := 0; late < maxLate; {
		ended := false
		select {
		case <-c.Ended():
			ended = true
			_ = f.SetReadDeadline(time.Now().Add(outputGrace))
		default:
		}
		n, err := f.Read(buf)
		if ended {
			late += n
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// drain waits for the output that is on its way, once the command has ended.
func (c *command) drain(done <-chan struct{}) {
	for _, f := range []*os.File{c.out, c.errOut, c.pty} {
		if f != nil {
			_ = f.SetReadDeadline(time.Now().Add(outputGrace)) // for a read that waits already
		}
	}
	<-done
}

func (c *command) close() {
	for _, f := range []*os.File{c.stdin, c.out, c.errOut, c.pty} {
		if f != nil {
			_ = f.Close()
		}
	}
}
