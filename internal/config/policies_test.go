package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
)

func TestAPolicyOfTheFileIsTheBuiltInOneThatItIsLikeButForWhatItSays(t *testing.T) {
	src := userSources(t, strings.Join([]string{
		`[activity]`, `policy = "mine"`, `idle = "7m"`,
		`[activity.policies.night-shift]`, `like = "relaxed"`, `idle = "5m"`, `hours = "mon-fri 8:00-19:00 Europe/Berlin"`,
		`[activity.policies.mine]`, `never = "on"`,
		`[activity.policies.bare]`,
	}, "\n")+"\n", "WSD_ACTIVITY_POLICIES_NIGHT_SHIFT_WORK_CAP=90m")
	s, err := Read(src)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"activity.policy":                            "mine",
		"activity.policies.night-shift.idle":         "5m",
		"activity.policies.night-shift.background":   "4h",
		"activity.policies.night-shift.work_cap":     "1h30m",
		"activity.policies.mine.never":               "on",
		"activity.policies.mine.idle":                "7m", // as the daemon's own default is set
		"activity.policies.bare.idle":                "7m",
		"activity.policies.bare.like":                "default",
		"activity.policies.bare.max_lifetime":        "0s",
		"activity.policies.bare.hours":               "always",
		"activity.policies.night-shift.hours":        "Mon-Fri 08:00-19:00 Europe/Berlin",
		"activity.policies.night-shift.eager":        "off",
		"activity.policies.night-shift.active":       "2m",
		"activity.policies.night-shift.grace":        "30s",
		"activity.policies.night-shift.work_tail":    "1h",
		"activity.policies.night-shift.like":         "relaxed",
		"activity.policies.night-shift.never":        "off",
		"activity.policies.mine.like":                "default",
		"activity.policies.night-shift.max_lifetime": "0s",
	} {
		if got := s.Text(key); got != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
	expectOrigin(t, src, "activity.policies.night-shift.work_cap", "1h30m", FromEnv, "WSD_ACTIVITY_POLICIES_NIGHT_SHIFT_WORK_CAP")
	if len(s.Origins.Warnings) > 0 {
		t.Errorf("warnings: %q", s.Origins.Warnings)
	}
}

func TestAPolicyThatCannotBeIsRefusedWithItsCode(t *testing.T) {
	many := ""
	for i := range maxPolicies + 1 {
		many += fmt.Sprintf("[activity.policies.p%d]\n", i)
	}
	for name, c := range map[string]struct{ file, code, pointer, says string }{
		"a default that there is not":     {`activity.policy = "nigth"`, "policy_unknown", "/activity/policy", "there are default, eager, relaxed, never"},
		"a name with capitals":            {"[activity.policies.Night]\nidle = \"5m\"", "policy_name_invalid", "/activity/policies/Night", "lower-case"},
		"a name with a dot, without keys": {"[activity.policies.\"a.b\"]", "policy_name_invalid", "/activity/policies/a.b", "lower-case"},
		"a built-in name":                 {"[activity.policies.eager]\ngrace = \"5s\"", "policy_built_in", "/activity/policies/eager", "another name"},
		"a member that there is not":      {"[activity.policies.night]\nidel = \"5m\"", "key_unknown", "/activity/policies/night/idel", "did you mean activity.policies.night.idle?"},
		"like one of the file":            {"[activity.policies.night]\nlike = \"night\"", "value_invalid", "/activity/policies/night/like", "default, eager, relaxed or never"},
		"a time without a unit":           {"[activity.policies.night]\nidle = 5", "value_invalid", "/activity/policies/night/idle", "a duration"},
		"hours of no day":                 {"[activity.policies.night]\nhours = \"Mox 08:00-19:00\"", "value_invalid", "/activity/policies/night/hours", "or always: \"Mox\" is not a day: there are Mon, Tue"},
		"hours that are a number":         {"[activity.policies.night]\nhours = 8", "value_invalid", "/activity/policies/night/hours", "must be ranges of days and times"},
		"idle below active":               {"[activity.policies.night]\nidle = \"1m\"", "range_reversed", "/activity/policies/night/idle", "activity.policies.night.active = 2m"},
		"background below idle":           {"[activity.policies.night]\nbackground = \"9m\"", "range_reversed", "/activity/policies/night/background", "must not be below"},
		"no table":                        {"activity.policies.night = 3", "key_unknown", "/activity/policies/night", "not a setting"},
		"a list of tables":                {"[[activity.policies.night]]\nidle = \"5m\"", "key_unknown", "/activity/policies/night", "write [activity.policies.night]"},
		"more than there may be":          {many, "policies_too_many", "/activity/policies", "at most 32"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(userSources(t, c.file+"\n"))
			var f *fault.Error
			if !errors.As(err, &f) || f.Code != "config_invalid" {
				t.Fatalf("got %v", err)
			}
			if len(f.Fields) != 1 || f.Fields[0].Code != c.code || f.Fields[0].Pointer != c.pointer || !strings.Contains(f.Fields[0].Detail, c.says) {
				t.Errorf("got %+v", f.Fields)
			}
		})
	}
}
