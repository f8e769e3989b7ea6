package render

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

// redraw is how often the elapsed time of the current stage is shown anew.
const redraw = 100 * time.Millisecond

// Progress shows the stages of slow work on a terminal: one line a stage, rewritten
// while it lasts, kept with its time when it is over. The zero value, and one made
// without a terminal, shows nothing. Methods may be called from any goroutine; the
// terminal is written under one lock and never after Close.
type Progress struct {
	w       io.Writer
	palette Palette
	plain   bool // a terminal that cannot rewrite a line
	width   func() int

	mu     sync.Mutex
	begun  time.Time
	stages Stages
	told   int // how many stages, since the beginning, have their last line
	drawn  bool
	done   chan struct{}
}

// NewProgress shows on w. Plain is for TERM=dumb; width gives the columns of the
// terminal each time it is asked.
func NewProgress(w io.Writer, plain bool, palette Palette, width func() int) *Progress {
	p := &Progress{w: w, plain: plain, palette: palette, width: width, begun: time.Now(), done: make(chan struct{})}
	if !plain {
		go p.tick()
	}
	return p
}

func (p *Progress) shows() bool { return p != nil && p.w != nil }

func (p *Progress) tick() {
	t := time.NewTicker(redraw)
	defer t.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-t.C:
			p.mu.Lock()
			p.draw()
			p.mu.Unlock()
		}
	}
}

// Stage says what is being done now. The same stage again only changes its detail.
func (p *Progress) Stage(stage, detail string) {
	p.change(func(now time.Time) { p.stages.Enter(now, Escape(stage), Escape(detail)) })
}

// State says that a workspace is in a state on the way to another.
func (p *Progress) State(state workspace.State) {
	p.change(func(now time.Time) { p.stages.State(now, state) })
}

// Signal takes a signal of a job's progress.
func (p *Progress) Signal(s event.Signal) {
	p.change(func(now time.Time) { p.stages.Signal(now, s) })
}

// change changes the stages and shows what came of it.
func (p *Progress) change(do func(now time.Time)) {
	if !p.shows() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	do(time.Now())
	p.finish()
	p.draw()
}

// Note prints a line above the current stage.
func (p *Progress) Note(text string) {
	if !p.shows() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	_, _ = fmt.Fprintln(p.w, Escape(text))
	p.draw()
}

// Close ends the last stage as done or failed and stops drawing. It may be called
// more than once; the first call counts.
func (p *Progress) Close(ok bool) {
	if !p.shows() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
		return
	default:
		close(p.done)
	}
	p.stages.End(time.Now(), ok)
	p.finish()
}

// Elapsed returns the time since the beginning.
func (p *Progress) Elapsed() time.Duration {
	if !p.shows() {
		return 0
	}
	return time.Since(p.begun)
}

// finish gives the stages that have ended their last lines. A terminal that cannot rewrite
// a line gets one when a stage begins.
func (p *Progress) finish() {
	fresh := p.stages.All[max(0, p.told-p.stages.Dropped):]
	for _, s := range fresh {
		switch {
		case p.plain:
			_, _ = fmt.Fprintln(p.w, s.Name+"...")
		case s.Ended.IsZero():
			return
		default:
			p.erase()
			_, _ = fmt.Fprintln(p.w, p.line(s))
		}
		p.told++
	}
}

func (p *Progress) draw() {
	select {
	case <-p.done:
		return
	default:
	}
	c := p.stages.Current()
	if c == nil || p.plain {
		return
	}
	p.erase()
	_, _ = fmt.Fprint(p.w, p.line(*c))
	p.drawn = true
}

func (p *Progress) line(s Stage) string {
	mark, colour := s.Mark()
	text, took := s.Line(time.Now(), p.width()-2)
	return p.palette.Paint(colour, mark) + " " + text + p.palette.Paint(Faint, took)
}

// erase clears the current line (ECMA-48 EL).
func (p *Progress) erase() {
	if p.drawn {
		_, _ = io.WriteString(p.w, "\r\x1b[K")
		p.drawn = false
	}
}

// Abandon stops drawing without calling the last stage done or failed.
func (p *Progress) Abandon() {
	if !p.shows() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
		return
	default:
		close(p.done)
	}
	p.erase()
}
