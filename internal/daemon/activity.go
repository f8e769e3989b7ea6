package daemon

import (
	"maps"
	"slices"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/config"
	"github.com/wsctl/wsctl/internal/engine"
	"github.com/wsctl/wsctl/internal/gateway"
	"github.com/wsctl/wsctl/internal/workspace"
)

// usage is how the engine decides by use, as the configuration says.
func usage(c config.Activity) (engine.Activity, error) {
	leads, err := c.Leads()
	if err != nil {
		return engine.Activity{}, err
	}
	scaled := func(d time.Duration) time.Duration { return time.Duration(float64(d) * c.Scale) }
	a := engine.Activity{
		Policy: c.Policy, Warnings: leads, Throttle: c.Throttle, Pause: c.Pause == config.On,
		Ceiling: activity.Ceiling{
			Background: c.MaxBackground.Std(), WorkCap: c.MaxWork.Std(), MaxLifetime: c.MaxLifetime.Std(),
			Hold: c.MaxHold.Std(), NoNever: c.AllowNever != config.On,
		},
	}
	for i := range a.Warnings {
		a.Warnings[i] = scaled(a.Warnings[i])
	}
	for _, p := range policies(c) {
		for _, d := range []*time.Duration{&p.Active, &p.Idle, &p.Background, &p.Grace, &p.WorkTail, &p.WorkCap, &p.MaxLifetime} {
			*d = scaled(*d)
		}
		a.Policies = append(a.Policies, p)
	}
	return a, nil
}

// policies are the built-in ones, default with the times of the settings, and those of
// the file in order of name.
func policies(c config.Activity) []activity.Policy {
	all := activity.Policies()
	for i := range all {
		if p := &all[i]; p.Name == activity.DefaultPolicy {
			p.Active, p.Idle, p.Background = c.Active.Std(), c.Idle.Std(), c.Background.Std()
			p.Grace, p.WorkTail, p.WorkCap = c.Grace.Std(), c.WorkTail.Std(), c.WorkCap.Std()
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Policies)) {
		p := c.Policies[name]
		all = append(all, activity.Policy{
			Name: name, Active: p.Active.Std(), Idle: p.Idle.Std(), Background: p.Background.Std(), Grace: p.Grace.Std(),
			WorkTail: p.WorkTail.Std(), WorkCap: p.WorkCap.Std(), MaxLifetime: p.MaxLifetime.Std(),
			Eager: p.Eager == config.On, Never: p.Never == config.On,
		})
	}
	return all
}

// gatewayLimits are the bounds of clients of the gateway, as the configuration says; what it
// does not say is the gateway's own.
func gatewayLimits(c config.Gateway) (gateway.Limits, error) {
	l := gateway.Limits{
		Connections: c.Connections, PerUser: c.PerUser, PerRoom: c.PerRoom, Rooms: c.Rooms, PerSecond: c.PerSecond, Burst: c.Burst,
		QueueFrames: c.QueueFrames, RingFrames: c.RingFrames,
	}
	for _, size := range []struct {
		text string
		to   *int
	}{{c.Message, &l.MessageBytes}, {c.QueueSize, &l.QueueBytes}, {c.RingSize, &l.RingBytes}} {
		n, err := workspace.ParseSize(size.text)
		if err != nil {
			return l, err
		}
		*size.to = int(n)
	}
	return l, nil
}
