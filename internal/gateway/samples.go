package gateway

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

const (
	sampleSlots = 4               // workspaces that are measured at a time
	sampleIn    = 5 * time.Second // one measurement may take
)

// sampler measures workspaces for those who look at them. While nobody looks it waits and
// costs nothing. What several of one user look at is measured once for all of them, and
// whether the user may is asked of the engine each time. Measuring is no use of a workspace.
//
// Its goroutine alone measures. It waits for the engine, never for who looks: a sample that
// a queue still holds is replaced by the next.
type sampler struct {
	engine Engine
	every  time.Duration
	wake   chan struct{} // holds one token while looks have changed

	mu    sync.Mutex
	looks map[*seat][]string // ids
}

func newSampler(e Engine, every time.Duration) *sampler {
	return &sampler{engine: e, every: every, wake: make(chan struct{}, 1), looks: map[*seat][]string{}}
}

// look says what a seat looks at from now on; nothing: it has gone. It never blocks.
func (p *sampler) look(s *seat, ids []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(ids) == 0 {
		delete(p.looks, s)
		return
	}
	p.looks[s] = ids
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// subject is one workspace as one user may see it.
type subject struct{ actor, id string }

// lookers are those who want the same sample.
type lookers struct {
	actor workspace.Actor
	seats []*seat
}

// subjects are all that is looked at, and by whom.
func (p *sampler) subjects() map[subject]*lookers {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[subject]*lookers{}
	for s, ids := range p.looks {
		if s.queue.isEnded() { // its connection is about to give it up
			continue
		}
		for _, id := range ids {
			key := subject{s.actor.ID, id}
			if out[key] == nil {
				out[key] = &lookers{actor: s.actor}
			}
			out[key].seats = append(out[key].seats, s)
		}
	}
	return out
}

// run measures until ctx ends: what is looked at newly at once, and then every so often,
// but never for more than a quarter of the time.
func (p *sampler) run(ctx context.Context) {
	due := map[subject]time.Time{}
	timer := time.NewTimer(p.every)
	defer timer.Stop()
	for {
		now := time.Now()
		wanted := p.subjects()
		var ready []subject
		next := now.Add(p.every)
		for key := range wanted {
			if at, ok := due[key]; ok && at.Sub(now) > p.every/8 { // those of about the same time go together
				next = earlier(next, at)
				continue
			}
			ready = append(ready, key)
		}
		p.measure(ctx, wanted, ready)
		took := time.Since(now)
		for key := range due {
			if wanted[key] == nil {
				delete(due, key)
			}
		}
		for _, key := range ready {
			due[key] = now.Add(max(p.every, 4*took))
			next = earlier(next, due[key])
		}
		timer.Stop() // nobody looks: only a look goes on
		if len(wanted) > 0 {
			timer.Reset(time.Until(next))
		}
		select {
		case <-p.wake:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// measure takes a sample of each and tells those who look. What cannot be measured now,
// because it is gone, does not run or cannot be reached, is told to nobody.
func (p *sampler) measure(ctx context.Context, wanted map[subject]*lookers, ready []subject) {
	slots := make(chan struct{}, sampleSlots)
	var all sync.WaitGroup
	for _, key := range ready {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			p.one(ctx, key.id, wanted[key])
		})
	}
	all.Wait()
}

func (p *sampler) one(ctx context.Context, id string, l *lookers) {
	ctx, cancel := context.WithTimeout(ctx, sampleIn)
	defer cancel()
	u, err := p.engine.Usage(ctx, l.actor, id)
	if err != nil {
		return
	}
	sample := api.Sample{Workspace: id, Usage: u}
	if a, ok := p.engine.Uses(id)[id]; ok {
		sample.Activity = &a
	}
	now, payload := time.Now(), body(sample)
	frames := map[string]*frame{} // by room: one, or that of all as well
	for _, s := range l.seats {
		f := frames[s.room.id]
		if f == nil {
			f = encode(api.Frame{Type: api.FrameSample, Workspace: s.room.id, Time: now, Payload: payload})
			f.key = api.FrameSample + "/" + id
			frames[s.room.id] = f
		}
		if p.looksAt(s, id) {
			s.queue.push(f)
		}
	}
}

// looksAt reports whether s still looks at a workspace.
func (p *sampler) looksAt(s *seat, id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.looks[s], id)
}

// samples says whose use the client wants to see from now on.
func (c *conn) samples(s *seat, f api.Frame, _ time.Time) error {
	var p api.Samples
	if err := c.payload(f, &p); err != nil {
		return err
	}
	if limit := c.hub.limits.Samples; len(p.Workspaces) > limit {
		return fault.New(fault.Invalid, "samples_too_many", "more than %d workspaces are named", limit).
			WithHint("name those that somebody sees")
	}
	for _, id := range p.Workspaces {
		if id == "" || len(id) > maxRef || s.room.id != api.AllRooms && id != s.room.id {
			return fault.New(fault.Invalid, "samples_invalid", "%.64q is no workspace of this room", id).
				WithHint("name ids, and others than the room's own only in the room %q", api.AllRooms)
		}
	}
	slices.Sort(p.Workspaces)
	s.sampler.look(s, slices.Compact(p.Workspaces))
	if !c.holds(s) { // it was given up meanwhile
		s.sampler.look(s, nil)
	}
	return nil
}
