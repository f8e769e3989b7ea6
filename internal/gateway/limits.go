package gateway

import (
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Limits bound what clients may cost. Zero fields are those of DefaultLimits.
type Limits struct {
	Connections int // of all users
	PerUser     int // of one
	PerRoom     int
	Rooms       int // that one connection may be in

	MessageBytes int // of one frame from a client
	PerSecond    int // frames from a client in the long run
	Burst        int // frames at once

	QueueFrames, QueueBytes int // that wait for one client
	RingFrames, RingBytes   int // that one room remembers
	PayloadBytes            int // of what is published from inside

	Samples int // workspaces that are measured for one seat

	Ping  time.Duration // between two pings
	Hurry time.Duration // between two pings of an unstable connection that somebody sees
	Pong  time.Duration // an answer may take
	Write time.Duration // a client may take for one frame
	Idle  time.Duration // a connection may be in no room
	Room  time.Duration // an empty room is remembered
	Grace time.Duration // of sessions, as hello tells it; that of each one is its lease's
	Quiet time.Duration // silence of server-sent events

	Sample time.Duration // between two samples of a workspace
}

// DefaultLimits are used where Limits has zeros. Queue and ring are those of which
// measurements showed that readers of usual speed are never closed.
func DefaultLimits() Limits {
	return Limits{
		Connections: 256, PerUser: 128, PerRoom: 128, Rooms: 64,
		MessageBytes: 32 << 10, PerSecond: 50, Burst: 100,
		QueueFrames: 256, QueueBytes: 1 << 20, RingFrames: 1024, RingBytes: 4 << 20, PayloadBytes: 64 << 10,
		Samples: 128,
		Ping:    15 * time.Second, Hurry: 5 * time.Second, Pong: 10 * time.Second, Write: 10 * time.Second,
		Idle: 30 * time.Second, Room: 2 * time.Minute, Grace: activity.LeaseLife, Quiet: 15 * time.Second,
		Sample: 2 * time.Second,
	}
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	for _, p := range []struct{ v, def *int }{
		{&l.Connections, &d.Connections},
		{&l.PerUser, &d.PerUser},
		{&l.PerRoom, &d.PerRoom},
		{&l.Rooms, &d.Rooms},
		{&l.MessageBytes, &d.MessageBytes},
		{&l.PerSecond, &d.PerSecond},
		{&l.Burst, &d.Burst},
		{&l.QueueFrames, &d.QueueFrames},
		{&l.QueueBytes, &d.QueueBytes},
		{&l.RingFrames, &d.RingFrames},
		{&l.RingBytes, &d.RingBytes},
		{&l.PayloadBytes, &d.PayloadBytes},
		{&l.Samples, &d.Samples},
	} {
		if *p.v <= 0 {
			*p.v = *p.def
		}
	}
	for _, p := range []struct{ v, def *time.Duration }{
		{&l.Ping, &d.Ping},
		{&l.Hurry, &d.Hurry},
		{&l.Pong, &d.Pong},
		{&l.Write, &d.Write},
		{&l.Idle, &d.Idle},
		{&l.Room, &d.Room},
		{&l.Grace, &d.Grace},
		{&l.Quiet, &d.Quiet},
		{&l.Sample, &d.Sample},
	} {
		if *p.v <= 0 {
			*p.v = *p.def
		}
	}
	return l
}

// bucket is a token bucket. One goroutine uses it.
type bucket struct {
	rate, burst float64
	tokens      float64
	at          time.Time
}

func newBucket(perSecond, burst int, now time.Time) bucket {
	return bucket{rate: float64(perSecond), burst: float64(burst), tokens: float64(burst), at: now}
}

// spend takes one token and reports whether there was one.
func (b *bucket) spend(now time.Time) bool {
	if d := now.Sub(b.at); d > 0 {
		b.tokens = min(b.burst, b.tokens+b.rate*d.Seconds())
		b.at = now
	}
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// census counts connections of each user.
type census struct {
	mu    sync.Mutex
	total int
	users map[string]int
}

func (c *census) enter(a workspace.Actor, l Limits) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.total >= l.Connections || c.users[a.ID] >= l.PerUser {
		return fault.New(fault.Limit, "too_many_connections", "too many clients of the gateway are connected").
			WithHint("close some, or let one connection join several rooms").WithRetryAfter(5 * time.Second)
	}
	if c.users == nil {
		c.users = map[string]int{}
	}
	c.total++
	c.users[a.ID]++
	return nil
}

func (c *census) leave(a workspace.Actor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total--
	if c.users[a.ID]--; c.users[a.ID] == 0 {
		delete(c.users, a.ID)
	}
}
