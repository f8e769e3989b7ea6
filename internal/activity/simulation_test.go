package activity

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write golden files anew")

const savedDay = "testdata/day.txt"

// crowd is how many workspaces the day has.
const crowd = 100_000

// A working day of very many workspaces, over the rule and a queue of events alone: every
// stop is due and none is late, nothing that is used, held or works within its cap is
// stopped, and the sums are the same as they always were.
func TestAWorkingDayOfAHundredThousandWorkspaces(t *testing.T) {
	d := newDay(crowd)
	d.run()
	for _, p := range d.problems {
		t.Error(p)
	}
	got := d.summary()
	if *update {
		if err := os.WriteFile(savedDay, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(savedDay)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the day has become another; see what differs, then run go test with -update:\n%s\nwas:\n%s", got, want)
	}
}

// deed is what happens to a workspace.
type deed uint8

const (
	connects deed = iota
	types
	drops
	works
	holds
	looks // a deadline of the rule
	leaves
)

// happening is one event of the queue, ordered by time, then by workspace.
type happening struct {
	at   int64 // ns since the morning
	who  int32
	what deed
}

func (h happening) before(o happening) bool {
	if h.at != o.at {
		return h.at < o.at
	}
	return h.who < o.who
}

// calendar is a queue of events: one list for each second, and a heap of the present one,
// which is small enough to be fast.
type calendar struct {
	seconds [][]happening
	now     int
	today   queue
	left    int
}

func (c *calendar) push(h happening) {
	c.left++
	s := int(h.at / int64(time.Second))
	if s <= c.now {
		c.today.push(h)
		return
	}
	for s >= len(c.seconds) {
		c.seconds = append(c.seconds, nil)
	}
	c.seconds[s] = append(c.seconds[s], h)
}

func (c *calendar) pop() happening {
	for len(c.today) == 0 {
		c.now++
		for _, h := range c.seconds[c.now] {
			c.today.push(h)
		}
		c.seconds[c.now] = nil
	}
	c.left--
	return c.today.pop()
}

// queue is a binary heap.
type queue []happening

func (q *queue) push(h happening) {
	*q = append(*q, h)
	for i := len(*q) - 1; i > 0; {
		up := (i - 1) / 2
		if !(*q)[i].before((*q)[up]) {
			return
		}
		(*q)[i], (*q)[up] = (*q)[up], (*q)[i]
		i = up
	}
}

func (q *queue) pop() happening {
	top, last := (*q)[0], len(*q)-1
	(*q)[0] = (*q)[last]
	*q = (*q)[:last]
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < last; c++ {
			if (*q)[c].before((*q)[least]) {
				least = c
			}
		}
		if least == i {
			return top
		}
		(*q)[i], (*q)[least] = (*q)[least], (*q)[i]
		i = least
	}
}

// inhabitant is one workspace of the day.
type inhabitant struct {
	policy  int8
	up      bool
	level   Level
	facts   Facts
	pending int64 // when the rule is asked again; 0: it is not
	since   int64 // up
}

type day struct {
	morning  time.Time
	rand     *rand.Rand
	policies []Policy
	all      []inhabitant
	queue    calendar
	problems []string

	handled, asked int
	starts, warm   int
	stops          map[Cause]int
	moves          map[Level]int
	alive          time.Duration
	most, running  int
}

func newDay(n int) *day {
	d := &day{
		morning: time.Date(2030, 1, 7, 7, 0, 0, 0, time.UTC), rand: rand.New(rand.NewPCG(1, 2)), policies: Policies(),
		all: make([]inhabitant, n), stops: map[Cause]int{}, moves: map[Level]int{},
	}
	for i := range d.all {
		d.all[i].policy = int8([]int{0, 0, 0, 0, 0, 0, 1, 1, 2}[d.rand.IntN(9)])
		// Most come in the morning, some later, a tenth not at all.
		if d.rand.IntN(10) > 0 {
			d.queue.push(happening{at: int64(2*time.Hour) + int64(d.rand.NormFloat64()*float64(45*time.Minute)), who: int32(i), what: connects})
		}
	}
	return d
}

// evening is the length of the day, after which nobody does anything any more.
const evening = int64(10 * time.Hour)

func (d *day) run() {
	for d.queue.left > 0 {
		h := d.queue.pop()
		d.handled++
		w := &d.all[h.who]
		now := d.morning.Add(time.Duration(h.at))
		if h.what == looks {
			if w.up && h.at == w.pending {
				w.pending = 0
				d.judge(h.who, w, h.at, now)
			}
			continue
		}
		d.act(h, w, now)
		d.judge(h.who, w, h.at, now)
	}
	for i := range d.all {
		if d.all[i].up {
			d.problem("workspace %d runs on after the day", i)
		}
	}
}

func (d *day) problem(format string, args ...any) {
	if len(d.problems) < 5 {
		d.problems = append(d.problems, fmt.Sprintf(format, args...))
	}
}

