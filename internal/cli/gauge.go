package cli

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

const (
	gaugeMost  = 128         // workspaces that wsd measures for one subscription; docs/gateway.md
	gaugeLinks = 16          // subscriptions of one gauge
	gaugeSpan  = time.Second // between two counts whose difference is told: the processor's are coarse
)

// gauge knows what workspaces use, as wsd pushes it: one subscription tells which there are
// and the samples of the first, and further ones, as many as it takes, those of the others.
// wsd measures them while the gauge runs, and it asks for nothing itself. It is safe for
// concurrent use.
type gauge struct {
	client  *client.Client
	only    map[string]bool  // ids that are measured; nil: all that run
	further func(*gaugeLink) // begins a further subscription

	mu      sync.Mutex
	links   []*gaugeLink
	known   map[string]workspace.Workspace
	heard   bool // a snapshot has come: what is not known is not there
	meters  map[string]*meterOf
	skipped int // that run, beyond what all subscriptions may measure
}

// gaugeLink is one subscription. What it holds besides the interest is the gauge's.
type gaugeLink struct {
	interest *client.Interest
	share    int           // workspaces that it is to measure
	last     client.Update // without a frame
}

func newGaugeLink() *gaugeLink { return &gaugeLink{interest: client.NewInterest()} }

func (l *gaugeLink) note(u client.Update) {
	l.last = client.Update{Link: u.Link, Since: u.Since, Err: u.Err}
}

// silent reports whether it brings no samples now.
func (l *gaugeLink) silent() bool { return l.last.Link == client.Polling || l.last.Link == client.Lost }

// meterOf is what one workspace used last, and the count with which the next is compared.
type meterOf struct {
	last sample
	base workspace.Usage
}

// reading is what a gauge shows at one time.
type reading struct {
	samples []sample  // by name
	away    time.Time // since when wsd is away; zero: it is not
	skipped int       // that run, beyond what a gauge measures
	refused int       // that run, and that wsd does not measure now
	why     *fault.Error
}

func (r reading) lost() bool { return !r.away.IsZero() }

// newGauge returns a gauge that begins with samples and, with only, measures no others.
func newGauge(c *client.Client, first []sample, only bool) *gauge {
	g := &gauge{
		client: c, links: []*gaugeLink{newGaugeLink()}, further: func(*gaugeLink) {},
		known: map[string]workspace.Workspace{}, meters: map[string]*meterOf{},
	}
	if only {
		g.only = map[string]bool{}
	}
	for _, s := range first {
		g.meters[s.ID] = &meterOf{s, s.Usage}
		if only {
			g.only[s.ID] = true
		}
	}
	return g
}

// start follows wsd until ctx ends, over as many connections as it takes.
func (g *gauge) start(ctx context.Context) (ended <-chan error) {
	over := make(chan error, gaugeLinks) // each subscription ends once
	g.further = func(l *gaugeLink) { go func() { over <- g.measure(ctx, l) }() }
	first := g.links[0].interest
	go func() { over <- g.follow(ctx, first) }()
	return over
}

// follow takes what happens and the first samples, until there is nothing more to tell.
func (g *gauge) follow(ctx context.Context, i *client.Interest) error {
	types := []string{api.FrameState, api.FrameUpdated, api.FrameDeleted}
	for u, err := range g.client.Subscribe(ctx, client.SubscribeOptions{Samples: i, Types: types}) {
		if err != nil {
			return err
		}
		if g.take(u); g.over() {
			return fault.New(fault.Gone, "deleted", "what was to be measured was deleted")
		}
	}
	return ctx.Err()
}

// measure takes further samples. What else the room tells is left to follow: its facts are
// not asked for, and the snapshot of all workspaces, which wsd sends with each connection
// whatever types are named, is dropped.
func (g *gauge) measure(ctx context.Context, l *gaugeLink) error {
	o := client.SubscribeOptions{Samples: l.interest, Types: []string{api.FrameSample}, NoPoll: true}
	for u, err := range g.client.Subscribe(ctx, o) {
		if err != nil {
			return err
		}
		g.sampled(l, u)
	}
	return ctx.Err()
}

func (g *gauge) sampled(l *gaugeLink, u client.Update) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l.note(u)
	if u.Frame == nil || u.Frame.Type != api.FrameSample {
		return
	}
	if c, ok := changeOf(*u.Frame); ok {
		g.count(c.Sample.Workspace, c.Sample.Usage)
	}
}

