package front

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/intent"
	"github.com/wsctl/wsctl/internal/preview"
	"github.com/wsctl/wsctl/internal/workspace"
)

// House is what the door asks of the engine.
type House interface {
	Dialer
	// Leased is the workspace that leases port.
	Leased(port int) (workspace.Workspace, error)
	// Named is the workspace of that name.
	Named(name string) (workspace.Workspace, error)
	// Wake makes the workspace run and waits until it does; cause says what asked for it.
	Wake(ctx context.Context, id, cause string) (workspace.Workspace, error)
	// Reach connects to a port inside the run of a workspace, and fails once that is over.
	Reach(ctx context.Context, id, run string, port int) (net.Conn, error)
	// Attend gives a client its session in a workspace that runs.
	Attend(ctx context.Context, a workspace.Actor, ref string, v activity.Visitor) (activity.Lease, error)
	// Offers lists what listens inside a running workspace; nothing where that is unknown.
	Offers(ctx context.Context, id string) []api.Listening
	// Watch yields a workspace as it is and then each change (see api.Message), until ctx
	// ends or yield fails. after is negative.
	Watch(ctx context.Context, a workspace.Actor, after int64, ref string, yield func(api.Message) error) error
	// Uses is how workspaces that run are used now.
	Uses(ids ...string) map[string]api.Activity
}

// How long a request is held while its workspace starts. Most starts are over long
// before; a person is then shown that something happens, a program is told to come back.
const (
	holdPage    = 3 * time.Second
	holdRequest = 30 * time.Second
	startTime   = 5 * time.Minute // the start itself goes on without whoever asked
)

// comeBack is after how long a page or program asks again.
const comeBack = time.Second

// rouse returns the workspace once it runs, or what to say instead. r is the request that
// asks for it; nil is a connection that does not speak HTTP.
func (d *Door) rouse(ctx context.Context, house House, w workspace.Workspace, r *http.Request) (workspace.Workspace, *preview.Page) {
	if w.State == workspace.Running {
		return w, nil
	}
	if page := d.mayStart(w, r); page != nil {
		return w, page
	}
	hold, cause := holdRequest, "a connection"
	if r != nil {
		cause = fmt.Sprintf("%.20s %.60s%.120s", r.Method, r.Host, r.URL.Path)
		if intent.Navigates(r) {
			hold = holdPage
		}
	}
	ctx, cancel := context.WithTimeout(ctx, hold)
	defer cancel()
	started := d.starts.DoChan(w.ID, func() (any, error) { return d.start(house, w, cause) })
	select {
	case res := <-started:
		if res.Err != nil {
			return w, problem(w, res.Err)
		}
		return res.Val.(workspace.Workspace), nil
	case <-ctx.Done():
		return w, starting(w)
	}
}

// mayStart says why a request does not start w; nil lets it. Whoever comes while a start
// is under way only waits for it.
func (d *Door) mayStart(w workspace.Workspace, r *http.Request) *preview.Page {
	if w.Desired == workspace.WantRunning && w.State != workspace.Failed && w.State != workspace.Stopped {
		return nil
	}
	asleep := preview.Page{
		Status: http.StatusServiceUnavailable, Title: w.Name + " is " + string(w.State),
		Hint: fmt.Sprintf("start it with `wsctl start %s`", w.Name),
	}
	switch {
	case w.State == workspace.Failed:
		asleep.Text = fmt.Sprintf("workspace %s has failed, so a request does not start it", w.Name)
		asleep.Hint = fmt.Sprintf("see why with `wsctl show %s` and `wsctl logs %s`, then `wsctl start %s`", w.Name, w.Name, w.Name)
		return &asleep
	case w.State == workspace.Deleting:
		asleep.Status, asleep.Text, asleep.Hint = http.StatusGone, fmt.Sprintf("workspace %s is being deleted", w.Name), ""
		return &asleep
	case w.Spec.Wake == workspace.WakeOff:
		asleep.Text = fmt.Sprintf("workspace %s is %s, and was told not to start by a request", w.Name, w.State)
		return &asleep
	}
	if r != nil {
		if i := intent.Of(r.URL.Path, r.Header); i != intent.Wanted {
			asleep.Text = fmt.Sprintf("workspace %s is %s; %s", w.Name, w.State, i.Why())
			asleep.RetryAfter = 30 * time.Second
			return &asleep
		}
	}
	return nil
}

// start asks for the start of w, which mayStart has let, within the budget of its owner.
// Another start may have ended since w was read: then there is nothing to do.
func (d *Door) start(house House, w workspace.Workspace, cause string) (workspace.Workspace, error) {
	if now, err := house.Named(w.Name); err == nil && now.ID == w.ID && now.State == workspace.Running {
		return now, nil
	}
	if wait, ok := d.budget.take(w.Owner, time.Now()); !ok {
		return w, fault.New(fault.Limit, "too_many_wakes", "requests have started too many workspaces in the last minutes").
			WithHint("start it with `wsctl start %s`, or wait", w.Name).WithRetryAfter(wait)
	}
	ctx, cancel := context.WithTimeout(d.running, startTime)
	defer cancel()
	return house.Wake(ctx, w.ID, cause)
}

// starting is the waiting page.
func starting(w workspace.Workspace) *preview.Page {
	return &preview.Page{
		Status: http.StatusServiceUnavailable, Title: w.Name + " is starting", Waiting: true, RetryAfter: comeBack,
		Text: fmt.Sprintf("workspace %s is on its way", w.Name),
		Hint: fmt.Sprintf("follow it with `wsctl events -f --workspace %s`", w.Name),
	}
}

// problem words an error of the engine.
func problem(w workspace.Workspace, err error) *preview.Page {
	p := preview.Page{
		Status: http.StatusBadGateway, Title: w.Name + " cannot be reached",
		Text: fmt.Sprintf("workspace %s cannot be reached", w.Name), Hint: fmt.Sprintf("see why with `wsctl show %s`", w.Name),
	}
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		p.Text, p.Hint, p.RetryAfter = strings.TrimSuffix(f.Text, "."), f.Hint, f.RetryAfter
		switch f.Kind {
		case fault.Unavailable, fault.Conflict:
			p.Status = http.StatusServiceUnavailable
		case fault.Limit:
			p.Status = http.StatusTooManyRequests
		}
	case errors.Is(err, context.DeadlineExceeded):
		p.Status, p.Text = http.StatusGatewayTimeout, fmt.Sprintf("workspace %s did not answer in time", w.Name)
	}
	return &p
}
