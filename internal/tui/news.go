package tui

import (
	"strconv"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

// newsEvents bounds the facts of one parcel; older ones are dropped.
const newsEvents = 256

// news is what happened between two frames: of each workspace only how it is now.
type news struct {
	reset    bool
	put      map[string]workspace.Workspace
	gone     map[string]bool
	events   []event.Event
	progress map[string]event.Signal // by workspace: the newest of progress
	touched  map[string]bool         // something was said of them that a pane may show
	uses     map[string]use
	samples  map[string]workspace.Usage // the newest of each
	link     *Link
	lost     bool // wsd was away in between
}

// use is what was said of how one workspace is used, newest last.
type use struct {
	whole    *api.Activity // all of it
	moved    *api.Use      // a part of it
	sessions int           // -1: nothing was said
}

// over returns how a workspace is used that was used as before; nil: nothing is known.
func (u use) over(before *api.Activity) *api.Activity {
	if u.whole != nil {
		before = u.whole
	}
	if u.moved == nil && (u.sessions < 0 || before == nil) {
		return before
	}
	var a api.Activity
	if before != nil {
		a = *before
	}
	if m := u.moved; m != nil {
		a.Level, a.StopAt, a.Cause = m.Level, m.StopAt, m.Cause
	}
	if u.sessions >= 0 {
		a.Sessions = u.sessions
	}
	return &a
}

// add merges c.
func (n *news) add(c Change) {
	if n.put == nil || c.Reset {
		n.put, n.gone = map[string]workspace.Workspace{}, map[string]bool{}
	}
	if n.touched == nil {
		n.touched, n.progress = map[string]bool{}, map[string]event.Signal{}
	}
	n.reset = n.reset || c.Reset
	for _, w := range c.Put {
		if n.put[w.ID].Revision > w.Revision {
			continue // a snapshot may be newer than what is told after it
		}
		n.put[w.ID] = w
		n.touched[w.ID] = true
		delete(n.gone, w.ID)
	}
	n.addUse(c)
	for _, id := range c.Gone {
		delete(n.put, id)
		n.gone[id] = true
	}
	n.events = append(n.events, c.Events...)
	n.events = n.events[max(0, len(n.events)-newsEvents):]
	if s := c.Signal; s != nil {
		n.touched[s.Workspace] = true
		if s.Kind == event.Progress {
			n.progress[s.Workspace] = *s
		}
	}
	if c.Link != nil {
		n.link = c.Link
		n.lost = n.lost || !c.Link.Daemon
	}
}

// lose counts to those that are gone what a snapshot does not have any more.
func (n *news) lose(known map[string]*row) {
	if !n.reset {
		return
	}
	for id := range known {
		if _, there := n.put[id]; !there {
			n.gone[id] = true
		}
	}
}

// addUse merges what c says of the use.
func (n *news) addUse(c Change) {
	if n.uses == nil || c.Reset {
		n.uses = map[string]use{}
	}
	for id, a := range c.Use {
		n.uses[id] = use{whole: &a, sessions: -1}
	}
	change := func(id string, do func(*use)) {
		u, ok := n.uses[id]
		if !ok {
			u.sessions = -1
		}
		do(&u)
		n.uses[id] = u
	}
	if m := c.Moved; m != nil {
		n.touched[m.Workspace] = true
		change(m.Workspace, func(u *use) { u.moved = m })
	}
	if s := c.Signal; s != nil && (s.Kind == event.SessionOpened || s.Kind == event.SessionClosed) {
		if count, err := strconv.Atoi(s.Detail["sessions"]); err == nil {
			change(s.Workspace, func(u *use) { u.sessions = count })
		}
	}
	if s := c.Sample; s != nil {
		if n.samples == nil {
			n.samples = map[string]workspace.Usage{}
		}
		n.samples[s.Workspace] = s.Usage
		if s.Activity != nil {
			n.uses[s.Workspace] = use{whole: s.Activity, sessions: -1}
		}
	}
}
