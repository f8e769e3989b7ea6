package shell

import (
	"context"
	"fmt"
	"slices"
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
//	{ __wsd_job=$__wsd_next; __wsd_shell=$__wsd_next; trap 'job done' EXIT; command; job done; } &
//	job started "$!"
//
// where `job` stands for a name that no user can type. A subshell has no jobs of its parent's, and
// numbers its own from 1: where it has any, or asks for some, it begins with
//
//	__wsd_shell=$(job shell)
const (
	jobCall  = "\x01job"
	killCall = "\x01kill"
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
}

// scope is one shell or subshell.
type scope struct {
	parent string // id of the one around it
	jobs   []*job // that were not waited for, in order of their numbers
}

// jobs is the table of a shell's background commands. Handlers of several goroutines use
// it at once.
type jobs struct {
	mu     sync.Mutex
	list   []*job
	scopes map[string]*scope // by what shellVar says; "" is the whole shell
}

// detach rewrites every background command below node.
func detach(node syntax.Node) {
	syntax.Walk(node, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.File:
			n.Stmts = detachAll(n.Stmts)
		case *syntax.Block:
			n.Stmts = detachAll(n.Stmts)
		case *syntax.Subshell:
			n.Stmts = scoped(n.Stmts)
		case *syntax.IfClause:
			n.Cond, n.Then = detachAll(n.Cond), detachAll(n.Then)
		case *syntax.WhileClause:
			n.Cond, n.Do = detachAll(n.Cond), detachAll(n.Do)
		case *syntax.ForClause:
			n.Do = detachAll(n.Do)
		case *syntax.CaseItem:
			n.Stmts = detachAll(n.Stmts)
		case *syntax.CmdSubst:
			n.Stmts = scoped(n.Stmts)
		}
		return true
	})
}

// scoped gives a subshell that has to do with jobs a table of its own.
func scoped(stmts []*syntax.Stmt) []*syntax.Stmt {
	if !slices.ContainsFunc(stmts, usesJobs) {
		return stmts
	}
	return append([]*syntax.Stmt{assign(shellVar, substitute("shell"))}, detachAll(stmts)...)
}

// usesJobs tells whether a command begins, ends or awaits something in the background.
func usesJobs(st *syntax.Stmt) (found bool) {
	syntax.Walk(st, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Stmt:
			found = found || n.Background
		case *syntax.CallExpr:
			found = found || len(n.Args) > 0 && slices.Contains([]string{"kill", "wait", "trap"}, n.Args[0].Lit())
		}
		return !found
	})
	return found
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
			assign(jobVar, variable(nextVar)), assign(shellVar, variable(nextVar)),
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
	param := &syntax.ParamExp{Param: &syntax.Lit{Value: name}}
	return &syntax.Word{Parts: []syntax.WordPart{&syntax.DblQuoted{Parts: []syntax.WordPart{param}}}}
}

// call runs `job new|shell|started|done`.
func (t *jobs) call(hc interp.HandlerContext, args []string) error {
	in := hc.Env.Get(shellVar).String()
	switch args[0] {
	case "new":
		_, err := fmt.Fprintln(hc.Stdout, t.add(in, args[1]))
		return err
	case "shell":
		_, err := fmt.Fprintln(hc.Stdout, t.subshell(in))
		return err
	case "started":
		t.await(args[1], args[2])
		return nil
	}
	t.finished(t.of(hc))
	if hc.LastExitStatus != 0 {
		return interp.ExitStatus(hc.LastExitStatus)
	}
	return nil
}

// add makes a job of the shell in; what is returned, its place in the list, is the id of the
// shell that it is. Like in other shells its number is the next after those that nobody has
// waited for yet.
func (t *jobs) add(in, name string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	j := &job{name: name, number: 1, started: make(chan struct{}), done: make(chan struct{}), pids: map[int]bool{}}
	around := t.scope(in)
	if n := len(around.jobs); n > 0 {
		j.number = around.jobs[n-1].number + 1
	}
	around.jobs = append(around.jobs, j)
	id := strconv.Itoa(len(t.list))
	t.list = append(t.list, j)
	t.scopes[id] = &scope{parent: in}
	return id
}

// subshell makes a table for a subshell of the shell in.
func (t *jobs) subshell(in string) (id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	id = "s" + strconv.Itoa(len(t.scopes))
	t.scopes[id] = &scope{parent: in}
	return id
}

// scope finds a shell's table; the jobs are locked.
func (t *jobs) scope(id string) *scope {
	if t.scopes == nil {
		t.scopes = map[string]*scope{}
	}
	if t.scopes[id] == nil {
		t.scopes[id] = &scope{}
	}
	return t.scopes[id]
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