// act is what people and programs do, and when they do the next thing.
func (d *day) act(h happening, w *inhabitant, now time.Time) {
	later := func(mean time.Duration, what deed) {
		if at := h.at + int64(d.rand.ExpFloat64()*float64(mean)); at < evening {
			d.queue.push(happening{at: at, who: h.who, what: what})
		} else if what != connects && w.facts.Sessions > 0 {
			d.queue.push(happening{at: evening, who: h.who, what: leaves})
		}
	}
	switch h.what {
	case connects:
		d.wake(w, h.at, now)
		w.facts.Sessions, w.facts.Disconnected, w.facts.Engaged = 1, time.Time{}, now
		later(15*time.Minute, types)
	case types:
		if !w.up { // it was stopped under a connection that lay idle: the next key wakes it
			d.wake(w, h.at, now)
			w.facts.Sessions, w.facts.Disconnected = 1, time.Time{}
		}
		w.facts.Engaged = now
		switch p := d.rand.IntN(100); {
		case p < 80:
			later(25*time.Minute, types)
		case p < 88:
			later(40*time.Minute, types) // a meeting
		case p < 92:
			later(time.Minute, works)
		case p < 93:
			later(time.Minute, holds)
		default:
			later(2*time.Minute, drops)
		}
	case works:
		if w.up {
			w.facts.Worked = now
		}
		later(10*time.Minute, types)
	case holds:
		if w.up {
			w.facts.HeldUntil = now.Add(2 * time.Hour)
		}
		later(time.Minute, drops)
	case drops, leaves:
		if w.facts.Sessions > 0 {
			w.facts.Sessions, w.facts.Disconnected = 0, now
		}
		if h.what == drops {
			later([]time.Duration{10 * time.Second, 90 * time.Minute}[d.rand.IntN(2)], connects)
		}
	}
}

func (d *day) wake(w *inhabitant, at int64, now time.Time) {
	if w.up {
		d.warm++
		return
	}
	held := w.facts.HeldUntil
	w.up, w.since, w.level = true, at, ""
	w.facts = Facts{ReadyAt: now, StartedAt: now, HeldUntil: held}
	d.starts++
	d.running++
	d.most = max(d.most, d.running)
}

// judge asks the rule, as the engine does, and stops what is due.
func (d *day) judge(who int32, w *inhabitant, at int64, now time.Time) {
	if !w.up {
		return
	}
	p := d.policies[w.policy]
	v := Decide(p, w.facts, now)
	d.asked++
	if v.Level != w.level {
		d.moves[v.Level]++
		w.level = v.Level
	}
	if !v.Due(now) {
		// As in the engine, a look that comes too early is harmless and asks again.
		if next := int64(v.Next.Sub(d.morning)); !v.Next.IsZero() && (w.pending == 0 || next < w.pending) {
			w.pending = next
			d.queue.push(happening{at: next, who: who, what: looks})
		}
		return
	}
	d.check(who, w, p, v, now)
	w.up, w.pending = false, 0
	d.stops[v.Cause]++
	d.alive += time.Duration(at - w.since)
	d.running--
}

// check knows the policy's words without the rule's arithmetic.
func (d *day) check(who int32, w *inhabitant, p Policy, v Verdict, now time.Time) {
	f := w.facts
	quiet := now.Sub(f.used())
	switch {
	case !v.StopAt.Equal(now):
		d.problem("workspace %d was due at %v and stopped at %v", who, v.StopAt, now)
	case f.HeldUntil.After(now):
		d.problem("workspace %d was held until %v and stopped at %v", who, f.HeldUntil, now)
	case f.Sessions > 0 && quiet < p.Background:
		d.problem("workspace %d was used %v ago by who is connected", who, quiet)
	case f.Sessions == 0 && now.Sub(f.Disconnected) < p.Grace:
		d.problem("workspace %d was left %v ago", who, now.Sub(f.Disconnected))
	case f.Sessions == 0 && !p.Eager && quiet < p.Idle:
		d.problem("workspace %d was used %v ago", who, quiet)
	case !f.Worked.IsZero() && now.Sub(f.Worked) < p.WorkTail && quiet < p.WorkCap:
		d.problem("workspace %d worked %v ago", who, now.Sub(f.Worked))
	}
}

func (d *day) summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "workspaces %d\nevents %d\nquestions to the rule %d\nstarts %d\nconnections to what runs %d\n", len(d.all), d.handled, d.asked, d.starts, d.warm)
	for _, c := range []Cause{ByHold, ByEngagement, ByWork, ByGrace, ByReady} {
		fmt.Fprintf(&b, "stops by %s %d\n", c, d.stops[c])
	}
	for _, l := range Levels() {
		fmt.Fprintf(&b, "becomes %s %d\n", l, d.moves[l])
	}
	fmt.Fprintf(&b, "most at a time %d\nhours of all runs %.0f\n", d.most, d.alive.Hours())
	return b.String()
}
