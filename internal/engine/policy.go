package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
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
	if h, ok := e.hours.of(w.Spec.Hours); ok {
		p.Hours = h
	}
	return p.Under(e.cfg.Activity.Ceiling)
}

// hours are the running hours of workspaces, each read once: a name of a time zone is a
// file. Methods are safe for concurrent use.
type hours struct {
	mu   sync.Mutex
	read map[string]activity.Hours // by their text
}

// maxHours bounds how many are remembered.
const maxHours = 1000

// of returns the hours that text says; it reports false where it says none.
func (c *hours) of(text string) (activity.Hours, bool) {
	if text == "" {
		return activity.Hours{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if h, ok := c.read[text]; ok {
		return h, true
	}
	h, err := activity.ParseHours(text)
	if err != nil {
		return h, false // of a zone that the machine knows no more: the policy's apply
	}
	if c.read == nil || len(c.read) >= maxHours {
		c.read = map[string]activity.Hours{}
	}
	c.read[text] = h
	return h, true
}

// checkHours refuses running hours that cannot be read.
func (e *Engine) checkHours(text string) error {
	if text == "" {
		return nil
	}
	if _, err := activity.ParseHours(text); err != nil {
		return fault.New(fault.Invalid, "hours_invalid", "the running hours are wrong: %v", err).
			WithHint("write %s", activity.HoursForm).WithField("/hours", "hours_invalid", "")
	}
	return nil
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

// Policies returns what a workspace may have, as it applies.
func (e *Engine) Policies(context.Context, workspace.Actor) (api.PolicyList, error) {
	a := e.cfg.Activity
	list := api.PolicyList{Default: e.policy(workspace.Workspace{}).Name}
	for _, p := range a.all() {
		if !p.Never || !a.Ceiling.NoNever {
			list.Policies = append(list.Policies, api.PolicyOf(p.Under(a.Ceiling)))
		}
	}
	return list, nil
}

// all is every policy that there is, each once.
func (a Activity) all() []activity.Policy {
	out := slices.Clone(a.Policies)
	for _, p := range activity.Policies() {
		if !slices.ContainsFunc(out, func(o activity.Policy) bool { return o.Name == p.Name }) {
			out = append(out, p)
		}
	}
	return out
}

// checkPolicy refuses a policy that there is not, and one that the ceilings forbid as a
// whole; what else they bound is bounded quietly, and shown so.
func (e *Engine) checkPolicy(name string) error {
	p, ok := e.cfg.Activity.named(name)
	if !ok {
		var names []string
		for _, p := range e.cfg.Activity.all() {
			names = append(names, p.Name)
		}
		return fault.New(fault.Invalid, "policy_unknown", "%.40q is not an activity policy", name).
			WithHint("there are %s; others are added to the settings as [activity.policies.NAME]", strings.Join(names, ", ")).
			WithField("/policy", "policy_unknown", "")
	}
	if name != "" && p.Never && e.cfg.Activity.Ceiling.NoNever {
		return fault.New(fault.Denied, "policy_not_allowed", "the settings of wsd do not allow a policy that never stops a workspace, as %s does", p.Name).
			WithHint("choose another one with `wsctl policy`, or ask for activity.allow_never").WithField("/policy", "policy_not_allowed", "")
	}
	return nil
}

// followPolicies notes on each workspace whether its policy is still configured: the
// settings change only while no daemon runs.
func (e *Engine) followPolicies(t *turn) error {
	for w, err := range t.Workspaces() {
		if err != nil {
			continue // a damaged row is told of by those who read it
		}
		w = w.Clone()
		if !e.notePolicy(t, &w) {
			continue
		}
		if err := t.put(&w); err != nil {
			return err
		}
		state := "found"
		if _, missing := w.Condition(workspace.PolicyMissing); missing {
			state = "missing"
			e.log.Warn("the policy of a workspace is not configured any more", "workspace", w.Name, "policy", w.Spec.Policy, "instead", e.policy(w).Name)
		}
		if err := t.tell(&w, workspace.Daemon, event.WorkspaceUpdated, map[string]string{"policy": state}); err != nil {
			return err
		}
	}
	return nil
}

// notePolicy brings the condition PolicyMissing of w up to date; it reports whether that
// changed it.
func (e *Engine) notePolicy(t *turn, w *workspace.Workspace) bool {
	if _, ok := e.cfg.Activity.named(w.Spec.Policy); ok {
		return w.DropCondition(workspace.PolicyMissing)
	}
	return w.SetCondition(t.now, workspace.Condition{
		Type: workspace.PolicyMissing, Status: true, Reason: "not_configured",
		Detail: fmt.Sprintf("its policy %s is not in the settings of wsd any more, so the policy %s decides", w.Spec.Policy, e.policy(*w).Name),
	})
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
