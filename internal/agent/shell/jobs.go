package shell

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"syscall"
	"time"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// The interpreter runs `command &` in a goroutine of its own, gives it a name such as
// "g1" in place of a process id, and says no more about it. A shell has to know more: it
// may not end before the command has been started, `kill $!` must reach it, and Ctrl-C
// must not. So every `command &` is rewritten before it runs, into
//
//	__wsd_next=$(job new)
//	{ __wsd_job=$__wsd_next; __wsd_shell=$__wsd_shell/$__wsd_next; trap 'job done' EXIT; command; job done; } &
//	job started "$!"
//
// where `job` stands for a name that no user can type. A subshell has no jobs of its parent's, and
// numbers its own from 1; any function that it calls may have some. So each begins with
//
//	{ __wsd_shell=$__wsd_shell/$(job shell) && :; } 2>&-
//
// which leaves $? as it is, fails no `set -e` and shows nothing of itself to `set -x`.
const (
	jobCall  = "\x01job"
	killCall = "\x01kill"
	ownVars  = "__wsd_" // how the names of the next three begin
	nextVar  = "__wsd_next"
	jobVar   = "__wsd_job"
	shellVar = "__wsd_shell"
	doneTrap = "'" + jobCall + "' done"
)

// How long `command &` waits until it has a process that a signal can reach. A simple
// command has one soon, however busy the machine is; a loop of builtins never has one.
const (
	commandWait  = 2 * time.Second
	compoundWait = 50 * time.Millisecond
)

// job is one command in the background.
type job struct {
	name    string        // of the command where it is a simple one, else ""
	number  int           // as in %1
	inner   string        // what $! says
	started chan struct{} // closed at the first process, or where it could not be started
	settled bool          // started is closed
	done    chan struct{} // closed at the end
	ended   bool          // done is closed
	pids    map[int]bool
	killed  syscall.Signal // by `kill`: what it would still run is not run
	stop    chan struct{}  // closed with killed
}

// scope is one shell or subshell.
type scope struct {
	jobs []*job // that were not waited for, in order of their numbers
}

// jobs is the table of a shell's background commands. Handlers of several goroutines use
// it at once.
type jobs struct {
	mu     sync.Mutex
	list   []*job
	shells int               // subshells so far
	scopes map[string]*scope // that have had jobs, by what shellVar says: "" is the whole shell, "/s1/0" job 0 of its first subshell
}

// detach rewrites what begins in the background and what is a subshell at and below node.
func detach(node syntax.Node) {
	var open []syntax.Node
	syntax.Walk(node, func(n syntax.Node) bool {
		if n != nil {
			open = append(open, n)
			return true
		}
		rewrite(open[len(open)-1]) // after what is below it: what is put there is left alone
		open = open[:len(open)-1]
		return true
	})
}

// detached is detach for commands that follow one another.
func detached(stmts []*syntax.Stmt) []*syntax.Stmt {
	for _, st := range stmts {
		detach(st)
	}
	return detachAll(stmts)
}

func rewrite(node syntax.Node) {
	switch n := node.(type) {
	case *syntax.File:
		n.Stmts = detachAll(n.Stmts)
	case *syntax.Block:
		n.Stmts = detachAll(n.Stmts)
	case *syntax.IfClause:
		n.Cond, n.Then = detachAll(n.Cond), detachAll(n.Then)
	case *syntax.WhileClause:
		n.Cond, n.Do = detachAll(n.Cond), detachAll(n.Do)
	case *syntax.ForClause:
		n.Do = detachAll(n.Do)
	case *syntax.CaseItem:
		n.Stmts = detachAll(n.Stmts)
	case *syntax.Subshell:
		n.Stmts = scoped(n.Stmts)
	case *syntax.CmdSubst:
		n.Stmts = scoped(n.Stmts)
	case *syntax.ProcSubst:
		n.Stmts = scoped(n.Stmts)
	case *syntax.BinaryCmd:
		if n.Op == syntax.Pipe || n.Op == syntax.PipeAll { // the right side is no subshell here
			n.X = &syntax.Stmt{Position: n.X.Position, Cmd: &syntax.Block{Stmts: scoped([]*syntax.Stmt{n.X})}}
		}
	}
}

