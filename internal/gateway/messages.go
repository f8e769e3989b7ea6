package gateway

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
)

// Bounds of what a client may say, in characters and entries.
const (
	maxWhat  = 64
	maxPath  = 512
	maxFile  = 256
	maxPaths = 64
	maxTypes = 64
	maxRef   = 64
)

// freshInput is how old the last input may be for a look to be evidence of a person.
const freshInput = time.Minute

// verbs are what a client may send about a room that it is in. Each is allowed anew, by
// the engine, for each message.
var verbs = map[string]func(*conn, *seat, api.Frame, time.Time) error{
	api.FrameSubscribe:   (*conn).subscribe,
	api.FrameInteraction: (*conn).interaction,
	api.FrameNavigation:  (*conn).navigation,
	api.FrameFileChange:  (*conn).fileChange,
	api.FrameVisibility:  (*conn).visibility,
	api.FrameCursor:      (*conn).cursor,
	api.FrameSamples:     (*conn).samples,
}

// handle does what a frame asks for. What is wrong with a frame is told to the client,
// and the connection stands; an error means that what came is no frame.
func (c *conn) handle(data []byte, now time.Time) error {
	var f api.Frame
	if err := c.hub.decode(data, &f); err != nil {
		return errors.New(fault.From(err).Code + ": " + fault.From(err).Text)
	}
	if err := c.dispatch(f, now); err != nil {
		p := c.hub.problem(err)
		c.queue.push(own(api.FrameError, f.Workspace, "", now, api.FrameProblem{
			Code: p.Code, Kind: p.Kind, Detail: p.Detail, Hint: p.Hint, Retryable: p.Retryable, Re: clip(f.Type, maxWhat),
		}))
	}
	return nil
}

func (c *conn) dispatch(f api.Frame, now time.Time) error {
	if f.V > 1 {
		return fault.New(fault.Invalid, "version_unknown", "frames of version %d are not understood", f.V).WithHint(`send "v": 1`)
	}
	switch f.Type {
	case api.FrameHello:
		var h api.Hello
		err := c.payload(f, &h)
		c.hub.log.Debug("a client of the gateway says hello", "client", tame(h.Client, maxWhat), "user", c.actor.ID)
		return err
	case api.FramePing:
		var p api.Ping
		if err := c.payload(f, &p); err != nil {
			return err
		}
		c.queue.push(own(api.FramePong, "", "", now, api.Ping{T: p.T, ServerTime: now}))
		return nil
	case api.FramePong:
		var p api.Ping
		if err := c.payload(f, &p); err != nil {
			return err
		}
		c.answered(p.T, now)
		return nil
	case api.FrameJoin:
		return c.join(f)
	case api.FrameLeave:
		return c.leave(f, now)
	}
	verb := verbs[f.Type]
	if verb == nil {
		return fault.New(fault.Invalid, "type_unknown", "%.40q is not a frame that a client sends", f.Type).WithHint("see docs/gateway.md")
	}
	s, err := c.seat(f.Workspace)
	if err != nil {
		return err
	}
	return verb(c, s, f, now)
}

// payload reads the payload of f; an absent one is empty.
func (c *conn) payload(f api.Frame, v any) error {
	if len(f.Payload) == 0 {
		return nil
	}
	return c.hub.decode(f.Payload, v)
}

