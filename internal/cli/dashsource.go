package cli

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/tui"
	"github.com/wsctl/wsctl/internal/workspace"
)

// dashFacts is how far back the pane of events looks, in facts of all workspaces.
const dashFacts = 2000

// dashLogLines is how many lines the pane of logs begins with.
const dashLogLines = 1000

// dashPace is how long the dashboard leaves what happens to gather, so that a burst wakes it
// once. It is less than the time between two drawings of it: what comes within it of another
// change is seen one drawing later at most, and what comes alone at once.
const dashPace = 150 * time.Millisecond

// dashSource is the dashboard's view of wsd. It is safe for concurrent use.
type dashSource struct {
	f      *Factory
	client *client.Client
	seen   *client.Interest
	noWhy  atomic.Bool // this wsd is older than the question why
}

func newDashSource(f *Factory, c *client.Client) *dashSource {
	return &dashSource{f: f, client: c, seen: client.NewInterest()}
}

// Watch implements tui.Source: one subscription to the room of all workspaces. Before its
// snapshot, which tells everything of each, stands the list as a table shows it: of many
// workspaces it is there in a third of the time.
func (s *dashSource) Watch(ctx context.Context, tell func(tui.Change)) error {
	if list, err := s.client.Brief(ctx, api.Filter{}); err == nil {
		tell(sketchOf(list.Workspaces))
	}
	w := dashWatch{source: s, tell: tell, link: tui.Link{Daemon: true, Engine: true, Since: s.f.Now()}}
	for u, err := range s.client.Subscribe(ctx, client.SubscribeOptions{Samples: s.seen, Pace: dashPace}) {
		if err != nil {
			return err
		}
		w.take(ctx, u)
	}
	return ctx.Err()
}

// Look implements tui.Source.
func (s *dashSource) Look(ids []string) { s.seen.Set(ids) }

// why asks why, unless this wsd has said that it cannot be asked.
func (s *dashSource) why(ctx context.Context, id string) (*api.Why, error) {
	if s.noWhy.Load() {
		return nil, fault.New(fault.Unsupported, "why_unsupported", "this wsd does not tell why a workspace runs")
	}
	why, err := s.client.Why(ctx, id)
	if err != nil {
		s.noWhy.CompareAndSwap(false, fault.HasCode(err, "path_not_found"))
		return nil, err
	}
	return &why, nil
}

// Logs implements tui.Source.
func (s *dashSource) Logs(ctx context.Context, id string, tell func(workspace.LogLine)) error {
	for line, err := range s.client.ObserveLogs(ctx, id, workspace.LogOptions{Follow: true, Tail: dashLogLines}) {
		if err != nil {
			return err
		}
		tell(line)
	}
	return nil
}

// Details implements tui.Source.
func (s *dashSource) Details(ctx context.Context, id string, p tui.Pane) (d tui.Details, err error) {
	switch p {
	case tui.Overview, tui.Sessions:
		d.Why, err = s.why(ctx, id)
		if s.noWhy.Load() {
			err = nil
		}
	case tui.Events:
		d.Events, err = s.events(ctx, id)
	case tui.Jobs:
		var list api.JobList
		list, err = s.client.Jobs(ctx, nil, id)
		d.Jobs = list.Jobs
	case tui.Ports:
		var ports api.ListeningList
		if ports, err = s.client.Listening(ctx, id); err != nil {
			break
		}
		var terminals api.TerminalList
		terminals, err = s.client.Terminals(ctx, id)
		d.Listening, d.Terminals = ports.Ports, terminals.Terminals
	}
	return d, err
}

// events are the newest facts of one workspace, oldest first.
func (s *dashSource) events(ctx context.Context, id string) ([]event.Event, error) {
	st, err := s.client.Status(ctx)
	if err != nil {
		return nil, err
	}
	after := st.Seq - min(st.Seq, dashFacts)
	list, err := s.client.Events(ctx, after, 0, id)
	return list.Events, err
}

// Templates implements tui.Source.
func (s *dashSource) Templates(ctx context.Context) ([]api.Template, error) {
	list, err := s.client.Templates(ctx)
	return list.Templates, err
}

// Do implements tui.Source.
func (s *dashSource) Do(ctx context.Context, o tui.Order) (tui.Accepted, error) {
	var w workspace.Workspace
	var err error
	switch o.Verb {
	case tui.Start:
		return s.begin(ctx, startVerb(), o.ID)
	case tui.Restart:
		return s.begin(ctx, restartVerb(), o.ID)
	case tui.Delete:
		w, err = s.client.Delete(ctx, o.ID, o.Force)
	case tui.Hold:
		_, err = s.client.Hold(ctx, o.ID, api.HoldRequest{For: workspace.Duration(o.For), Reason: o.Text})
	case tui.Release:
		err = s.client.Unhold(ctx, o.ID, o.Text)
	case tui.Extend:
		_, err = s.client.Extend(ctx, o.ID, api.Extend{For: workspace.Duration(o.For)})
	case tui.Rename:
		w, err = s.client.Update(ctx, o.ID, 0, api.Update{Name: &o.Text})
	case tui.Label:
		w, err = s.client.Update(ctx, o.ID, 0, api.Update{Labels: o.Labels})
	default:
		w, err = s.client.Command(ctx, o.ID, api.Command(o.Verb))
	}
	return tui.Accepted{Revision: w.Revision}, err
}
