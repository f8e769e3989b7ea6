package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

// brisk is a policy that a history of some minutes meets often.
var brisk = activity.Policy{
	Name: "default", Active: 20 * time.Second, Idle: time.Minute, Background: 3 * time.Minute, Grace: 10 * time.Second,
	WorkTail: time.Minute, WorkCap: 10 * time.Minute,
}

// useHistories is how many random histories are tried. WSD_HISTORIES and WSD_SEED choose
// others.
const useHistories = 40

// Whatever happens (people connect, drop, type, hold and build, the daemon dies or stands
// still, the container engine goes away, the clock is set back), nothing is stopped that
// was used more recently than its policy allows, that is held or, within its running
// hours, that works within the cap; and nothing runs on after all that has ended.
func TestEveryHistoryOfUseStopsInTimeAndNeverEarly(t *testing.T) {
	first, many := number("WSD_SEED", 0), number("WSD_HISTORIES", useHistories)
	for seed := first; seed < first+many; seed++ {
		inAgentBubble(t, func(r *rig, a *fakeAgent) {
			tweak := r.tweak
			r.tweak = func(c *Config) {
				tweak(c)
				c.Activity = Activity{Policies: []activity.Policy{brisk}, Warnings: []time.Duration{time.Minute, 10 * time.Second}}
			}
			r.restart()
			h := &useHistory{rig: r, agent: a, rand: rand.New(rand.NewPCG(seed, 2)), seed: seed, woke: time.Now()}
			for _, name := range []string{"wa", "wb", "wc"} {
				w := r.create(name)
				u := &used{name: name, id: w.ID, run: w.Run, begun: time.Now(), engaged: time.Now()}
				h.all = append(h.all, u)
				h.keepHours(u)
			}
			for range 50 {
				h.step()
				h.let(time.Duration(1+h.rand.IntN(40)) * time.Second)
				if r.t.Failed() {
					break
				}
			}
			h.end()
			if r.t.Failed() {
				r.t.Logf("seed %d:\n%s", seed, strings.Join(h.log, "\n"))
			}
		})
		if t.Failed() {
			return
		}
	}
}

// used is what a history knows of one workspace.
type used struct {
	name    string
	id      string
	run     string
	begun   time.Time // the run
	engaged time.Time
	left    time.Time // the last lease ended
	leases  []*visit
	held    map[string]time.Time // until
	over    bool                 // this run has stopped, and that was looked at
	gift    time.Duration        // what crashes since have given back at most
	hours   activity.Hours
	text    string // of hours
}

type visit struct {
	activity.Lease
	silent bool // nobody vouches for it
	last   time.Time
}

type useHistory struct {
	*rig
	agent   *fakeAgent
	rand    *rand.Rand
	seed    uint64
	all     []*used
	log     []string
	works   bool
	worked  time.Time // when the last work ended
	began   time.Time // when the present work did
	woke    time.Time // the daemon, last
	shaky   time.Time // until when the container engine was away, last
	engine  bool      // it is away
	shifted time.Time // the clock was set back, last
}

