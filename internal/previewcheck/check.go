// Package previewcheck looks at a page of a workspace as a browser does, through the front
// door, and says whether hot replacement can work there, and if it cannot, why not and what
// to do.
//
// A look is a row of steps, each of which adds what it found to the report; one that leaves
// nothing to look at is the last. A look is no use of the workspace: its connections come
// from Source, to which the daemon gives no session, and its requests are marked as those
// that an open page makes by itself (see package intent), which start nothing that sleeps.
//
// What a workspace answers may be meant to harm. Every answer is bounded in bytes and time,
// what is quoted of it is shortened, and nothing is ever dialled but the front door and the
// workspace's own leased port, wherever a page, a redirect or a client points. A Checker is
// safe for concurrent use, and does a few looks at a time; one more is refused.
package previewcheck

import (
	"context"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Source is the address from which a look comes to the front door, where that listens on
// IPv4. All of 127.0.0.0/8 is this machine (RFC 1122, 3.2.1.3), and nobody else uses this
// one.
const Source = "127.0.119.115"

// House is what a look asks of the engine.
type House interface {
	// Workspace is the one that ref means, if a may see it.
	Workspace(ctx context.Context, a workspace.Actor, ref string) (workspace.Workspace, error)
	// Listening lists what listens inside; an error where that is unknown.
	Listening(ctx context.Context, a workspace.Actor, ref string) (api.ListeningList, error)
}

// Times bound a look.
type Times struct {
	Page  time.Duration // for the page: a dev server may build it when it is first asked for
	Part  time.Duration // for a script, and for an upgrade to be answered
	Hello time.Duration // for the first message of a socket
	Whole time.Duration // for all together
}

// DefaultTimes fit into what the API gives a request.
func DefaultTimes() Times {
	return Times{Page: 30 * time.Second, Part: 10 * time.Second, Hello: 2 * time.Second, Whole: 90 * time.Second}
}

// atOnce bounds the looks that go on: each may keep maxAll bytes.
const atOnce = 4

// Checker looks at pages.
type Checker struct {
	house  House
	names  func() string
	times  Times
	places chan struct{}
}

// New returns a Checker; names is where the front door serves names now, "" is nowhere.
func New(house House, names func() string, times Times) *Checker {
	return &Checker{house, names, times, make(chan struct{}, atOnce)}
}

// CheckPreview looks at path, with its query, on a port of the workspace ref; port 0 is the
// workspace's own.
func (c *Checker) CheckPreview(ctx context.Context, a workspace.Actor, ref string, port int, path string) (api.PreviewCheck, error) {
	select {
	case c.places <- struct{}{}:
		defer func() { <-c.places }()
	default:
		return api.PreviewCheck{}, fault.New(fault.Unavailable, "checks_busy", "%d pages are being looked at already", atOnce).
			WithHint("ask again when they are done").WithRetryAfter(time.Second)
	}
	w, err := c.house.Workspace(ctx, a, ref)
	if err != nil {
		return api.PreviewCheck{}, err
	}
	if port == 0 {
		port = w.Spec.Port
	}
	within, cancel := context.WithTimeout(ctx, c.times.Whole)
	defer cancel()
	l := &look{Checker: c, ctx: within, actor: a, w: w}
	l.report.Workspace, l.report.Port, l.report.Checks = w.Name, port, []api.Check{}
	if err := l.begin(path); err != nil {
		return api.PreviewCheck{}, err
	}
	defer l.leave()
	for _, step := range []func() bool{l.workspace, l.address, l.listening, l.page, l.frame, l.server, l.hot} {
		if !step() {
			break
		}
	}
	return l.report.done(), context.Cause(ctx)
}
