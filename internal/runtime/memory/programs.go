package memory

import (
	"bytes"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The commands that exist inside a container, and what they do:
//
//	true, false, exit N        end with that status
//	echo WORD...               write the words
//	print LINE...              write each line; as main process go on running
//	cat [FILE...]              copy input, or files of /workspace, to the output
//	env, pwd                   write the variables, the folder
//	sleep [SECONDS]            end after that time, or never
//	deaf                       run and ignore the request to end
//	sh -c "COMMAND; COMMAND"   run these; words are cut at spaces, nothing is expanded;
//	                           COMMAND > FILE and COMMAND >&2 redirect output (Exec only)
//
// Any other command, and none at all, serves the files of /workspace over HTTP on
// the port of the spec when it is the main process (--dir DIR: only those of a
// folder in it); Exec answers 127 for it.

// notFound is the exit status of a command that does not exist (POSIX sh).
const notFound = 127

// main runs the main process of a container that was just started.
func (e *Engine) main(c *container, now time.Time) {
	code := 0
	for _, words := range commands(c.spec.Command) {
		var stays bool
		if stays, code = e.step(c, words, now); stays {
			return
		}
		if words[0] == "exit" {
			break
		}
	}
	e.end(c, now, code, false)
}

// commands returns the simple commands of a command line, at least one.
func commands(words []string) [][]string {
	if len(words) == 0 {
		return [][]string{{"serve"}}
	}
	if len(words) != 3 || path.Base(words[0]) != "sh" || words[1] != "-c" {
		return [][]string{words}
	}
	var out [][]string
	for _, line := range strings.FieldsFunc(words[2], func(r rune) bool { return r == ';' || r == '\n' }) {
		if simple := strings.Fields(line); len(simple) > 0 {
			out = append(out, simple)
		}
	}
	if len(out) == 0 {
		return [][]string{{"true"}}
	}
	return out
}

// step runs one command of the main process. stays means that it goes on running.
func (e *Engine) step(c *container, words []string, now time.Time) (stays bool, code int) {
	name, args := path.Base(words[0]), words[1:]
	switch name {
	case "true", "false", "exit":
		return false, status(name, args)
	case "echo":
		c.logs.add(now, "stdout", strings.Join(args, " "))
		return false, 0
	case "print":
		for _, line := range args {
			c.logs.add(now, "stdout", line)
		}
	case "deaf":
		c.run.deaf = true
		c.logs.add(now, "stdout", "deaf")
	case "sleep":
		if d, ok := sleepTime(args); ok {
			go e.expire(c, c.run, d)
		}
	default:
		c.run.port, c.run.root = c.spec.Port, rootOf(args)
		c.logs.add(now, "stdout", "serving /workspace on port "+strconv.Itoa(c.spec.Port))
	}
	return true, 0
}

// rootOf is the folder that --dir names, relative to /workspace with a slash at its
// end; "" is the whole.
func rootOf(args []string) string {
	i := slices.Index(args, "--dir")
	if i < 0 || i+1 == len(args) {
		return ""
	}
	dir, inside := strings.CutPrefix(path.Clean(args[i+1]), "/workspace/")
	if !inside {
		return ""
	}
	return dir + "/"
}

// expire ends this life of c with status 0 after d, unless it ended before.
func (e *Engine) expire(c *container, life *run, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-life.done:
		return
	case <-timer.C:
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.run == life {
		e.end(c, time.Now(), 0, false)
	}
}

// status is the exit status of true, false and exit.
func status(name string, args []string) int {
	switch {
	case name == "true":
		return 0
	case name == "false":
		return 1
	case len(args) == 0:
		return 0
	}
	n, err := strconv.ParseUint(args[0], 10, 8)
	if err != nil {
		return 2
	}
	return int(n)
}

// sleepTime reads seconds or a duration; false means for ever.
func sleepTime(args []string) (time.Duration, bool) {
	if len(args) == 0 || args[0] == "infinity" {
		return 0, false
	}
	if s, err := strconv.ParseFloat(args[0], 64); err == nil {
		return time.Duration(s * float64(time.Second)), true
	}
	d, err := time.ParseDuration(args[0])
	return d, err == nil
}

// execute runs the command of Exec and returns its exit status.
func (p *process) execute(words []string) (code int) {
	if len(words) == 0 {
		return 0
	}
	for _, simple := range commands(words) {
		if code = p.redirect(simple); simple[0] == "exit" || code == killed {
			break
		}
	}
	return code
}

// redirect runs a simple command whose output may go elsewhere.
func (p *process) redirect(words []string) int {
	n := len(words)
	switch {
	case n > 1 && words[n-1] == ">&2":
		p.dest = p.stderr()
		defer func() { p.dest = nil }()
		return p.simple(words[:n-1])
	case n > 2 && words[n-2] == ">":
		var b bytes.Buffer
		p.dest = &b
		defer func() { p.dest = nil }()
		code := p.simple(words[:n-2])
		if !p.save(words[n-1], b.Bytes()) {
			p.complain(words[n-1] + ": read-only file system")
			return 1
		}
		return code
	}
	return p.simple(words)
}

func (p *process) simple(words []string) int {
	name, args := path.Base(words[0]), words[1:]
	switch name {
	case "true", "false", "exit":
		return status(name, args)
	case "echo":
		return p.print(strings.Join(args, " "))
	case "print":
		return p.print(args...)
	case "env":
		return p.print(p.env...)
	case "pwd":
		return p.print(p.dir)
	case "cat":
		return p.cat(args)
	case "sleep", "deaf":
		return p.sleep(args)
	}
	p.complain(name + ": command not found")
	return notFound
}

func (p *process) print(lines ...string) int {
	for _, line := range lines {
		if _, err := p.stdout().Write([]byte(line + "\n")); err != nil {
			return killed
		}
	}
	return 0
}

func (p *process) complain(text string) {
	_, _ = p.stderr().Write([]byte(text + "\n")) // a reader that went away does not want it
}

func (p *process) cat(names []string) (code int) {
	if len(names) == 0 && p.stdin != nil {
		if _, err := io.Copy(p.stdout(), p.stdin.reader); err != nil {
			return killed
		}
		return 0
	}
	for _, name := range names {
		content, ok := p.open(name)
		if !ok {
			p.complain("cat: " + name + ": no such file")
			code = 1
			continue
		}
		if _, err := p.stdout().Write(content); err != nil {
			return killed
		}
	}
	return code
}

func (p *process) sleep(args []string) int {
	var tick <-chan time.Time
	if d, ok := sleepTime(args); ok {
		timer := time.NewTimer(d)
		defer timer.Stop()
		tick = timer.C
	}
	select {
	case <-tick:
		return 0
	case <-p.life.done:
		return killed
	}
}
