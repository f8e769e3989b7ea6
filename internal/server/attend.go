package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
)

// lease takes the session of a connection of kind. The kernel tells when a peer of a unix
// socket is gone, so a silent one is not thought dead.
func (s *Server) lease(ctx context.Context, c *call, ref string, kind activity.ClientKind, resume string) (activity.Lease, error) {
	return s.backend.Attend(ctx, c.actor, ref, activity.Visitor{Kind: kind, Peer: "unix", Resume: resume, Vouched: true})
}

// leases is the Attend of a gateway.
func (s *Server) leases(c *call, ref string, kind activity.ClientKind) func(context.Context, string) (activity.Lease, error) {
	return func(ctx context.Context, resume string) (activity.Lease, error) {
		return s.lease(ctx, c, ref, kind, resume)
	}
}

func errKicked() error {
	return fault.New(fault.Conflict, "kicked", "the session was ended by wsctl sessions --kick")
}

// carrying is a stream of bytes that a person moves: each piece shows that.
type carrying struct {
	io.Reader
	lease activity.Lease
	what  string
}

func (r carrying) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.lease.Engage(activity.Asked, r.what)
	}
	return n, err
}

// untilKicked ends reads and writes of the connection, and with them the call, when its
// session is ended.
func untilKicked(w http.ResponseWriter, lease activity.Lease, done <-chan struct{}) {
	select {
	case <-lease.Kicked():
		past := time.Unix(1, 0)
		rc := http.NewResponseController(w)
		_ = rc.SetReadDeadline(past)
		_ = rc.SetWriteDeadline(past)
	case <-done:
	}
}

// notices tells who looks at a terminal of ref that its workspace is about to stop.
func (s *Server) notices(c *call, ref string) func(ctx context.Context, tell func(string)) {
	return func(ctx context.Context, tell func(string)) {
		for ctx.Err() == nil {
			err := s.backend.Watch(ctx, c.actor, -1, ref, func(m api.Message) error {
				if m.Type == "event" && m.Event != nil && m.Event.Kind == event.ActivityWarning {
					tell(notice(*m.Event, m.Workspace.Name))
				}
				return nil
			})
			if err != nil {
				return // the terminal goes on without
			}
		}
	}
}

// notice words a warning.
func notice(e event.Event, name string) string {
	left := "soon"
	if d, err := time.ParseDuration(e.Detail["left"]); err == nil {
		left = "in " + shortly(d)
	}
	return fmt.Sprintf("%s stops %s: %s. Press a key to stay, or run: wsctl extend %s", name, left, because(activity.Cause(e.Detail["cause"])), name)
}

// shortly is a span in the unit that people would use.
func shortly(d time.Duration) string {
	if d < 90*time.Second {
		return fmt.Sprintf("%d s", int(d.Round(time.Second)/time.Second))
	}
	return fmt.Sprintf("%d min", int(d.Round(time.Minute)/time.Minute))
}

var causes = map[activity.Cause]string{
	activity.ByHold:       "its last hold ends",
	activity.ByEngagement: "nobody has used it for a while",
	activity.ByWork:       "the work in it has ended, or may hold it no longer",
	activity.ByGrace:      "everybody has left",
	activity.ByReady:      "nobody has used it since it started",
	activity.ByLifetime:   "no run may last longer",
	activity.ByHours:      "it is outside its running hours",
}

func because(c activity.Cause) string {
	if s, ok := causes[c]; ok {
		return s
	}
	return "by its policy"
}

// unattended is the lease of a connection that shows nothing of a person.
type unattended struct{}

func (unattended) ID() string                          { return "" }
func (unattended) Engage(activity.Evidence, string)    {}
func (unattended) Alive()                              {}
func (unattended) Trip(time.Duration) activity.Quality { return activity.Stable }
func (unattended) Missed() activity.Quality            { return activity.Stable }
func (unattended) Grace() time.Duration                { return 0 }
func (unattended) Kicked() <-chan struct{}             { return nil }
func (unattended) Close()                              {}