// seat finds the seat in a workspace's room, and asks the engine whether its visitor
// still may.
func (c *conn) seat(ref string) (*seat, error) {
	id := ref
	switch {
	case ref == "":
		return nil, fault.New(fault.Invalid, "workspace_required", "the frame names no workspace").WithField("/workspace", "workspace_required", "")
	case ref != api.AllRooms:
		w, err := c.hub.engine.Workspace(c.ctx, c.actor, ref)
		if err != nil {
			return nil, err
		}
		id = w.ID
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.seats[id]; s != nil {
		return s, nil
	}
	return nil, fault.New(fault.Conflict, "not_joined", "this connection is not in that room").WithHint("send join first")
}

func (c *conn) join(f api.Frame) error {
	var j api.Join
	if err := c.payload(f, &j); err != nil {
		return err
	}
	types, err := typeSet(j.Types)
	if err != nil {
		return err
	}
	id, err := c.roomID(f.Workspace)
	if err != nil {
		return err
	}
	c.quit(c.sits(id)) // to join again is to begin anew
	c.mu.Lock()
	full := len(c.seats) >= c.hub.limits.Rooms
	c.mu.Unlock()
	if full {
		return fault.New(fault.Limit, "too_many_rooms", "one connection may be in %d rooms", c.hub.limits.Rooms).
			WithHint("leave some, or observe %q", api.AllRooms)
	}
	s, err := c.hub.enter(c.ctx, id, entry{actor: c.actor, queue: c.queue, peer: c.peer, join: j, types: types})
	if err != nil {
		return err
	}
	if !c.keep(s) {
		s.leave()
		return nil
	}
	if s.lease != nil {
		go c.watch(s)
	}
	return nil
}

// roomID is the id behind a reference to a workspace.
func (c *conn) roomID(ref string) (string, error) {
	switch {
	case ref == api.AllRooms:
		return ref, nil
	case ref == "":
		return "", fault.New(fault.Invalid, "workspace_required", "the frame names no workspace").WithField("/workspace", "workspace_required", "")
	case len(ref) > maxRef:
		return "", fault.New(fault.Invalid, "ref_invalid", "%.60q is not the name or id of a workspace", ref)
	}
	w, err := c.hub.engine.Workspace(c.ctx, c.actor, ref)
	return w.ID, err
}

// leave may be said of a workspace that is gone, or that the client may no longer see.
func (c *conn) leave(f api.Frame, now time.Time) error {
	id := f.Workspace
	if w, err := c.hub.engine.Workspace(c.ctx, c.actor, id); id != api.AllRooms && err == nil {
		id = w.ID
	}
	if !c.quit(c.sits(id)) {
		return fault.New(fault.Conflict, "not_joined", "this connection is not in that room")
	}
	c.queue.push(own(api.FrameLeft, id, "", now, api.Left{Reason: "asked"}))
	return nil
}

func typeSet(types []string) (map[string]bool, error) {
	if len(types) > maxTypes {
		return nil, fault.New(fault.Invalid, "types_too_many", "more than %d types are named", maxTypes)
	}
	if len(types) == 0 {
		return nil, nil
	}
	set := make(map[string]bool, len(types))
	for _, t := range types {
		set[t] = true
	}
	return set, nil
}

func (c *conn) subscribe(s *seat, f api.Frame, _ time.Time) error {
	var p api.Subscribe
	if err := c.payload(f, &p); err != nil {
		return err
	}
	types, err := typeSet(p.Types)
	if err == nil {
		s.room.subscribe(s, types)
	}
	return err
}

// evidence reads the payload of a frame that only those may send who have a session, and
// returns the member that they are.
func (c *conn) evidence(s *seat, f api.Frame, v any) (member string, err error) {
	member = s.room.member(s)
	if member == "" {
		return "", fault.New(fault.Conflict, "observer", "who observes gives no evidence of use").WithHint("join without observe")
	}
	return member, c.payload(f, v)
}

func (c *conn) interaction(s *seat, f api.Frame, _ time.Time) error {
	var p api.Interaction
	if _, err := c.evidence(s, f, &p); err != nil {
		return err
	}
	s.lease.Engage(activity.Visible, tame(p.What, maxWhat))
	return nil
}

func (c *conn) navigation(s *seat, f api.Frame, _ time.Time) error {
	var p api.Navigation
	if _, err := c.evidence(s, f, &p); err != nil {
		return err
	}
	s.lease.Engage(activity.Navigation, tame(p.Path, maxPath))
	return nil
}

// fileChange is evidence only where files were saved; the room is told in any case.
func (c *conn) fileChange(s *seat, f api.Frame, now time.Time) error {
	var p api.FileChange
	member, err := c.evidence(s, f, &p)
	if err != nil {
		return err
	}
	kinds := []string{"", "saved", "created", "deleted", "renamed"}
	if len(p.Paths) == 0 || len(p.Paths) > maxPaths || !slices.Contains(kinds, p.Kind) {
		return fault.New(fault.Invalid, "file_change_invalid", "a change names 1 to %d paths, and saved, created, deleted or renamed", maxPaths)
	}
	for i := range p.Paths {
		p.Paths[i] = tame(p.Paths[i], maxPath)
	}
	p.By = member
	if p.Kind == "" || p.Kind == "saved" {
		s.lease.Engage(activity.FileSaved, p.Paths[0])
	}
	s.room.publish(news{typ: api.FrameFileChange, time: now, body: body(p)}, s)
	return nil
}

// visibility is evidence where somebody looks and has just done something. That a page
// is shown and nobody touches it tells nothing.
func (c *conn) visibility(s *seat, f api.Frame, now time.Time) error {
	var p api.Visibility
	if _, err := c.evidence(s, f, &p); err != nil {
		return err
	}
	c.mu.Lock()
	c.hidden = !p.Visible
	c.mu.Unlock()
	age := time.Duration(min(max(p.InputAgeMS, -1), int64(time.Hour/time.Millisecond))) * time.Millisecond
	if p.Visible && age >= 0 && age <= freshInput {
		s.lease.Engage(activity.Visible, "page")
	}
	s.room.change(s, now, func(m *api.Member) { m.Visible = p.Visible })
	return nil
}

// cursor tells the others where somebody is. The newest counts.
func (c *conn) cursor(s *seat, f api.Frame, now time.Time) error {
	var p api.Cursor
	member, err := c.evidence(s, f, &p)
	if err != nil {
		return err
	}
	p = api.Cursor{
		Member: member, File: tame(p.File, maxFile), Note: tame(p.Note, maxWhat),
		Line: min(max(p.Line, 0), 1<<30), Column: min(max(p.Column, 0), 1<<30),
	}
	s.room.publish(news{typ: api.FrameCursor, key: cursorKey(p.Member), time: now, body: body(p)}, s)
	return nil
}

// tame bounds text of a client in characters and takes out what a terminal could act on.
func tame(s string, limit int) string {
	s = strings.ToValidUTF8(s, "")
	n := 0
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		if n++; n > limit {
			return -1
		}
		return r
	}, s)
}
