package tui

import (
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
	link     *Link
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
		n.put[w.ID] = w
		n.touched[w.ID] = true
		delete(n.gone, w.ID)
	}
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
	}
}
