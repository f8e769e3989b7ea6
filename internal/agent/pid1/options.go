package pid1

import (
	"fmt"
	"strings"

	"github.com/wsctl/wsctl/internal/agentapi"
)

// options are the agent's own arguments.
type options struct {
	restart string
	socket  string
	dir     string
	await   bool // the command begins when wsd says so
	command []string
}

// The restart policies.
const (
	restartNever     = "never"
	restartOnFailure = "on_failure"
	restartAlways    = "always"
)

// parse reads the options before the command. What does not begin with two dashes begins
// the command.
func parse(args []string) (options, error) {
	o := options{restart: restartNever, socket: agentapi.Socket}
	for len(args) > 0 && strings.HasPrefix(args[0], "--") {
		name, value, has := strings.Cut(args[0], "=")
		args = args[1:]
		if name == "--" && !has {
			break
		}
		switch {
		case name == "--restart" && (value == restartNever || value == restartOnFailure || value == restartAlways):
			o.restart = value
		case name == "--socket" && has:
			o.socket = value
		case name == "--await" && !has:
			o.await = true
		case name == "--dir" && has:
			o.dir = value
		default:
			return o, fmt.Errorf("there is no option %q", name)
		}
	}
	o.command = args
	return o, nil
}
