package shell

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"mvdan.cc/sh/v3/interp"

	"github.com/wsctl/wsctl/internal/agent/applet"
)

// noJobCall stands for a `wait` for a job that there is not.
const noJobCall = "\x01nojob"

// specified finds the job that %1, %%, %+ or %- names in a shell: the number, the newest, or the one
// before it. Other shells also know %NAME and take the job that runs for the newest; which one
// does is a matter of luck, so here it is the newest that nobody has waited for.
func (c *scope) specified(spec string) *job {
	n := len(c.jobs)
	switch word := spec[1:]; word {
	case "", "%", "+":
		n--
	case "-":
		n = max(n-2, 0)
	default:
		number, err := strconv.Atoi(word)
		if err != nil {
			return nil
		}
		n = slices.IndexFunc(c.jobs, func(j *job) bool { return j.number == number })
	}
	if n < 0 || n >= len(c.jobs) {
		return nil
	}
	return c.jobs[n]
}

// find is the job that an argument names in a shell, by number or by what $! has said there or
// in a shell around it; nil if it names none. The jobs are locked.
func (t *jobs) find(in, arg string) *job {
	if strings.HasPrefix(arg, "%") {
		return t.scope(in).specified(arg)
	}
	for {
		for _, j := range slices.Backward(t.scope(in).jobs) {
			if j.inner == arg {
				return j
			}
		}
		if in == "" {
			return nil
		}
		in = in[:max(strings.LastIndexByte(in, '/'), 0)]
	}
}

// wait finds what a `wait` of j, nil for the foreground, is for. A job that is killed waits no more, as in other
// shells: so it waits here, where a kill reaches it, and its own jobs go on.
func (t *jobs) wait(ctx context.Context, hc interp.HandlerContext, j *job, args []string) []string {
	words, over := t.waitWords(hc.Env.Get(shellVar).String(), args)
	if j == nil {
		return words
	}
	for _, o := range over {
		select {
		case <-o.done:
		case <-j.stop:
			return exitWords(t.killedBy(j))
		case <-ctx.Done():
			return words
		}
	}
	return words
}

// waitWords puts what the interpreter calls a job in place of a job's number in the arguments of
// `wait` in a shell. What is waited for, which is over, is forgotten.
func (t *jobs) waitWords(in string, args []string) (words []string, over []*job) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.scope(in)
	if len(args) == 1 {
		over, c.jobs = c.jobs, nil
		return args, over
	}
	words = slices.Clone(args)
	for i, a := range words[1:] {
		j := t.find(in, a)
		switch {
		case j != nil:
			words[i+1] = j.inner
			over = append(over, j)
		case strings.HasPrefix(a, "%"):
			return []string{noJobCall, a}, nil
		}
	}
	over = slices.DeleteFunc(over, func(j *job) bool { return !slices.Contains(c.jobs, j) }) // of a shell around it
	c.jobs = slices.DeleteFunc(c.jobs, func(j *job) bool { return slices.Contains(over, j) })
	return words, over
}

// ends are the signals that end a shell in the background as they end a process.
var ends = map[string]syscall.Signal{
	"TERM": syscall.SIGTERM, "15": syscall.SIGTERM, "KILL": syscall.SIGKILL, "9": syscall.SIGKILL, "HUP": syscall.SIGHUP, "1": syscall.SIGHUP,
}

// kill signals processes and jobs. A job that is more than one command may have no process at
// the moment: so it is also told, and ends with its next command.
func (s *sh) kill(hc interp.HandlerContext, args []string) error {
	options, operands := killWords(args)
	sig := syscall.SIGTERM
	if len(options) > 0 && options[0] != "--" {
		name := strings.ToUpper(strings.TrimPrefix(options[len(options)-1], "-"))
		sig = ends[strings.TrimPrefix(name, "SIG")]
	}
	var pids []string
	status := 0
	for _, o := range operands {
		switch found, ok := s.jobs.signal(hc.Env.Get(shellVar).String(), o, sig); {
		case ok:
			pids = append(pids, found...)
		case strings.HasPrefix(o, "%"):
			fmt.Fprintf(hc.Stderr, "sh: kill: %s: no such job\n", o)
			status = statusFailed
		default:
			pids = append(pids, o)
		}
	}
	if len(pids) > 0 || len(operands) == 0 {
		kill, _ := applet.Find("kill")
		status = max(status, kill(applet.Streams{Out: hc.Stdout, Err: hc.Stderr}, slices.Concat([]string{"kill"}, options, pids)))
	}
	if status != 0 {
		return interp.ExitStatus(status)
	}
	return nil
}

// killWords parts the arguments of `kill` into its options and what it is for.
func killWords(args []string) (options, operands []string) {
	n := 0
	switch {
	case len(args) > 0 && args[0] == "-s":
		n = min(2, len(args))
	case len(args) > 0 && strings.HasPrefix(args[0], "-"):
		n = 1
	}
	if n < len(args) && n > 0 && args[0] != "--" && args[n] == "--" {
		return args[:n], args[n+1:]
	}
	return args[:n], args[n:]
}

// signal finds the processes of a job and has the job end, if that is what the signal does; ok is
// false for what names no job, and for one that is over.
func (t *jobs) signal(in, arg string, sig syscall.Signal) (pids []string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	j := t.find(in, arg)
	if j == nil || j.ended {
		return nil, false
	}
	for pid := range j.pids {
		pids = append(pids, strconv.Itoa(pid))
	}
	if sig != 0 {
		if j.killed == 0 {
			close(j.stop)
		}
		j.killed = sig
	}
	return pids, true
}

// killedBy is the signal that j, which may be nil, was killed by; 0 if by none.
func (t *jobs) killedBy(j *job) syscall.Signal {
	if j == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return j.killed
}
