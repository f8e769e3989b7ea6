package gateway

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
)

// stuck is a client that has joined and reads nothing while more comes than sockets hold.
func stuck(t *testing.T, l Limits) *rig {
	t.Helper()
	l.QueueFrames, l.QueueBytes = 4096, 64<<20
	r := newRig(t, l)
	w := r.fake.add("one", alice)
	p := r.dial(alice)
	p.join("one", api.Join{})
	payload := json.RawMessage(`{"text":"` + strings.Repeat("x", 60<<10) + `"}`)
	for range 400 {
		if err := r.hub.Publish(w.ID, api.FrameConsole, payload); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r *rig) clients() int {
	r.hub.census.mu.Lock()
	defer r.hub.census.mu.Unlock()
	return r.hub.census.total
}

func TestAWriteThatNobodyTakesEndsTheConnection(t *testing.T) {
	t.Parallel() // it mostly waits
	r := stuck(t, Limits{Write: 2 * time.Second})
	eventually(t, "the client is let go", func() bool { return r.clients() == 0 })
}

func TestAWriteThatNobodyTakesDoesNotHoldUpTheEnd(t *testing.T) {
	r := stuck(t, Limits{Write: time.Hour})
	if r.clients() != 1 {
		t.Fatalf("there are %d clients", r.clients())
	}
	r.end()
	eventually(t, "the client is let go", func() bool { return r.clients() == 0 })
}
