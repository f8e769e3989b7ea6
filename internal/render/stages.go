package render

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Stage is one part of slow work. A zero Ended is that of the one that goes on.
type Stage struct {
	Name, Detail string
	Begun, Ended time.Time
	Failed       bool
}

// Stages are the stages of one piece of work in the order in which they began: of a create,
// a pull, a build, a start or a stop. They are the same in the command line and in the
// dashboard. The zero value is of work that has not begun. It draws nothing and reads no
// clock; it belongs to one goroutine.
type Stages struct {
	All       []Stage
	Dropped   int  // of the oldest, which are not kept
	signalled bool // signals tell it more precisely than states do
}

// maxStages bounds what is kept of work that is tried again and again; the oldest go.
const maxStages = 32

// stageWords are the stages that are known; others are shown as they come.
var stageWords = api.StageWords()

// State tells the stage by the state, as long as no signal has told it.
func (s *Stages) State(now time.Time, state workspace.State) {
	if name, ok := stageWords[string(state)]; ok && !s.signalled {
		s.Enter(now, name, "")
	}
}

// Signal tells the stage, and how far it is, by a signal of progress; others it leaves.
func (s *Stages) Signal(now time.Time, sig event.Signal) {
	word := sig.Detail["stage"]
	if sig.Kind != event.Progress || word == "" {
		return
	}
	s.signalled = true
	name, ok := stageWords[word]
	if !ok {
		name = Escape(word)
	}
	detail := Escape(sig.Detail["line"])
	if detail == "" {
		detail = share(sig.Detail["current"], sig.Detail["total"])
	}
	s.Enter(now, name, detail)
}

// Enter begins a stage and ends the one before. The same again only changes its detail.
func (s *Stages) Enter(now time.Time, name, detail string) {
	if c := s.Current(); c != nil && c.Name == name {
		c.Detail = detail
		return
	}
	s.End(now, true)
	s.All = append(s.All, Stage{Name: name, Detail: detail, Begun: now})
	if over := len(s.All) - maxStages; over > 0 {
		s.All, s.Dropped = s.All[over:], s.Dropped+over
	}
}

// End ends the stage that goes on, if one does.
func (s *Stages) End(now time.Time, ok bool) {
	if c := s.Current(); c != nil {
		c.Ended, c.Failed, c.Detail = now, !ok, ""
	}
}

// Current is the stage that goes on; nil is none.
func (s *Stages) Current() *Stage {
	if n := len(s.All); n > 0 && s.All[n-1].Ended.IsZero() {
		return &s.All[n-1]
	}
	return nil
}

// Mark is the sign of how a stage stands, and its colour.
func (s Stage) Mark() (string, Colour) {
	switch {
	case s.Ended.IsZero():
		return "·", Busy
	case s.Failed:
		return "✗", Bad
	}
	return "✓", Good
}

// Line is what a stage is and, in a column of its own, how long it has taken. Both fit
// together into width columns; where that is too narrow, took is "".
func (s Stage) Line(now time.Time, width int) (text, took string) {
	end := s.Ended
	if end.IsZero() {
		end = now
	}
	text = s.Name
	if s.Detail != "" {
		text += " " + s.Detail
	}
	took = Elapsed(max(0, end.Sub(s.Begun)))
	room := width - 2 - Width(took)
	if room < 8 {
		return Fit(text, max(1, width-1)), ""
	}
	text = Fit(text, room)
	return text + strings.Repeat(" ", max(1, min(34, room)-Width(text))), took
}

// share is how far a download is.
func share(current, total string) string {
	c, errC := strconv.ParseInt(current, 10, 64)
	t, errT := strconv.ParseInt(total, 10, 64)
	switch {
	case errC != nil:
		return ""
	case errT != nil || t <= 0:
		return Bytes(c)
	}
	return fmt.Sprintf("%d %%, %s of %s", min(c*100/t, 100), Bytes(c), Bytes(t))
}
