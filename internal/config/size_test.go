package config

import "testing"

func TestDefaultsBecomeLimits(t *testing.T) {
	cfg, _, err := Load(userSources(t, "defaults.memory = '1.5GiB'"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := cfg.Defaults.Limits()
	if err != nil || l.Memory != 3<<29 || l.CPUs != 2 || l.Pids != 512 {
		t.Errorf("got %+v, %v", l, err)
	}
	if w := cfg.Timeouts.Workspace(); w.Create.String() != "10m0s" || w.Stop.String() != "10s" {
		t.Errorf("got %+v", w)
	}
	if _, err := (Defaults{Memory: "2"}).Limits(); err == nil {
		t.Error("a size without a unit gives limits")
	}
}
