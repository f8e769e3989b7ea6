package e2e_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
)

// made are the containers and networks of a wsd.
func (h *house) made(instance string) []string {
	h.t.Helper()
	return append(h.docker.Objects("container", instance, ""), h.docker.Objects("network", instance, "")...)
}

func TestAWsdThatEndsLeavesNothingWhereThereIsNoWorkspace(t *testing.T) {
	h := newHouse(t)
	var st api.Status
	if err := json.Unmarshal([]byte(h.ok("daemon", "status", "--json")), &st); err != nil {
		t.Fatal(err)
	}
	h.create("demo", "--template", "static")
	if out := h.ok("daemon", "stop"); out != "wsd is stopped; 1 workspace goes on running\n" {
		t.Errorf("with a workspace wsctl says %q", out)
	}
	if left := h.made(st.Instance); len(left) < 3 { // it, its sandbox and its network
		t.Errorf("of a workspace that runs is left %v", left)
	}
	h.Start()
	h.ok("delete", "demo", "--force")
	for end := time.Now().Add(patience); len(h.docker.Objects("container", st.Instance, "sandbox")) == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing was ever kept ready")
		}
	}
	if out := h.ok("daemon", "stop"); out != "wsd is stopped\n" {
		t.Errorf("without a workspace wsctl says %q", out)
	}
	if left := h.made(st.Instance); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}
