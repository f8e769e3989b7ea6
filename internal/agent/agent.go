// Package agent is the program that runs inside every workspace container.
//
// One static binary is mounted into any image, so it may count on nothing there: no
// C library, no passwd entry for its user, a read-only root, no capabilities, perhaps
// not a single other file. It is four programs in one, told apart by the name it is
// started with:
//
//	wsd agent [--] [COMMAND...]     process 1: starts COMMAND, passes signals on, reaps (package pid1)
//	sh, ls, httpd, ...              an applet, where a symlink of that name leads to the binary
//	wsd agent-ssh                   the server of one ssh connection (package sshd)
//	wsd agent-applet NAME [ARG...]  the same applet without the symlink
//
// It does no work at start beyond finding out which of them it is. It may not speak
// to the engine or to the store, and wsd does not trust what it says.
package agent

import (
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/wsctl/wsctl/internal/agent/applet"
	"github.com/wsctl/wsctl/internal/agent/pid1"
	"github.com/wsctl/wsctl/internal/agent/sshd"
)

// The words after the program's name that choose a mode.
const (
	initWord   = "agent"
	appletWord = "agent-applet"
	sshWord    = "agent-ssh"
)

// Main runs the mode that args (os.Args: the name first) asks for and returns its exit
// status. handled is false where args is none of the agent's business; nothing was
// done then. It is called once, at the top of main, before anything else.
func Main(args []string) (code int, handled bool) {
	name, rest, ok := mode(args)
	if !ok {
		return 0, false
	}
	if name == initWord {
		economize()
		return pid1.Run(rest, pid1.Builtins{Has: isApplet, Inside: inside}), true
	}
	if name == sshWord {
		return sshd.Main(), true
	}
	run, ok := find(name)
	if !ok {
		return unknownApplet(name), true
	}
	economize()
	return run(applet.Std(), append([]string{name}, rest...)), true
}

// mode tells what args ask for: initWord or the name of an applet, and its arguments.
func mode(args []string) (name string, rest []string, ok bool) {
	if len(args) == 0 {
		return "", nil, false
	}
	if base := strings.TrimPrefix(filepath.Base(args[0]), "-"); isApplet(base) { // the dash marks a login shell
		return base, args[1:], true
	}
	if len(args) > 1 && args[1] == initWord {
		return initWord, args[2:], true
	}
	if len(args) > 1 && args[1] == sshWord {
		return sshWord, nil, true
	}
	if len(args) > 2 && args[1] == appletWord {
		return args[2], args[3:], true
	}
	return "", nil, false
}

// economize trades a little speed for memory: the agent shares the limit of its
// workspace, which may be as small as 16 MiB.
func economize() {
	debug.SetGCPercent(25)
	if runtime.GOMAXPROCS(0) > maxProcs {
		runtime.GOMAXPROCS(maxProcs)
	}
}

// maxProcs is how many threads run Go code at once: more would only cost memory.
const maxProcs = 2