// scoped gives a subshell a table of its own.
func scoped(stmts []*syntax.Stmt) []*syntax.Stmt {
	if len(stmts) == 0 || stmts[0].Cmd == nil { // nothing, and $(<file), which the interpreter knows by its form
		return stmts
	}
	id := inside(substitute("shell").Parts[0])
	enter := &syntax.Stmt{
		Cmd:    &syntax.BinaryCmd{Op: syntax.AndStmt, X: assign(shellVar, id), Y: &syntax.Stmt{Cmd: literalCall([]string{":"})}},
		Redirs: []*syntax.Redirect{{Op: syntax.DplOut, N: &syntax.Lit{Value: "2"}, Word: literal("-")}},
	}
	return append([]*syntax.Stmt{enter}, detachAll(stmts)...)
}

// inside is the id of a shell within the one that runs.
func inside(part syntax.WordPart) *syntax.Word {
	return &syntax.Word{Parts: []syntax.WordPart{parameter(shellVar), &syntax.Lit{Value: "/"}, part}}
}

func detachAll(stmts []*syntax.Stmt) []*syntax.Stmt {
	var out []*syntax.Stmt
	for _, st := range stmts {
		if !st.Background {
			out = append(out, st)
			continue
		}
		inner := *st
		inner.Background = false
		create := substitute("new", simpleName(st))
		st.Redirs, st.Negated = nil, false
		st.Cmd = &syntax.Block{Stmts: []*syntax.Stmt{
			assign(jobVar, variable(nextVar)), assign(shellVar, inside(parameter(nextVar))),
			{Cmd: literalCall([]string{"trap", doneTrap, "EXIT"})},
			&inner,
			{Cmd: literalCall([]string{jobCall, "done"})},
		}}
		tell := literalCall([]string{jobCall, "started"})
		tell.Args = append(tell.Args, variable("!"), variable(nextVar))
		out = append(out, assign(nextVar, create), st, &syntax.Stmt{Cmd: tell})
	}
	return out
}

// simpleName is the name of the command that st consists of, "" if it is more than one.
func simpleName(st *syntax.Stmt) string {
	call, ok := st.Cmd.(*syntax.CallExpr)
	if !ok || len(call.Args) == 0 {
		return ""
	}
	return call.Args[0].Lit()
}

// substitute is what `job` prints.
func substitute(args ...string) *syntax.Word {
	return &syntax.Word{Parts: []syntax.WordPart{&syntax.CmdSubst{
		Stmts: []*syntax.Stmt{{Cmd: literalCall(append([]string{jobCall}, args...))}},
	}}}
}

func assign(name string, value *syntax.Word) *syntax.Stmt {
	return &syntax.Stmt{Cmd: &syntax.CallExpr{Assigns: []*syntax.Assign{{Name: &syntax.Lit{Value: name}, Value: value}}}}
}

func variable(name string) *syntax.Word {
	return &syntax.Word{Parts: []syntax.WordPart{parameter(name)}}
}

func parameter(name string) syntax.WordPart {
	param := &syntax.ParamExp{Param: &syntax.Lit{Value: name}}
	return &syntax.DblQuoted{Parts: []syntax.WordPart{param}}
}

func literal(text string) *syntax.Word {
	return &syntax.Word{Parts: []syntax.WordPart{&syntax.Lit{Value: text}}}
}

