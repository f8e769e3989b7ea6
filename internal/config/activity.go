package config

import (
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/workspace"
)

// Activity is how the use of a workspace decides about its life.
type Activity struct {
	Policy string `mapstructure:"policy"` // of a workspace that names none

	// The times of the policy default; the other named ones keep their own.
	Active     workspace.Duration `mapstructure:"active"`
	Idle       workspace.Duration `mapstructure:"idle"`
	Background workspace.Duration `mapstructure:"background"`
	Grace      workspace.Duration `mapstructure:"grace"`
	WorkTail   workspace.Duration `mapstructure:"work_tail"`
	WorkCap    workspace.Duration `mapstructure:"work_cap"`

	// Ceilings of every policy; 0: none.
	MaxBackground workspace.Duration `mapstructure:"max_background"`
	MaxWork       workspace.Duration `mapstructure:"max_work"`
	MaxLifetime   workspace.Duration `mapstructure:"max_lifetime"`
	MaxHold       workspace.Duration `mapstructure:"max_hold"`
	AllowNever    string             `mapstructure:"allow_never"` // on or off

	Warnings string  `mapstructure:"warnings"` // durations with commas, or off
	Throttle float64 `mapstructure:"throttle"` // cores of what is idle; 0: its own
	Pause    string  `mapstructure:"pause"`    // on or off
	Scale    float64 `mapstructure:"scale"`    // every time of every policy is multiplied by it

	Policies map[string]Policy `mapstructure:"policies"` // of the file, beside the built-in ones
}

// On stands for yes where Off stands for no.
const On = "on"

func defaultActivity() Activity {
	return Activity{
		Policy: "default",
		Active: minutes(2), Idle: minutes(10), Background: minutes(30), Grace: workspace.Duration(30 * time.Second),
		WorkTail: minutes(30), WorkCap: minutes(6 * 60),
		MaxHold: minutes(24 * 60), AllowNever: On, Warnings: "5m,1m", Pause: Off, Scale: 1,
	}
}

// Leads returns how long before a stop there are warnings, in the order given; never nil.
// It fails only on values that Load would have refused.
func (a Activity) Leads() ([]time.Duration, error) {
	out := []time.Duration{}
	if a.Warnings == Off {
		return out, nil
	}
	for word := range strings.SplitSeq(a.Warnings, ",") {
		var d workspace.Duration
		if err := d.UnmarshalText([]byte(strings.TrimSpace(word))); err != nil {
			return nil, err
		}
		out = append(out, d.Std())
	}
	return out, nil
}

// Bounds of the times of activity.
const (
	minActivity = time.Millisecond
	maxActivity = 30 * 24 * time.Hour
	minScale    = 0.0001
	maxLeads    = 8
)

func activityKeys(cpus int) []Key {
	some, any := duration(minActivity, maxActivity), duration(0, maxActivity)
	yes := oneOf(On, Off)
	times := func(name, about string, r rule, of func(*Activity) workspace.Duration) Key {
		return Key{"activity." + name, about, r, func(c *Config) string { return shortDuration(of(&c.Activity)) }}
	}
	return []Key{
		{
			"activity.policy", "When a workspace stops for want of use, unless it or its template names another policy.",
			policyName(), func(c *Config) string { return c.Activity.Policy },
		},
		times("active", "Policy default: used within it, a workspace is active.", some, func(a *Activity) workspace.Duration { return a.Active }),
		times("idle", "Policy default: used within it, idle; without a connection it stops so long after its last use.", some, func(a *Activity) workspace.Duration { return a.Idle }),
		times("background", "Policy default: with a connection it stops so long after its last use.", some, func(a *Activity) workspace.Duration { return a.Background }),
		times("grace", "Policy default: after the last connection has ended nothing changes for so long.", some, func(a *Activity) workspace.Duration { return a.Grace }),
		times("work_tail", "Policy default: work lets it run so much longer.", any, func(a *Activity) workspace.Duration { return a.WorkTail }),
		times("work_cap", "Policy default: how long after its last use work counts.", any, func(a *Activity) workspace.Duration { return a.WorkCap }),
		times("max_background", "Ceiling of background in every policy; 0s is none.", any, func(a *Activity) workspace.Duration { return a.MaxBackground }),
		times("max_work", "Ceiling of work_cap in every policy; 0s is none.", any, func(a *Activity) workspace.Duration { return a.MaxWork }),
		times("max_lifetime", "The longest that any workspace runs at a time; 0s is without end.", any, func(a *Activity) workspace.Duration { return a.MaxLifetime }),
		times("max_hold", "The longest that a workspace can be held.", some, func(a *Activity) workspace.Duration { return a.MaxHold }),
		{"activity.allow_never", "Whether a template or a workspace may have a policy that never stops it.", yes, func(c *Config) string { return c.Activity.AllowNever }},
		{"activity.warnings", "How long before a stop there are warnings.", leads(), func(c *Config) string { return c.Activity.Warnings }},
		{
			"activity.throttle", "Cores that an idle workspace is cut down to; 0 leaves it its own.", number(0, float64(cpus)),
			func(c *Config) string { return formatNumber(c.Activity.Throttle) },
		},
		{"activity.pause", "Whether a workspace in the background is frozen unless something works.", yes, func(c *Config) string { return c.Activity.Pause }},
		{
			"activity.scale", "Every time of every policy is multiplied by it, for trying things out.", number(minScale, 1),
			func(c *Config) string { return formatNumber(c.Activity.Scale) },
		},
	}
}

// policyName is a built-in policy, or one that the file may have.
func policyName() rule {
	r := templateName()
	r.allowed = strings.Join(builtIn(), ", ") + " or the name of one of activity.policies"
	return r
}

// leads is a list of durations.
func leads() rule {
	return textRule("durations with units and commas between, such as 5m,1m, at most 8, or off", func(s string) bool {
		all, err := Activity{Warnings: s}.Leads()
		for _, d := range all {
			if d < minActivity || d > maxActivity {
				return false
			}
		}
		return err == nil && len(all) <= maxLeads
	})
}
