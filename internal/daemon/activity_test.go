package daemon

import (
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/config"
	"github.com/wsctl/wsctl/internal/gateway"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestTheDefaultsOfTheConfigurationAreThePoliciesThemselves(t *testing.T) {
	c := config.Default(0, "/root", func(string) (string, bool) { return "", false }, 4).Activity
	a, err := usage(c)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range activity.Policies() {
		if a.Policies[i] != p {
			t.Errorf("policy %s is %+v, want %+v", p.Name, a.Policies[i], p)
		}
	}
	if len(a.Warnings) != 2 || a.Warnings[0] != 5*time.Minute || a.Ceiling.NoNever || a.Ceiling.Hold != 24*time.Hour {
		t.Errorf("got %+v", a)
	}
	if got := ownGrace(a); got != 30*time.Second {
		t.Errorf("the daemon's own grace is %v", got)
	}
	c.Scale, c.Idle = 0.001, c.Idle*2
	if a, err = usage(c); err != nil || a.Policies[0].Idle != 1200*time.Millisecond || a.Policies[2].Idle != 3600*time.Millisecond || a.Warnings[1] != 60*time.Millisecond {
		t.Errorf("scaled: %+v, %v", a, err)
	}
}

func TestAPolicyOfTheFileIsBesideTheBuiltInOnesAndScaledLikeThem(t *testing.T) {
	c := config.Default(0, "/root", func(string) (string, bool) { return "", false }, 4).Activity
	second := workspace.Duration(time.Second)
	c.Scale = 0.1
	c.Policies = map[string]config.Policy{"night": {
		Like: "eager", Active: 10 * second, Idle: 20 * second, Background: 30 * second, Grace: 40 * second,
		WorkTail: 50 * second, WorkCap: 60 * second, MaxLifetime: 70 * second, Hours: "8:00-19:00 UTC", Eager: config.On, Never: config.Off,
	}}
	a, err := usage(c)
	if err != nil {
		t.Fatal(err)
	}
	want := activity.Policy{
		Name: "night", Active: time.Second, Idle: 2 * time.Second, Background: 3 * time.Second, Grace: 4 * time.Second,
		WorkTail: 5 * time.Second, WorkCap: 6 * time.Second, MaxLifetime: 7 * time.Second, Eager: true,
	}
	got := a.Policies[len(a.Policies)-1]
	if end := got.Hours.Closes(time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC)); end.Hour() != 19 {
		t.Errorf("its hours end at %s", end)
	}
	got.Hours = activity.Hours{}
	if got != want || len(a.Policies) != len(activity.Policies())+1 {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestTheDefaultsOfTheGatewayAreItsOwnLimits(t *testing.T) {
	c := config.Default(0, "/root", func(string) (string, bool) { return "", false }, 4).Gateway
	got, err := gatewayLimits(c)
	if err != nil {
		t.Fatal(err)
	}
	want := gateway.DefaultLimits()
	want.PayloadBytes, want.Ping, want.Hurry, want.Pong, want.Write, want.Idle, want.Room, want.Grace, want.Quiet = 0, 0, 0, 0, 0, 0, 0, 0, 0
	want.Samples, want.Sample = 0, 0 // no settings
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	c.Message, c.QueueSize, c.RingSize, c.PerRoom = "2KiB", "3MiB", "5MiB", 7
	if got, err = gatewayLimits(c); err != nil || got.MessageBytes != 2<<10 || got.QueueBytes != 3<<20 || got.RingBytes != 5<<20 || got.PerRoom != 7 {
		t.Errorf("got %+v, %v", got, err)
	}
}
