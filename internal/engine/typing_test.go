package engine

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/agentapi"
)

// overSSH is a connection of ssh whose bytes inside go nowhere, and its session.
func (r *rig) overSSH(name string) (net.Conn, activity.Lease) {
	r.t.Helper()
	mine, theirs := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, theirs) }()
	l := r.attend(name, activity.Visitor{Kind: activity.SSH, Vouched: true})
	return &sshConn{Conn: mine, engine: r.Engine, w: r.get(name), user: alice.ID}, l
}

// asked counts the questions that an agent has been asked.
func (a *fakeAgent) asked() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.reports
}

func (a *fakeAgent) types(at time.Time) {
	a.tell(func(a *fakeAgent) { a.report.Ttys = []agentapi.Tty{{Name: "pts/3", LastInput: at}} })
}

func inTypingBubble(t *testing.T, test func(r *rig, a *fakeAgent)) {
	inAgentBubble(t, func(r *rig, a *fakeAgent) {
		tweak := r.tweak
		r.tweak = func(c *Config) { tweak(c); c.Activity.Policy = activity.DefaultPolicy }
		r.restart()
		r.create("demo")
		test(r, a)
	})
}

func TestKeysOverSSHRaiseTheLevelWithinSeconds(t *testing.T) {
	inTypingBubble(t, func(r *rig, a *fakeAgent) {
		t := r.t
		conn, l := r.overSSH("demo")
		defer conn.Close()
		defer l.Close()
		r.pass(11 * time.Minute)
		if y := r.why("demo"); y.Level != activity.Background {
			t.Fatalf("nobody has typed, and it is %s", y.Level)
		}
		pressed := time.Now()
		a.types(pressed)
		_, _ = conn.Write([]byte("encrypted"))
		r.pass(2 * time.Second)
		y := r.why("demo")
		last := y.Ledger[len(y.Ledger)-1]
		if y.Level != activity.Active || !y.Facts.Engaged.Equal(pressed.Round(0)) || last.Kind != activity.Input || last.What != "terminal pts/3" || last.Who != alice.ID {
			t.Errorf("after a key it is %s, engaged at %s (pressed at %s): %+v", y.Level, y.Facts.Engaged, pressed, last)
		}
		if s := y.Sessions[0]; s.Inputs != 1 || !s.LastInput.Equal(pressed) {
			t.Errorf("the session has %d inputs, the last at %s", s.Inputs, s.LastInput)
		}
	})
}

func TestWhoeverGoesOnTypingOverSSHIsActiveAllTheTime(t *testing.T) {
	inTypingBubble(t, func(r *rig, a *fakeAgent) {
		t := r.t
		conn, l := r.overSSH("demo")
		defer conn.Close()
		defer l.Close()
		for range 600 {
			a.types(time.Now().Truncate(8 * time.Second)) // as the kernel tells it
			_, _ = conn.Write([]byte("x"))
			r.pass(5 * time.Second)
			if y := r.why("demo"); y.Level != activity.Active {
				t.Fatalf("while somebody types it is %s", y.Level)
			}
		}
	})
}

func TestAnSSHClientThatOnlyKeepsAliveIsNobodyAndCostsLittle(t *testing.T) {
	inTypingBubble(t, func(r *rig, a *fakeAgent) {
		t := r.t
		conn, l := r.overSSH("demo")
		defer conn.Close()
		defer l.Close()
		before := a.asked()
		r.pass(5 * time.Minute)
		if n := a.asked() - before; n != 0 {
			t.Errorf("without a byte the agent was asked %d times", n)
		}
		for range 15 * 60 / 5 {
			_, _ = conn.Write([]byte("keepalive"))
			r.pass(5 * time.Second)
		}
		if y := r.why("demo"); y.Level != activity.Background {
			t.Errorf("keepalives make it %s", y.Level)
		}
		if n := a.asked() - before; n > 20 {
			t.Errorf("in 15 minutes of keepalives the agent was asked %d times", n)
		}
	})
}
