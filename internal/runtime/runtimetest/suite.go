// Package runtimetest states the contract of runtime.Driver as tests that every
// driver passes.
//
// Each case is one sentence of the contract. A driver's test calls Run, or takes
// Cases one by one where it must wrap them (a synctest bubble has no subtests).
// The suite speaks only through the Driver and the Harness; it never knows which
// engine is behind them, waits only for real conditions with a deadline, and
// removes what it made.
package runtimetest

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/runtime"
)

// Harness is one engine to test. Members that may be nil switch their cases off,
// with a line that says so.
type Harness struct {
	// Driver is under test. The suite does not close it.
	Driver runtime.Driver
	// Container returns a small valid container for a new workspace of this name. Its
	// main process serves the files of /workspace over HTTP on Spec.Port and ends soon
	// after it is asked to. Its image has sh -c, echo, cat, env and sleep in the PATH.
	Container func(name string) runtime.Container
	// Deaf is a main process that writes a line once it ignores the request to end. May be nil.
	Deaf []string
	// Other is a driver of another instance at the same engine. May be nil.
	Other runtime.Driver
	// Kill ends the main process by hand, with a status other than 0. May be nil.
	Kill func(r runtime.Ref)
	// RemoveByHand removes the container, and nothing else, by hand. May be nil.
	RemoveByHand func(r runtime.Ref)
	// Down makes the engine unreachable until up is called. May be nil.
	Down func() (up func())
	// Agent talks to the agent of Container over a new connection. Nil where there is none.
	Agent func(conn net.Conn) error
	// Build is an image whose build works, and Broken one whose build fails. Nil where the
	// driver is no runtime.Builder.
	Build, Broken func() runtime.Build
	// Patience bounds the wait for one condition; 0 means 20 s.
	Patience time.Duration
}

// Case is one named part of the contract.
type Case struct {
	Name  string
	Check func(t *testing.T, h Harness)
}

// Run runs every case as a subtest, each with a harness of its own.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) { c.Check(t, open(t)) })
	}
}

// Cases returns the whole contract.
func Cases() []Case {
	var out []Case
	for _, group := range [][]row{lifeCases(), fileCases(), logCases(), execCases(), dialCases(), agentCases(), buildCases(), limitCases(), watchCases(), objectCases(), errorCases()} {
		for _, r := range group {
			out = append(out, Case{r.name, func(t *testing.T, h Harness) { r.check(newWorld(t, h)) }})
		}
	}
	return out
}

type row struct {
	name  string
	check func(w *world)
}

// world is one harness during one case. Its methods fail the test; they are
// called from the test's own goroutine only.
type world struct {
	*testing.T
	Harness
	ctx context.Context
}

func newWorld(t *testing.T, h Harness) *world {
	t.Helper()
	if h.Patience == 0 {
		h.Patience = 20 * time.Second
	}
	ctx, cancel := context.WithTimeout(t.Context(), 6*h.Patience)
	t.Cleanup(cancel)
	return &world{t, h, ctx}
}

// must fails the test for an error.
func (w *world) must(err error, doing string) {
	w.Helper()
	if err != nil {
		w.Fatalf("cannot %s: %v", doing, err)
	}
}

// mustBe fails the test unless err is want.
func (w *world) mustBe(err, want error, doing string) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Errorf("%s: got error %v, want %v", doing, err, want)
	}
}

// eventually polls a condition until it holds.
func (w *world) eventually(what string, holds func() bool) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, w.Patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			w.Fatalf("%s did not come true within %s", what, w.Patience)
		}
	}
}

// soon runs call and fails the test when it takes longer than limit.
func (w *world) soon(what string, limit time.Duration, call func() error) error {
	w.Helper()
	done := make(chan error, 1)
	go func() { done <- call() }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		w.Fatalf("%s took longer than %s", what, limit)
		return nil
	}
}

// container returns the harness's container, and removes the workspace in the end.
func (w *world) container(name string) runtime.Container {
	w.Helper()
	c := w.Container(name)
	c.Origin = true
	if c.Generation == 0 {
		c.Generation = 1
	}
	w.removeLater(w.Driver, c.Workspace)
	img, err := w.Driver.EnsureImage(w.ctx, c.Spec.Image, nil)
	w.must(err, "have the image")
	c.Spec.Digest = img.Digest
	return c
}

func (w *world) removeLater(d runtime.Driver, workspaceID string) {
	w.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), w.Patience)
		defer cancel()
		if err := d.Remove(ctx, workspaceID); err != nil {
			w.Errorf("cannot clean up: %v", err)
		}
	})
}

// made ensures a container.
func (w *world) made(c runtime.Container) runtime.Status {
	w.Helper()
	st, err := w.Driver.Ensure(w.ctx, c)
	w.must(err, "ensure")
	return st
}

// running ensures and starts a container with this main process; none means the
// one of the harness.
func (w *world) running(name string, command ...string) runtime.Container {
	w.Helper()
	c := w.container(name)
	if len(command) > 0 {
		c.Spec.Command = command
	}
	w.made(c)
	w.must(w.Driver.Start(w.ctx, c.Ref), "start")
	return c
}

// status inspects a container that must exist.
func (w *world) status(r runtime.Ref) runtime.Status {
	w.Helper()
	st, err := w.Driver.Inspect(w.ctx, r)
	w.must(err, "inspect")
	return st
}

// state fails the test unless the container is in this state.
func (w *world) state(r runtime.Ref, want runtime.Observed) runtime.Status {
	w.Helper()
	st := w.status(r)
	if st.State != want {
		w.Fatalf("the container is %s, want %s", st.State, want)
	}
	return st
}

// listed returns the list's entries for one workspace.
func (w *world) listed(d runtime.Driver, workspaceID string) []runtime.Status {
	w.Helper()
	all, err := d.List(w.ctx)
	w.must(err, "list")
	var out []runtime.Status
	for _, s := range all {
		if s.Workspace == workspaceID {
			out = append(out, s)
		}
	}
	return out
}

// objects returns the objects of one workspace.
func (w *world) objects(d runtime.Driver, workspaceID string) []runtime.Object {
	w.Helper()
	all, err := d.Objects(w.ctx)
	w.must(err, "list the objects")
	var out []runtime.Object
	for _, o := range all {
		if o.Workspace == workspaceID {
			out = append(out, o)
		}
	}
	return out
}

// shell is a command line for sh.
func shell(text string) []string { return []string{"sh", "-c", text} }

// grace is long enough for a main process that heeds the request to end.
const grace = 10 * time.Second

// quick bounds what must not wait for anything: an ended context, a refused port.
const quick = 5 * time.Second
