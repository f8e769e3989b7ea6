package engine

import (
	"slices"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Activity is how the use of workspaces decides about their life. The zero value is the
// policies as they are, with warnings five minutes and one minute before a stop.
type Activity struct {
	Policy   string            // of a workspace that names none, or one that there is not; "": activity.DefaultPolicy
	Policies []activity.Policy // beside the named ones, and in their place where they share a name
	Ceiling  activity.Ceiling  // of every policy; Hold 0: maxHold
	Warnings []time.Duration   // how long before a stop; nil: the default, empty: none
	Throttle float64           // cores of a workspace that is idle; 0: it keeps its own
	Pause    bool              // freeze what is in the background and does not work
}

// maxHold is how long a hold may be where nothing else is said.
const maxHold = 24 * time.Hour

var defaultWarnings = []time.Duration{5 * time.Minute, time.Minute}

// policy is the one that applies to w, ceilings included.
func (e *Engine) policy(w workspace.Workspace) activity.Policy {
	p, ok := e.cfg.Activity.named(w.Spec.Policy)
	if !ok {
		p, ok = e.cfg.Activity.named(e.cfg.Activity.Policy)
	}
	if !ok {
		p, _ = activity.Named("")
	}
	return p.Under(e.cfg.Activity.Ceiling)
}

func (a Activity) named(name string) (activity.Policy, bool) {
	if name == "" {
		name = a.Policy
	}
	if name == "" {
		name = activity.DefaultPolicy
	}
	if i := slices.IndexFunc(a.Policies, func(p activity.Policy) bool { return p.Name == name }); i >= 0 {
		return a.Policies[i], true
	}
	return activity.Named(name)
}

// warnings are in falling order.
func (a Activity) warnings() []time.Duration {
	if a.Warnings == nil {
		return defaultWarnings
	}
	return a.Warnings
}

func (a Activity) longestHold() time.Duration {
	if a.Ceiling.Hold > 0 {
		return a.Ceiling.Hold
	}
	return maxHold
}
