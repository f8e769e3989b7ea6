package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Policy is one table activity.policies.NAME of the file, every member filled in: what
// it leaves out is as in the policy Like.
type Policy struct {
	Like        string             `mapstructure:"like"` // a built-in one
	Active      workspace.Duration `mapstructure:"active"`
	Idle        workspace.Duration `mapstructure:"idle"`
	Background  workspace.Duration `mapstructure:"background"`
	Grace       workspace.Duration `mapstructure:"grace"`
	WorkTail    workspace.Duration `mapstructure:"work_tail"`
	WorkCap     workspace.Duration `mapstructure:"work_cap"`
	MaxLifetime workspace.Duration `mapstructure:"max_lifetime"`
	Hours       string             `mapstructure:"hours"` // see activity.ParseHours
	Eager       string             `mapstructure:"eager"` // on or off
	Never       string             `mapstructure:"never"` // on or off
}

// pointerEscape is of RFC 6901, section 3.
var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

const (
	policiesTable = "activity.policies."
	maxPolicies   = 32
)

// policyKeys are the settings of the policy name of the file.
func policyKeys(name string) []Key {
	some, any, yes := duration(minActivity, maxActivity), duration(0, maxActivity), oneOf(On, Off)
	row := func(member, about string, r rule, of func(Policy) string) Key {
		return Key{policiesTable + name + "." + member, about, r, func(c *Config) string { return of(c.Activity.Policies[name]) }}
	}
	span := func(member, about string, r rule, of func(Policy) workspace.Duration) Key {
		return row(member, about, r, func(p Policy) string { return shortDuration(of(p)) })
	}
	return []Key{
		row("like", "The built-in policy that it differs from.", oneOf(builtIn()...), func(p Policy) string { return p.Like }),
		span("active", "Used within it, a workspace is active.", some, func(p Policy) workspace.Duration { return p.Active }),
		span("idle", "Used within it, idle; without a connection it stops so long after its last use.", some, func(p Policy) workspace.Duration { return p.Idle }),
		span("background", "With a connection it stops so long after its last use.", some, func(p Policy) workspace.Duration { return p.Background }),
		span("grace", "After the last connection has ended nothing changes for so long.", some, func(p Policy) workspace.Duration { return p.Grace }),
		span("work_tail", "Work lets it run so much longer.", any, func(p Policy) workspace.Duration { return p.WorkTail }),
		span("work_cap", "How long after its last use work counts.", any, func(p Policy) workspace.Duration { return p.WorkCap }),
		span("max_lifetime", "The longest that it runs at a time; 0s is without end.", any, func(p Policy) workspace.Duration { return p.MaxLifetime }),
		row("hours", "When it may run though nobody uses it; outside it stops once nobody has for idle, unless it is held.", hours(), func(p Policy) string { return plainHours(p.Hours) }),
		row("eager", "Whether it stops after the grace where nobody is connected and nothing works.", yes, func(p Policy) string { return p.Eager }),
		row("never", "Whether it never stops by itself.", yes, func(p Policy) string { return p.Never }),
	}
}

// hours are running hours; what is wrong with others is told.
func hours() rule {
	problem := func(s string) string {
		if _, err := activity.ParseHours(s); err != nil {
			return err.Error()
		}
		return ""
	}
	r := textRule(activity.HoursForm, func(s string) bool { return problem(s) == "" })
	r.problem = func(g given) string { return problem(asText(g)) }
	r.form = func(g given) string { return plainHours(asText(g)) }
	return r
}

// plainHours is how the hours that text says are written.
func plainHours(text string) string {
	h, _ := activity.ParseHours(text) // accepted before
	return h.String()
}

// builtIn returns the names of the policies that need no table.
func builtIn() []string {
	var names []string
	for _, p := range activity.Policies() {
		names = append(names, p.Name)
	}
	return names
}

