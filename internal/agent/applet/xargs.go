package applet

import (
	"bufio"
	"errors"
	"io"
	"os/exec"
	"strings"
)

// xargsBytes keeps a command line below the kernel's limit of 128 KiB for one argument
// and far below that for all.
const xargsBytes = 96 << 10

// xargs runs a command with the words of standard input as arguments. The status is that
// of GNU: 123 where a command failed, 127 where it was not found.
func xargs(s Streams, args []string) int {
	own := xargsOptions(args)
	o := parse(s, args[:own], "0n:I:rtd:L:P:", map[string]string{"null": "0", "max-args": "n", "no-run-if-empty": "r", "replace": "I"})
	limit, err := o.number("n", 1<<30)
	if o.failed || err != nil || limit == 0 {
		return usage(s, "xargs [-0rt] [-n COUNT] [-I MARK] [COMMAND [ARG]...]")
	}
	command := args[own:]
	if len(command) == 0 {
		command = []string{"echo"}
	}
	words, err := xargsWords(s.In, o)
	if err != nil {
		return fail(s, "xargs", "%v", err)
	}
	x := xargsRun{s: s, o: o}
	if mark, ok := o.set["I"]; ok {
		for _, w := range words {
			x.start(replaced(command, mark, w))
		}
		return x.status
	}
	if len(words) == 0 && !o.has("r") {
		x.start(command)
	}
	for len(words) > 0 && !x.stop {
		n, size := 0, 0
		for n < len(words) && n < limit && (n == 0 || size+len(words[n]) < xargsBytes) {
			size += len(words[n]) + 1
			n++
		}
		x.start(append(append([]string{}, command...), words[:n]...))
		words = words[n:]
	}
	return x.status
}

// xargsOptions is how many of args come before the command.
func xargsOptions(args []string) int {
	for i := 1; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "--":
			return i + 1
		case !strings.HasPrefix(a, "-"):
			return i
		case len(a) == 2 && strings.IndexByte("nIdLP", a[1]) >= 0:
			i++
		}
	}
	return len(args)
}

func replaced(command []string, mark, word string) []string {
	out := make([]string, len(command))
	for i, c := range command {
		out[i] = strings.ReplaceAll(c, mark, word)
	}
	return out
}

// xargsWords reads all words: lines with -I, parts between NULs with -0, otherwise what
// blanks separate, with quotes and backslashes as POSIX has them.
func xargsWords(in io.Reader, o options) ([]string, error) {
	data, err := io.ReadAll(bufio.NewReader(in))
	if err != nil {
		return nil, err
	}
	switch {
	case o.has("0"):
		return nonEmpty(strings.Split(string(data), "\x00")), nil
	case o.has("d"):
		return nonEmpty(strings.Split(strings.TrimSuffix(string(data), "\n"), o.set["d"])), nil
	case o.has("I"):
		var out []string
		for _, l := range strings.Split(string(data), "\n") {
			out = append(out, strings.TrimLeft(l, " \t"))
		}
		return nonEmpty(out), nil
	}
	return splitQuoted(string(data))
}

func nonEmpty(words []string) []string {
	var out []string
	for _, w := range words {
		if w != "" {
			out = append(out, w)
		}
	}
	return out
}

func splitQuoted(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	quote, started, escaped := byte(0), false, false
	for i := range len(text) { // by bytes: the names of files need not be UTF-8
		r := text[i]
		switch {
		case escaped:
			word.WriteByte(r)
			escaped = false
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(r)
		case r == '\\':
			escaped, started = true, true
		case r == '\'' || r == '"':
			quote, started = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		default:
			started = true
			word.WriteByte(r)
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	if started {
		words = append(words, word.String())
	}
	return words, nil
}

type xargsRun struct {
	s      Streams
	o      options
	status int
	stop   bool
}

func (x *xargsRun) start(words []string) {
	if x.stop {
		return
	}
	if x.o.has("t") {
		_, _ = io.WriteString(x.s.Err, strings.Join(words, " ")+"\n")
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr = x.s.Out, x.s.Err // standard input is the list
	err := cmd.Run()
	if err == nil {
		return
	}
	x.status = 123
	if _, ran := errors.AsType[*exec.ExitError](err); !ran {
		fail(x.s, "xargs", "cannot start %s: %v", words[0], why(err))
		x.status, x.stop = 127, true
	}
}