func (g *gauge) take(u client.Update) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.links[0].note(u)
	if u.Frame == nil {
		return
	}
	c, ok := changeOf(*u.Frame)
	if !ok {
		return
	}
	if c.Reset {
		g.heard = true
		clear(g.known)
	}
	for _, w := range c.Put {
		g.known[w.ID] = w
	}
	for _, id := range c.Gone {
		delete(g.known, id)
	}
	if c.Sample != nil {
		g.count(c.Sample.Workspace, c.Sample.Usage)
	}
	if len(c.Put)+len(c.Gone) > 0 || c.Reset {
		g.look()
	}
}

// over reports whether none of those that alone are measured is there any more.
func (g *gauge) over() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.only == nil || !g.heard {
		return false
	}
	for id := range g.only {
		if _, there := g.known[id]; there {
			return false
		}
	}
	return true
}

// count takes one sample. Counters that fell began anew. One that comes after the workspace
// has stopped, over another subscription than the news of that, is dropped.
func (g *gauge) count(id string, u workspace.Usage) {
	if !measurable(g.known[id]) {
		return
	}
	m := g.meters[id]
	if m == nil || u.CPUSeconds < m.base.CPUSeconds {
		g.meters[id] = &meterOf{sample{ID: id, Usage: u}, u}
		return
	}
	m.last.Usage = u
	if d := u.Time.Sub(m.base.Time); d >= gaugeSpan {
		v := (u.CPUSeconds - m.base.CPUSeconds) / d.Seconds()
		m.last.CPU, m.base = &v, u
	}
}

// measurable reports whether there is anything to measure.
func measurable(w workspace.Workspace) bool {
	return w.State == workspace.Running || w.State == workspace.Paused
}

// look tells wsd whom to measure, and forgets the others.
func (g *gauge) look() {
	var ids []string
	for id, w := range g.known {
		if measurable(w) && (g.only == nil || g.only[id]) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return cmp.Compare(g.known[a].Name, g.known[b].Name) })
	kept := make(map[string]*meterOf, len(ids))
	for _, id := range ids {
		if m := g.meters[id]; m != nil {
			kept[id] = m
		}
	}
	g.meters = kept
	g.skipped = max(0, len(ids)-gaugeMost*gaugeLinks)
	g.share(ids[:len(ids)-g.skipped])
}

// share divides the workspaces among the subscriptions, of which it begins those that lack.
func (g *gauge) share(ids []string) {
	for len(g.links)*gaugeMost < len(ids) {
		l := newGaugeLink()
		g.links = append(g.links, l)
		g.further(l)
	}
	for n, l := range g.links {
		part := ids[min(n*gaugeMost, len(ids)):min((n+1)*gaugeMost, len(ids))]
		l.share = len(part)
		l.interest.Set(part)
	}
}

// read is what is known now.
func (g *gauge) read() reading {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := reading{samples: []sample{}, skipped: g.skipped}
	if first := g.links[0].last; first.Link == client.Lost {
		r.away = first.Since
	}
	for _, l := range g.links {
		if !r.lost() && l.share > 0 && l.silent() {
			r.refused, r.why = r.refused+l.share, fault.From(l.last.Err)
		}
	}
	for id, m := range g.meters {
		s := m.last
		if w, ok := g.known[id]; ok {
			s.Workspace = w.Name
		}
		r.samples = append(r.samples, s)
	}
	slices.SortFunc(r.samples, func(a, b sample) int { return cmp.Compare(a.Workspace, b.Workspace) })
	return r
}

// all are the workspaces that are known, as a table shows them.
func (g *gauge) all() []api.Brief {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]api.Brief, 0, len(g.known))
	for _, w := range g.known {
		list = append(list, api.BriefOf(w))
	}
	return list
}

// sayReading tells what a reading is not.
func (f *Factory) sayReading(r reading) {
	if r.lost() {
		f.note("wsd is away; this is as of %s", render.Ago(f.Now(), r.away))
	}
	if r.skipped > 0 {
		f.note("%d more run than are measured; `wsctl stats NAME... -f` measures those that you name", r.skipped)
	}
	if r.refused > 0 {
		f.note("%d that run are not measured now: %s", r.refused, render.Escape(r.why.Text))
	}
}
