package serve

import (
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/wsctl/wsctl/internal/agentapi"
)

// input takes frames until the connection ends.
func (c *command) input(l *link) {
	for {
		kind, p, err := l.frames.Next()
		if err != nil || !c.take(l, kind, p) {
			return
		}
	}
}

// take takes one frame of a client. It returns false once the client has gone.
func (c *command) take(l *link, kind byte, p []byte) bool {
	switch kind {
	case agentapi.Stdin:
		return c.feed(l, p)
	case agentapi.Ctl:
		var ctl agentapi.Control
		if json.Unmarshal(p, &ctl) == nil {
			return c.control(l, ctl)
		}
	}
	return true
}

// goneEvery is how often it is looked whether a client whose input nobody reads is still
// there: its end would be read behind that input.
const goneEvery = time.Second

// feed writes input; what a command does not want is dropped, as a closed pipe does. It
// returns false where the client goes while the command does not read.
func (c *command) feed(l *link, p []byte) bool {
	in := cmp.Or(c.pty, c.stdin)
	if in == nil {
		return true
	}
	for {
		_ = in.SetWriteDeadline(time.Now().Add(goneEvery))
		n, err := in.Write(p)
		if p = p[n:]; !errors.Is(err, os.ErrDeadlineExceeded) {
			return true
		}
		if l.conn.gone() {
			return false
		}
	}
}

func (c *command) control(l *link, ctl agentapi.Control) bool {
	switch ctl.Type {
	case "eof":
		if c.pty != nil {
			return c.feed(l, []byte{4}) // ^D, the only end that a terminal knows
		}
		if c.stdin != nil {
			_ = c.stdin.Close()
		}
	case "signal":
		if n, ok := signals()[strings.TrimPrefix(ctl.Signal, "SIG")]; ok {
			c.Signal(n)
		}
	case "resize":
		if c.pty != nil {
			_ = resize(c.pty, ctl.Cols, ctl.Rows)
		}
	}
	return true
}

// signals are those that people send by name.
func signals() map[string]syscall.Signal {
	return map[string]syscall.Signal{
		"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "KILL": syscall.SIGKILL,
		"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "TERM": syscall.SIGTERM, "CONT": syscall.SIGCONT,
		"STOP": syscall.SIGSTOP, "TSTP": syscall.SIGTSTP, "WINCH": syscall.SIGWINCH, "PIPE": syscall.SIGPIPE,
	}
}
