package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// overview is what one wants to know first: how it is, when it stops and why.
func (p *page) overview() {
	w := &p.r.w
	why := p.m.detail.got.Why
	p.stages()
	p.life(why)
	p.ending()
	p.fact("by name", api.NameURL(p.m.link.Names, w.Name, w.Spec.Port, w.Spec.Port))
	p.fact("preview", p.m.previewURL(w))
	p.fact("forwarded", p.forwardText())
	p.fact("from", from(w))
	p.fact("limits", render.Limits(w.Spec.Limits))
	p.fact("owner", w.Owner)
	p.fact("labels", labelText(w.Labels))
	p.fact("created", render.Ago(p.m.now, w.CreatedAt))
	if w.State == workspace.Running && !w.ReadyAt.IsZero() {
		p.fact("running", "for "+render.Span(p.m.now.Sub(w.ReadyAt))+", was ready after "+render.Elapsed(w.ReadyAt.Sub(w.StartedAt)))
	}
	for _, c := range w.Conditions {
		if c.Type == workspace.Attention && w.Stop != nil && c.Detail == w.Stop.Detail {
			continue // the end has told it
		}
		p.condition(c)
	}
	if why != nil {
		p.evidence(why)
	}
}

// asideWidth is from how many columns the detail of a stage stands beside it.
const asideWidth = 64

// stages are what is done to it, as the command line shows it.
func (p *page) stages() {
	for i, s := range p.r.stages.All {
		mark, colour := s.Mark()
		detail := s.Detail
		if p.width < asideWidth {
			s.Detail = "" // it stands below
		}
		text, took := s.Line(p.m.now, p.width-factWidth-4)
		label := map[bool]string{true: "progress"}[i == 0]
		p.line(" " + p.m.theme.faint.paint(cell(label, factWidth, false)) + " " + p.m.theme.of(colour).paint(mark) + " " + text + p.m.theme.faint.paint(took))
		if detail != s.Detail {
			p.line("   " + render.Fit(detail, p.width-4))
		}
	}
}

// stageText is a stage in a sentence.
func stageText(s render.Stage, now time.Time) string {
	return s.Name + suffix(" ", s.Detail) + ", " + render.Elapsed(max(0, now.Sub(s.Begun)))
}

func from(w *workspace.Workspace) string {
	if w.Spec.Template != "" {
		return "template " + w.Spec.Template + ", image " + w.Spec.Image
	}
	return "image " + w.Spec.Image
}

// life tells what decides about its end.
func (p *page) life(why *api.Why) {
	w := &p.r.w
	if p.r.act == nil || w.State != workspace.Running {
		if p.r.reason() != "" {
			p.painted("attention", render.Escape(p.r.reason()), p.m.theme.bad)
		}
		return
	}
	p.painted("stops", render.Escape(p.m.stopSentence(p.r)), p.m.theme.bold)
	conns, _ := p.r.conns()
	level := string(p.r.act.Level)
	if conns > 0 {
		level += ", " + plural(conns, "connection")
	}
	p.fact("level", level)
	if why == nil {
		return
	}
	for _, h := range why.Holds {
		end := "until " + clockTime(p.m.now, h.Until)
		if h.Session != "" {
			end = "while its command runs"
		}
		p.fact("held", end+" by "+h.Actor+suffix(": ", h.Reason))
	}
	for _, t := range why.Next {
		p.fact("then", clockTime(p.m.now, t.At)+" "+strings.ReplaceAll(t.What, "_", " ")+suffix(": ", render.Relative(p.m.now, t.Why)))
	}
}

// stopSentence says when a running workspace will stop and which fact that follows from,
// in more detail where that was fetched.
func (m *Model) stopSentence(r *row) string {
	why := m.detail.got.Why
	if m.detail.id != r.w.ID || why != nil && why.Cause != r.act.Cause {
		why = nil
	}
	if r.act.StopAt.IsZero() {
		policy := r.w.Spec.Policy
		if why != nil {
			policy = why.Policy.Name
		}
		return "never by itself" + suffix(": its policy is ", policy)
	}
	left := "now"
	if d := r.act.StopAt.Sub(m.now); d > 0 {
		left = "in " + render.Span(d) + " (" + clockTime(m.now, r.act.StopAt) + ")"
	}
	if why == nil {
		return left + suffix(", ", causeWords[r.act.Cause])
	}
	return left + ", " + causeText(why, m.now)
}

// causeWords say what makes a workspace stop, without saying since when.
var causeWords = map[activity.Cause]string{
	activity.ByHold:       "because it is held until then",
	activity.ByEngagement: "because nobody uses it",
	activity.ByWork:       "because the work in it has ended",
	activity.ByGrace:      "because everybody has left",
	activity.ByReady:      "because nobody has used it yet",
	activity.ByLifetime:   "because no run may last longer",
	activity.ByHours:      "because nobody uses it outside its running hours",
}

func causeText(why *api.Why, now time.Time) string {
	f := why.Facts
	switch why.Cause {
	case activity.ByEngagement:
		return "because it was last used " + render.Ago(now, f.Engaged)
	case activity.ByWork:
		return "because work was last seen " + render.Ago(now, f.Worked)
	case activity.ByGrace:
		return "because the last connection ended " + render.Ago(now, f.Disconnected)
	}
	return causeWords[why.Cause]
}

// ending tells how the last run ended and what it left behind.
func (p *page) ending() {
	w := &p.r.w
	if w.Stop != nil && w.State != workspace.Running {
		p.fact("stopped", render.Ago(p.m.now, w.Stop.Time)+", "+stopText(*w.Stop))
	}
	if d := w.Death; d != nil && w.State != workspace.Running {
		text := fmt.Sprintf("exit status %d", d.ExitCode)
		if d.OOMKilled {
			text += ", killed for memory"
		}
		if d.PeakMemory > 0 {
			text += ", peak memory " + render.Bytes(d.PeakMemory)
		}
		p.fact("last run", text)
		for i, line := range d.Log[max(0, len(d.Log)-6):] {
			p.painted(map[bool]string{true: "it said"}[i == 0], clean(line), p.m.theme.faint)
		}
	}
}

func (p *page) condition(c workspace.Condition) {
	if c.Status && (c.Type == workspace.Ready || c.Type == workspace.PortBound) {
		return // as it should be
	}
	text := string(c.Type)
	if !c.Status {
		text = "not " + text
	}
	p.fact("condition", text+suffix(", ", c.Reason)+suffix(": ", c.Detail)+", "+render.Ago(p.m.now, c.Time))
}

func (p *page) evidence(why *api.Why) {
	for i, e := range slices.Backward(why.Ledger) {
		if i < len(why.Ledger)-5 {
			break
		}
		name := ""
		if i == len(why.Ledger)-1 {
			name = "seen"
		}
		text := render.Ago(p.m.now, e.Last) + "  " + e.Words() + " by " + e.Who
		if e.Count > 1 {
			text += fmt.Sprintf(", %d times", e.Count)
		}
		p.painted(name, render.Escape(text), p.m.theme.plain)
	}
}