// call runs `job new|shell|started|done`.
func (t *jobs) call(hc interp.HandlerContext, args []string) error {
	in := hc.Env.Get(shellVar).String()
	switch args[0] {
	case "new":
		_, err := fmt.Fprintln(hc.Stdout, t.add(in, args[1]))
		return err
	case "shell":
		fmt.Fprintln(hc.Stdout, t.subshell())
	case "started":
		t.await(args[1], args[2])
		return nil
	case "done":
		t.finished(t.of(hc))
	}
	if hc.LastExitStatus != 0 {
		return interp.ExitStatus(hc.LastExitStatus)
	}
	return nil
}

// add makes a job of the shell in and returns its place in the list. Like in other shells its number is the next after those that nobody has
// waited for yet.
func (t *jobs) add(in, name string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	j := &job{name: name, number: 1, started: make(chan struct{}), done: make(chan struct{}), stop: make(chan struct{}), pids: map[int]bool{}}
	if t.scopes == nil {
		t.scopes = map[string]*scope{}
	}
	around := t.scope(in)
	t.scopes[in] = around
	if n := len(around.jobs); n > 0 {
		j.number = around.jobs[n-1].number + 1
	}
	around.jobs = append(around.jobs, j)
	id := strconv.Itoa(len(t.list))
	t.list = append(t.list, j)
	return id
}

// subshell names a subshell; it is no place in the list.
func (t *jobs) subshell() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shells++
	return "s" + strconv.Itoa(t.shells)
}

// scope finds a shell's table; the jobs are locked.
func (t *jobs) scope(id string) *scope {
	if c := t.scopes[id]; c != nil {
		return c
	}
	return &scope{}
}

// finished notes the end of j, which may be nil.
func (t *jobs) finished(j *job) {
	if j == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !j.ended {
		j.ended = true
		close(j.done)
	}
}

// await names the job and waits until it has something that a signal can reach.
func (t *jobs) await(name, number string) {
	j := t.numbered(number)
	if j == nil {
		return
	}
	t.mu.Lock()
	j.inner = name
	t.mu.Unlock()
	wait := compoundWait
	if j.name != "" && !interp.IsBuiltin(j.name) {
		wait = commandWait
	}
	limit := time.NewTimer(wait)
	defer limit.Stop()
	select {
	case <-j.started:
	case <-j.done:
	case <-limit.C:
	}
}

func (t *jobs) numbered(number string) *job {
	n, err := strconv.Atoi(number)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil || n < 0 || n >= len(t.list) {
		return nil
	}
	return t.list[n]
}

// of is the job that a command belongs to, nil for the foreground.
func (t *jobs) of(hc interp.HandlerContext) *job { return t.numbered(hc.Env.Get(jobVar).String()) }

// began and ended note a process of j, which may be nil. A `kill` between the call of a command and
// its process has found nothing to signal: so it is made up for here.
func (t *jobs) began(j *job, pid int) {
	if j == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	j.settle()
	j.pids[pid] = true
	if j.killed != 0 {
		_ = syscall.Kill(pid, j.killed) // nobody has waited for it yet: the id is its own
	}
}

// failed notes that a command of j could not be started.
func (t *jobs) failed(j *job) {
	if j == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	j.settle()
}

// settle closes started once; the table is locked.
func (j *job) settle() {
	if !j.settled {
		j.settled = true
		close(j.started)
	}
}

func (t *jobs) ended(j *job, pid int) {
	if j == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(j.pids, pid)
}

// finish waits, at the end of a script, for background work that this process itself has
// to do. A single command has a process of its own and is left running.
func (t *jobs) finish(isFunction func(name string) bool) {
	t.mu.Lock()
	list := t.list
	t.mu.Unlock()
	for _, j := range list {
		if j.name == "" || interp.IsBuiltin(j.name) || isFunction(j.name) {
			<-j.done
		}
	}
}

// background is the attribute of a process that Ctrl-C must not reach.
func background(ctx context.Context) *syscall.SysProcAttr {
	if ctx.Value(interactiveKey{}) == nil {
		return nil
	}
	return &syscall.SysProcAttr{Setpgid: true}
}

// interactiveKey marks the context of an interactive shell.
type interactiveKey struct{}