func (h *useHistory) note(format string, args ...any) {
	h.log = append(h.log, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

func (h *useHistory) step() {
	u := h.all[h.rand.IntN(len(h.all))]
	switch p := h.rand.IntN(100); {
	case p < 20:
		h.connect(u)
	case p < 40:
		h.types(u)
	case p < 55:
		h.drop(u)
	case p < 60:
		h.hold(u)
	case p < 62:
		h.keepHours(u)
	case p < 68:
		h.work(!h.works)
	case p < 78:
		h.startAgain(u)
	case p < 84:
		h.note("wsd restarts")
		h.shutdown()
		time.Sleep(time.Duration(h.rand.IntN(90)) * time.Second)
		h.start()
		h.back(true)
	case p < 89:
		h.crash()
	case p < 92:
		d := time.Duration(10+h.rand.IntN(300)) * time.Second
		if (d - stallLimit).Abs() < 3*time.Second { // whether that is noticed depends on the last heartbeat
			d += 6 * time.Second
		}
		h.note("wsd stands still for %v", d)
		h.stall(d)
		if d > stallLimit {
			h.back(false)
		} else {
			h.shaky = time.Now()
		}
	case p < 95:
		h.note("the clock is set back")
		h.shift(time.Duration(1+h.rand.IntN(100)) * time.Minute)
		h.shifted = time.Now()
	default:
		h.toggleEngine(!h.engine)
	}
	synctest.Wait()
}

func (h *useHistory) connect(u *used) {
	silent := h.rand.IntN(3) == 0
	l, err := h.Attend(h.t.Context(), alice, u.name, activity.Visitor{Kind: activity.Terminal, Vouched: !silent})
	if err != nil {
		h.t.Errorf("cannot connect: %v", err)
		return
	}
	h.note("%s: connected, silent: %t", u.name, silent)
	u.leases = append(u.leases, &visit{Lease: l, silent: silent, last: time.Now()})
}

func (h *useHistory) types(u *used) {
	if len(u.leases) == 0 {
		return
	}
	h.note("%s: typed", u.name)
	v := u.leases[h.rand.IntN(len(u.leases))]
	v.Engage(activity.Input, "terminal main")
	v.last, u.engaged, u.gift = time.Now(), time.Now(), 0
}

func (h *useHistory) drop(u *used) {
	if len(u.leases) == 0 {
		return
	}
	h.note("%s: dropped", u.name)
	u.leases[0].Close()
	if u.leases = u.leases[1:]; len(u.leases) == 0 {
		u.left = time.Now()
	}
}

func (h *useHistory) hold(u *used) {
	for id := range u.held {
		if h.rand.IntN(2) == 0 {
			if h.Unhold(h.t.Context(), alice, u.name, id) == nil {
				h.note("%s: not held any more", u.name)
				u.held[id] = time.Now()
			}
			return
		}
	}
	d := time.Duration(1+h.rand.IntN(400)) * time.Second
	hold, err := h.Hold(h.t.Context(), alice, u.name, api.HoldRequest{For: workspace.Duration(d)})
	if err != nil {
		return
	}
	h.note("%s: held for %v", u.name, d)
	if u.held == nil {
		u.held = map[string]time.Time{}
	}
	u.held[hold.ID] = hold.Until
}

// keepHours gives u other running hours, some minutes long; every third time none.
func (h *useHistory) keepHours(u *used) {
	text := "always"
	if h.rand.IntN(3) > 0 {
		var ranges []string
		for range 1 + h.rand.IntN(3) {
			from := h.rand.IntN(50)
			ranges = append(ranges, fmt.Sprintf("00:%02d-00:%02d", from, from+1+h.rand.IntN(9)))
		}
		text = strings.Join(ranges, ", ") + " UTC"
	}
	hours, err := activity.ParseHours(text)
	if err == nil {
		_, err = h.Update(h.t.Context(), alice, u.name, 0, api.Update{Hours: &text})
	}
	if err != nil {
		h.t.Error(err)
	}
	h.note("%s: hours %s", u.name, text)
	if text == u.text {
		return
	}
	u.hours, u.text, u.engaged, u.gift = hours, text, time.Now(), 0 // who changes it uses it
}

func (h *useHistory) work(on bool) {
	if h.works == on {
		return
	}
	h.note("work: %t", on)
	h.works = on
	h.began, h.worked = time.Now(), time.Now()
	h.agent.tell(func(a *fakeAgent) {
		a.report.Execs = 0
		if on {
			a.report.Execs = 1
		}
	})
}

func (h *useHistory) startAgain(u *used) {
	if u.left.Equal(time.Now()) {
		return // whether who leaves in the very instant of a start has seen it is open
	}
	before := h.get(u.name)
	if before.State != workspace.Stopped && before.State != workspace.Failed {
		return
	}
	if _, err := h.Command(h.t.Context(), alice, u.name, api.Start); err != nil {
		return
	}
	h.note("%s: started", u.name)
	h.settle()
	w := h.get(u.name)
	u.run, u.begun, u.engaged, u.left, u.over, u.gift = w.Run, time.Now(), time.Now(), time.Time{}, false, 0
}

// crash leaves the store as it is now, whatever the daemon wrote at its end.
func (h *useHistory) crash() {
	h.note("wsd is killed")
	var b bytes.Buffer
	if err := h.store.Backup(&b); err != nil {
		h.t.Error(err)
	}
	h.shutdown()
	if err := os.WriteFile(h.path, b.Bytes(), 0o600); err != nil {
		h.t.Error(err)
	}
	h.start()
	h.back(true)
	for _, u := range h.all {
		u.gift += brisk.Background/movedEnough + pauseOf(brisk)
	}
}

// back is after a time in which the daemon did not run.
func (h *useHistory) back(lost bool) {
	h.woke = time.Now()
	for _, u := range h.all {
		if lost && len(u.leases) > 0 {
			u.leases, u.left = nil, time.Now()
		}
		for _, v := range u.leases {
			v.last = time.Now()
		}
		if !u.left.IsZero() {
			u.left = time.Now()
		}
	}
}

func (h *useHistory) toggleEngine(away bool) {
	if h.engine == away {
		return
	}
	h.note("the container engine is away: %t", away)
	h.engine, h.shaky = away, time.Now()
	if away {
		h.box.Down()
	} else {
		h.box.Up()
	}
}
