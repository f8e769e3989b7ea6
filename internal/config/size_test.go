package config

import "testing"

func TestDefaultsBecomeLimits(t *testing.T) {
	cfg := Default(1000, "/home/ada", func(string) (string, bool) { return "", false }, 4)
	cfg.Defaults.Memory = "1.5GiB"
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