// declare adds the settings of every policy that the file has, and notes names that no
// policy can have. Keys below those are not told of a second time.
func (l *loader) declare(names []string) (others []string) {
	table, _ := l.inFile(strings.TrimSuffix(policiesTable, ".")).(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if _, isTable := table[name].(map[string]any); !isTable {
			continue // an unknown key
		}
		if code, problem := policyNameProblem(name); problem != "" {
			l.problems = append(l.problems, fault.Field{
				Pointer: "/activity/policies/" + pointerEscape.Replace(name), Code: code,
				Detail: fmt.Sprintf("%s%.40q (%s) %s", policiesTable, name, l.origins.File, problem),
			})
			below := policiesTable + strings.ReplaceAll(name, ".", "\x00") + "."
			names = slices.DeleteFunc(names, func(key string) bool { return strings.HasPrefix(key, below) })
			continue
		}
		l.policies = append(l.policies, name)
		l.keys = append(l.keys, policyKeys(name)...)
	}
	if len(l.policies) > maxPolicies {
		l.problems = append(l.problems, fault.Field{
			Pointer: "/activity/policies", Code: "policies_too_many",
			Detail: fmt.Sprintf("%d policies (%s), at most %d are allowed", len(l.policies), l.origins.File, maxPolicies),
		})
	}
	return names
}

func policyNameProblem(name string) (code, problem string) {
	switch {
	case workspace.ValidateName(name) != nil:
		return "policy_name_invalid", "is not the name of a policy: use lower-case letters, digits and single dashes"
	case slices.Contains(builtIn(), name):
		return "policy_built_in", "is built in: give yours another name, and say like = \"" + name + "\" in it"
	}
	return "", ""
}

// policyOf is the name of the policy that key belongs to, if it does to one.
func policyOf(key string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(key, policiesTable)
	name, _, _ = strings.Cut(rest, ".")
	return name, ok
}

// fillPolicy sets the defaults of the policy name in def: those of the built-in one that
// it is like, as far as it is known by now.
func (l *loader) fillPolicy(def *Config, name string) {
	like, ok := l.accepted[policiesTable+name+".like"].text()
	if !ok {
		like = activity.DefaultPolicy
	}
	base, _ := activity.Named(like)
	p := Policy{Like: like, MaxLifetime: workspace.Duration(base.MaxLifetime), Hours: base.Hours.String(), Eager: onOff(base.Eager), Never: onOff(base.Never)}
	for key, span := range map[string]struct {
		to   *workspace.Duration
		from workspace.Duration
	}{
		"active": {&p.Active, workspace.Duration(base.Active)}, "idle": {&p.Idle, workspace.Duration(base.Idle)},
		"background": {&p.Background, workspace.Duration(base.Background)}, "grace": {&p.Grace, workspace.Duration(base.Grace)},
		"work_tail": {&p.WorkTail, workspace.Duration(base.WorkTail)}, "work_cap": {&p.WorkCap, workspace.Duration(base.WorkCap)},
	} {
		*span.to = span.from
		if set, ok := l.duration("activity." + key); ok && like == activity.DefaultPolicy {
			*span.to = set
		}
	}
	if def.Activity.Policies == nil {
		def.Activity.Policies = make(map[string]Policy)
	}
	def.Activity.Policies[name] = p
}

func onOff(b bool) string {
	if b {
		return On
	}
	return Off
}

// crossCheckPolicies notes a default policy that there is not, and times of a policy of
// the file that are wrong only together.
func (l *loader) crossCheckPolicies() {
	if name, ok := l.accepted["activity.policy"].text(); ok && !slices.Contains(append(builtIn(), l.policies...), name) {
		o, _ := l.origins.Explain("activity.policy")
		l.problems = append(l.problems, fault.Field{
			Pointer: pointer("activity.policy"), Code: "policy_unknown",
			Detail: fmt.Sprintf("activity.policy = %.40q%s is not a policy: there are %s", name, place(o), strings.Join(append(builtIn(), l.policies...), ", ")),
		})
	}
	for _, name := range l.policies {
		of := policiesTable + name + "."
		l.inOrder(of+"active", of+"idle")
		l.inOrder(of+"idle", of+"background")
	}
}

// inOrder notes a duration upper that is below the duration lower.
func (l *loader) inOrder(lower, upper string) {
	least, ok1 := l.duration(lower)
	most, ok2 := l.duration(upper)
	if ok1 && ok2 && most < least {
		l.refuseTogether("range_reversed", upper, lower, "must not be below it")
	}
}
