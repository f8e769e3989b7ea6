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
//	{ __wsd_job=$__wsd_next; command; job done; } &
//	job started "$!"
//
// where `job` stands for a name that no user can type.
const (
	jobCall  = "\x01job"
	killCall = "\x01kill"
	nextVar  = "__wsd_next"
	jobVar   = "__wsd_job"
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
	started chan struct{} // closed at the first process, or where it could not be started
	settled bool          // started is closed
	done    chan struct{} // closed at the end
	pids    map[int]bool
}

// jobs is the table of a shell's background commands. Handlers of several goroutines use
// it at once.
type jobs struct {
	mu    sync.Mutex
	list  []*job
	named map[string]*job // by what $! says
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
			n.Stmts = detachAll(n.Stmts)
		case *syntax.IfClause:
			n.Cond, n.Then = detachAll(n.Cond), detachAll(n.Then)
		case *syntax.WhileClause:
			n.Cond, n.Do = detachAll(n.Cond), detachAll(n.Do)
		case *syntax.ForClause:
			n.Do = detachAll(n.Do)
		case *syntax.CaseItem:
			n.Stmts = detachAll(n.Stmts)
		case *syntax.CmdSubst:
			n.Stmts = detachAll(n.Stmts)
		}
		return true
	})
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
		create := &syntax.Word{Parts: []syntax.WordPart{&syntax.CmdSubst{
			Stmts: []*syntax.Stmt{{Cmd: literalCall([]string{jobCall, "new", simpleName(st)})}},
		}}}
		st.Redirs, st.Negated = nil, false
		st.Cmd = &syntax.Block{Stmts: []*syntax.Stmt{
			assign(jobVar, variable(nextVar)), &inner, {Cmd: literalCall([]string{jobCall, "done"})},
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

func assign(name string, value *syntax.Word) *syntax.Stmt {
	return &syntax.Stmt{Cmd: &syntax.CallExpr{Assigns: []*syntax.Assign{{Name: &syntax.Lit{Value: name}, Value: value}}}}
}

func variable(name string) *syntax.Word {
	param := &syntax.ParamExp{Param: &syntax.Lit{Value: name}}
	return &syntax.Word{Parts: []syntax.WordPart{&syntax.DblQuoted{Parts: []syntax.WordPart{param}}}}
}

// call runs `job new|started|done`.
func (t *jobs) call(hc interp.HandlerContext, args []string) error {
	switch args[0] {
	case "new":
		_, err := fmt.Fprintln(hc.Stdout, t.add(args[1]))
		return err
	case "started":
		t.await(args[1], args[2])
		return nil
	}
	if j := t.of(hc); j != nil {
		close(j.done)
	}
	if hc.LastExitStatus != 0 {
		return interp.ExitStatus(hc.LastExitStatus)
	}
	return nil
}

// add makes a job; its number is its place in the list.
func (t *jobs) add(name string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = append(t.list, &job{
		name: name, started: make(chan struct{}), done: make(chan struct{}), pids: map[int]bool{},
	})
	return len(t.list) - 1
}

// await names the job and waits until it has something that a signal can reach.
func (t *jobs) await(name, number string) {
	j := t.numbered(number)
	if j == nil {
		return
	}
	t.mu.Lock()
	t.named[name] = j
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

// began and ended note a process of j, which may be nil.
func (t *jobs) began(j *job, pid int) {
	if j == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	j.settle()
	j.pids[pid] = true
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

// resolve puts the processes of a job in place of its name in the arguments of `kill`.
func (t *jobs) resolve(args []string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	for _, a := range args {
		j := t.named[a]
		if j == nil || len(j.pids) == 0 {
			out = append(out, a)
			continue
		}
		for pid := range j.pids {
			out = append(out, strconv.Itoa(pid))
		}
	}
	return out
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
