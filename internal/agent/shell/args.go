package shell

import (
	"errors"
	"fmt"
	"strings"
)

// invocation is a parsed command line of the shell.
type invocation struct {
	name        string // $0
	command     string // of -c
	hasCommand  bool
	script      string
	interactive bool
	options     []string // for the interpreter's `set`
	arguments   []string // $1 and on
}

// params is the argument of `set` that gives the options and the parameters.
func (i invocation) params() []string {
	return append(append([]string{}, i.options...), append([]string{"--"}, i.arguments...)...)
}

// parseArgs parses args (the shell's own name first) as POSIX sh does.
func parseArgs(args []string) (invocation, error) {
	inv := invocation{name: args[0]}
	rest, stdin := args[1:], false
	for len(rest) > 0 && len(rest[0]) > 1 && (rest[0][0] == '-' || rest[0][0] == '+') {
		arg := rest[0]
		rest = rest[1:]
		if arg == "--" {
			break
		}
		if strings.HasPrefix(arg, "--") {
			continue // --login, --norc, --posix: there are no start files to leave out
		}
		for _, letter := range arg[1:] {
			var err error
			if rest, err = inv.option(arg[:1], letter, rest, &stdin); err != nil {
				return inv, err
			}
		}
	}
	return inv, inv.operands(rest, stdin)
}

// option takes one letter and returns the arguments that are left.
func (i *invocation) option(sign string, letter rune, rest []string, stdin *bool) ([]string, error) {
	switch letter {
	case 'c':
		i.hasCommand = true
	case 's':
		*stdin = true
	case 'i':
		i.interactive = true
	case 'l', 'm', 'h', 'b', 'v', 'B', 'H':
		// A login shell has no profile here; there is no job control.
	case 'o':
		if len(rest) == 0 {
			return nil, errors.New("-o needs the name of an option")
		}
		i.options = append(i.options, sign+"o", rest[0])
		return rest[1:], nil
	case 'a', 'e', 'f', 'n', 'u', 'x':
		i.options = append(i.options, sign+string(letter))
	default:
		return nil, fmt.Errorf("unknown option %s%c", sign, letter)
	}
	return rest, nil
}

func (i *invocation) operands(rest []string, stdin bool) error {
	switch {
	case i.hasCommand:
		if len(rest) == 0 {
			return errors.New("-c needs a command")
		}
		i.command, rest = rest[0], rest[1:]
		if len(rest) > 0 {
			i.name, rest = rest[0], rest[1:]
		}
	case !stdin && len(rest) > 0:
		i.script, i.name, rest = rest[0], rest[0], rest[1:]
	}
	i.arguments = rest
	return nil
}
