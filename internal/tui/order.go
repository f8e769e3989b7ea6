package tui

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Verb is what an order asks for.
type Verb string

// The verbs. Those of api.Command are sent as they are.
const (
	Start   = Verb(api.Start)
	Stop    = Verb(api.Stop)
	Restart = Verb(api.Restart)
	Pause   = Verb(api.Pause)
	Resume  = Verb(api.Resume)
	Delete  = Verb("delete")
	Hold    = Verb("hold")
	Release = Verb("release") // end a hold
	Extend  = Verb("extend")
	Rename  = Verb("rename")
	Label   = Verb("label")
)

// Order is something to be done to one workspace.
type Order struct {
	Verb     Verb
	ID, Name string
	Force    bool          // delete also what runs
	For      time.Duration // hold, extend; 0: as wsd likes
	Text     string        // the new name; the reason of a hold; which hold to end
	Labels   map[string]*string
}

// Accepted is the answer to an order.
type Accepted struct {
	Revision uint64   // that the workspace has got by it; what is told of older ones is from before
	Notes    []string // what the person should know, one sentence each
}

// pending is an order whose end is still to be told.
type pending struct {
	Order
	accepted bool
	revision uint64 // since then; see Accepted
}

// ended reports whether a workspace has come to rest after the order.
func (p *pending) ended(w *workspace.Workspace) bool {
	return p.accepted && w.Revision >= p.revision && w.State.Settled() && w.Job == ""
}

// filled are copies of orders, with what an answer adds to each of them. For whom they are was
// decided when the question was asked.
func filled(orders []Order, add func(*Order)) []Order {
	orders = slices.Clone(orders)
	for i := range orders {
		add(&orders[i])
	}
	return orders
}

// commandLine is the command that is equal to orders, all of one verb.
func commandLine(orders []Order) string {
	if len(orders) == 0 {
		return ""
	}
	o := orders[0]
	if o.Verb == Release {
		return "wsctl hold " + o.Name + " --rm " + o.Text
	}
	words := []string{"wsctl", string(o.Verb)}
	for _, each := range orders {
		words = append(words, each.Name)
	}
	switch o.Verb {
	case Delete:
		if slices.ContainsFunc(orders, func(o Order) bool { return o.Force }) {
			words = append(words, "--force")
		}
	case Rename:
		words = append(words, o.Text)
	case Hold, Extend:
		if o.For > 0 {
			words = append(words, "--for", span(o.For))
		}
		if o.Text != "" {
			words = append(words, "--reason", render.Quote(o.Text))
		}
	case Label:
		for _, k := range slices.Sorted(maps.Keys(o.Labels)) {
			if v := o.Labels[k]; v != nil {
				words = append(words, render.Quote(k+"="+*v))
			} else {
				words = append(words, k+"-")
			}
		}
	}
	return strings.Join(words, " ")
}

// span is a duration without the zeros that time.Duration writes: 1h, not 1h0m0s.
func span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// outcome words what came of orders that are done as soon as they are accepted.
func outcome(orders []Order) string {
	o, who := orders[0], orders[0].Name
	if len(orders) > 1 {
		who = plural(len(orders), "workspace")
	}
	switch o.Verb {
	case Hold:
		return "held for " + span(o.For) + ": " + who
	case Release:
		return "not held by that any more: " + who
	case Extend:
		return "goes on as if just used: " + who
	case Rename:
		return who + " is called " + o.Text + " now"
	}
	return "labels are set: " + who
}

// done words the end of an order, once the workspace has come to rest.
func done(w workspace.Workspace) string {
	if w.State == workspace.Running && w.Port != 0 {
		return w.Name + " is running at " + portURL(w.Port)
	}
	text := w.Name + " is " + string(w.State)
	if w.State == workspace.Failed && w.Stop != nil {
		text += ": " + stopText(*w.Stop)
	}
	return text
}

// stopText says why something stopped.
func stopText(s workspace.Stop) string {
	return cmp.Or(s.Detail, map[workspace.StopReason]string{
		workspace.StoppedByUser:    strings.TrimSuffix("asked for by "+s.Actor, " by "),
		workspace.StoppedItself:    "its command ended",
		workspace.StoppedByCrash:   "its command crashed",
		workspace.StoppedByOOM:     "killed for memory",
		workspace.StoppedOutside:   "stopped with the engine's own tools",
		workspace.StoppedLost:      "its container was removed with the engine's own tools",
		workspace.StoppedInterrupt: "the engine or the machine went down",
		workspace.StoppedFailed:    "a start or a job failed",
	}[s.Reason], string(s.Reason))
}
