package pid1

import (
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/agentapi"
)

// How a command that ends by itself is started again: after firstPause, doubled at each
// early end up to maxPause. An end is early when the command ran for less than settled.
// After crashLoop early ends in a row it is tried at loopPause only.
const (
	firstPause = 500 * time.Millisecond
	maxPause   = 30 * time.Second
	settled    = time.Minute
	crashLoop  = 5
	loopPause  = 5 * time.Minute
)

// restarts tells whether the command is started again after it ended with code.
func (in *initProcess) restarts(code int) bool {
	return in.restart == restartAlways || in.restart == restartOnFailure && code != 0
}

// schedule sets the time of the command's next start.
func (in *initProcess) schedule(code int) {
	if time.Since(in.began) >= settled {
		in.early = 0
	}
	in.early++
	pause := pauseAfter(in.early)
	in.again = time.After(pause)
	now := time.Now()
	in.now(func(c *agentapi.Command) {
		c.PID, c.Status, c.EndedAt, c.NextStart = 0, code, now, now.Add(pause)
		if c.CrashLoop = in.early >= crashLoop; c.CrashLoop {
			c.LastLines = in.tail.last()
		}
	})
}

// pauseAfter is how long to wait after so many early ends in a row.
func pauseAfter(early int) time.Duration {
	if early >= crashLoop {
		return loopPause
	}
	return min(firstPause<<(early-1), maxPause)
}

// started notes a start of the command; pid is 1 where it runs inside.
func (in *initProcess) started(pid int) {
	again := !in.began.IsZero()
	in.began = time.Now()
	in.status.begin(in.began)
	in.now(func(c *agentapi.Command) {
		c.PID, c.NextStart = pid, time.Time{}
		if again {
			c.Restarts++
		}
	})
}

// status is what a report says of the command. It is safe for concurrent use.
type status struct {
	mu    sync.Mutex
	c     agentapi.Command
	began time.Time // of the last start
}

// get tells no more of a crash loop once the command has settled.
func (s *status) get() agentapi.Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c.CrashLoop && s.c.PID != 0 && time.Since(s.began) >= settled {
		s.c.CrashLoop, s.c.LastLines = false, nil
	}
	return s.c
}

func (s *status) begin(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began = at
}

func (s *status) set(change func(*agentapi.Command)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.c)
}
