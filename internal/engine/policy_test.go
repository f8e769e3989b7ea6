package engine

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// night is a policy as a file of settings has it.
func night() activity.Policy {
	p, _ := activity.Named(activity.DefaultPolicy)
	p.Name, p.Idle, p.Background, p.MaxLifetime = "night", 3*time.Minute, 5*time.Minute, 8*time.Hour
	return p
}

func withNight(c *Config) { c.Activity.Policies = []activity.Policy{night()} }

func TestAPolicyOfTheSettingsDecidesWhereItIsNamed(t *testing.T) {
	inUseBubble(t, withNight, func(r *rig) {
		req := plain("demo")
		req.Policy = "night"
		if _, _, err := r.Create(r.t.Context(), alice, req, ""); err != nil {
			t.Fatal(err)
		}
		r.settle()
		r.vouched("demo")
		y := r.why("demo")
		if y.Policy != api.PolicyOf(night()) || y.StopAt.Sub(y.Now) > 5*time.Minute {
			t.Fatalf("policy %+v, stop at %s", y.Policy, y.StopAt)
		}
		never := activity.NeverPolicy
		if _, err := r.Update(r.t.Context(), alice, "demo", 0, api.Update{Policy: &never}); err != nil {
			t.Fatal(err)
		}
		r.pass(time.Hour)
		r.want("demo", workspace.Running)
		unset := ""
		if _, err := r.Update(r.t.Context(), alice, "demo", 0, api.Update{Policy: &unset}); err != nil {
			t.Fatal(err)
		}
		if y := r.why("demo"); y.Policy.Name != activity.DefaultPolicy || y.StopAt.IsZero() {
			t.Errorf("unset: %+v, stop at %s", y.Policy, y.StopAt)
		}
	})
}

func TestASessionMayComeBackWithinTheGraceOfTheWorkspacesPolicy(t *testing.T) {
	p := night()
	p.Grace = 3 * time.Second
	inUseBubble(t, func(c *Config) { c.Activity.Policies = []activity.Policy{p} }, func(r *rig) {
		r.create("demo")
		l := r.vouched("demo")
		if got := l.Grace(); got != 30*time.Second {
			t.Errorf("the grace is %v", got)
		}
		if _, err := r.Update(r.t.Context(), alice, "demo", 0, api.Update{Policy: &p.Name}); err != nil {
			t.Fatal(err)
		}
		r.pass(time.Second)
		if got := l.Grace(); got != p.Grace {
			t.Errorf("with another policy the grace is %v", got)
		}
		l.Close()
		r.pass(2 * time.Second)
		if back := r.attend("demo", activity.Visitor{Vouched: true, Resume: l.ID()}); back.ID() != l.ID() {
			t.Errorf("within the grace %s came back as %s", l.ID(), back.ID())
		} else {
			back.Close()
		}
		r.pass(p.Grace + time.Second)
		if back := r.attend("demo", activity.Visitor{Vouched: true, Resume: l.ID()}); back.ID() == l.ID() {
			t.Error("after the grace it came back as the same")
		}
	})
}

func TestAPolicyThatThereIsNotIsRefusedWhereItIsNamed(t *testing.T) {
	inUseBubble(t, withNight, func(r *rig) {
		req := plain("demo")
		req.Policy = "nigth"
		_, _, err := r.Create(r.t.Context(), alice, req, "")
		refused := func(what string, err error) {
			t.Helper()
			if f := fault.From(err); f.Code != "policy_unknown" || f.Kind != fault.Invalid || !strings.Contains(f.Hint, "night, default, eager") {
				t.Errorf("%s: %v (%s)", what, err, f.Hint)
			}
		}
		refused("create", err)
		r.create("other")
		name := "nigth"
		_, err = r.Update(r.t.Context(), alice, "other", 0, api.Update{Policy: &name})
		refused("update", err)
		if r.get("other").Spec.Policy != "" {
			t.Error("a refused policy was written")
		}
	})
}

func TestTheCeilingsHoldForPoliciesOfTheSettings(t *testing.T) {
	forever := night()
	forever.Name, forever.Never = "forever", true
	inUseBubble(t, func(c *Config) {
		c.Activity.Policies = []activity.Policy{night(), forever}
		c.Activity.Ceiling = activity.Ceiling{Background: 4 * time.Minute, NoNever: true}
	}, func(r *rig) {
		list, err := r.Policies(r.t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, p := range list.Policies {
			names = append(names, p.Name)
			if p.Background.Std() > 4*time.Minute || p.Never {
				t.Errorf("above the ceiling: %+v", p)
			}
		}
		if want := []string{"night", "default", "eager", "relaxed"}; !slices.Equal(names, want) || list.Default != "default" {
			t.Errorf("listed are %q, default %s", names, list.Default)
		}
		r.create("demo")
		for _, name := range []string{"forever", activity.NeverPolicy} {
			if _, err := r.Update(r.t.Context(), alice, "demo", 0, api.Update{Policy: &name}); !fault.HasCode(err, "policy_not_allowed") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestAPolicyThatLeftTheSettingsIsToldOfUntilThereIsOneAgain(t *testing.T) {
	inUseBubble(t, withNight, func(r *rig) {
		for _, name := range []string{"demo", "other"} {
			req := plain(name)
			req.Policy = "night"
			if _, _, err := r.Create(r.t.Context(), alice, req, ""); err != nil {
				t.Fatal(err)
			}
			r.settle()
		}
		r.tweak = func(c *Config) { c.Activity.Policy = activity.DefaultPolicy }
		r.restart()
		y := r.why("demo")
		c, missing := y.Workspace.Condition(workspace.PolicyMissing)
		if !missing || !c.Status || !strings.Contains(c.Detail, "night") || !strings.Contains(c.Detail, "default") || y.Policy.Name != activity.DefaultPolicy {
			t.Fatalf("condition %+v, policy %s", c, y.Policy.Name)
		}
		revision := r.get("demo").Revision
		r.restart()
		if now := r.get("demo").Revision; now != revision {
			t.Errorf("each start writes the workspace again: revision %d, then %d", revision, now)
		}
		eager := activity.EagerPolicy
		if _, err := r.Update(r.t.Context(), alice, "demo", 0, api.Update{Policy: &eager}); err != nil {
			t.Fatal(err)
		}
		if _, missing := r.condition("demo", workspace.PolicyMissing); missing {
			t.Error("the condition outlives another policy")
		}
		r.tweak = withNight
		r.restart()
		if _, missing := r.condition("other", workspace.PolicyMissing); missing || r.why("other").Policy.Name != "night" {
			t.Error("the condition outlives the return of the policy")
		}
	})
}

func TestWhetherRequestsWakeItCanBeChangedLater(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.create("demo")
		off, wrong := workspace.WakeOff, workspace.Wake("maybe")
		if w, err := r.Update(r.t.Context(), alice, "demo", 0, api.Update{Wake: &off}); err != nil || w.Spec.Wake != off {
			t.Errorf("got %q, %v", w.Spec.Wake, err)
		}
		if _, err := r.Update(r.t.Context(), alice, "demo", 0, api.Update{Wake: &wrong}); !fault.HasCode(err, "wake_invalid") {
			t.Errorf("got %v", err)
		}
	})
}
