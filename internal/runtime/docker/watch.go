package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"github.com/wsctl/wsctl/internal/runtime"
)

// watchedActions are the events that change what Inspect says, and the signals that
// explain an exit.
var watchedActions = []events.Action{
	events.ActionStart, events.ActionKill, events.ActionDie, events.ActionPause, events.ActionUnPause, events.ActionOOM, events.ActionDestroy,
}

// Watch tells of changes of our workspaces' containers. The engine remembers its
// last 256 events, of whatever kind, and none from before its own start; a gap is
// closed by List. The stream ends with ErrUnreachable when the engine goes away.
//
// The request is made here and not by the client's own Events, which does not tell
// when its stream stands.
func (d *Driver) Watch(ctx context.Context, since time.Time, connected func(), tell func(runtime.Change)) error {
	body, s, cancel, err := stream(ctx, d.link, "watch the engine", func(ctx context.Context, s *session) (io.ReadCloser, error) {
		return d.openEvents(ctx, s, since)
	})
	if err != nil {
		return err
	}
	defer cancel()
	defer func() { _ = body.Close() }()
	if connected != nil {
		connected()
	}
	for dec := json.NewDecoder(body); ; {
		var m events.Message
		if err := dec.Decode(&m); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			d.link.drop(s)
			return fmt.Errorf("cannot watch the engine: %w: %w", runtime.ErrUnreachable, err)
		}
		if ref := refOf(m.Actor.Attributes); d.ours(m.Actor.Attributes, roleWorkspace) && ref.Workspace != "" {
			tell(runtime.Change{Ref: ref, Action: string(m.Action), Time: time.Unix(0, m.TimeNano)})
		}
	}
}

func (d *Driver) openEvents(ctx context.Context, s *session, since time.Time) (io.ReadCloser, error) {
	if since.IsZero() {
		since = time.Now().Add(-time.Second) // closes the gap between the answer's head and the engine's subscription
	}
	f := d.filter(labelRole + "=" + roleWorkspace)
	f.Add("type", string(events.ContainerEventType))
	for _, a := range watchedActions {
		f.Add("event", string(a))
	}
	terms, err := filters.ToJSON(f)
	if err != nil {
		return nil, err
	}
	q := url.Values{"since": {stamp(since)}, "filters": {terms}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/v"+s.ClientVersion()+"/events?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.HTTPClient().Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("the engine answered %s", resp.Status)
	}
	return resp.Body, nil
}
