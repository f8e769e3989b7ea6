package daemon

import (
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/config"
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
	c.Scale, c.Idle = 0.001, c.Idle*2
	if a, err = usage(c); err != nil || a.Policies[0].Idle != 1200*time.Millisecond || a.Policies[2].Idle != 3600*time.Millisecond || a.Warnings[1] != 60*time.Millisecond {
		t.Errorf("scaled: %+v, %v", a, err)
	}
}
