package render

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
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
	stage  string
	detail string
	since  time.Time
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
	if !p.shows() {
		return
	}
	stage, detail = Escape(stage), Escape(detail)
	p.mu.Lock()
	defer p.mu.Unlock()
	if stage != p.stage {
		p.finish("✓", Good)
		p.stage, p.since = stage, time.Now()
		if p.plain {
			_, _ = fmt.Fprintln(p.w, stage+"...")
		}
	}
	p.detail = detail
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
	if ok {
		p.finish("✓", Good)
	} else {
		p.finish("✗", Bad)
	}
}

// Elapsed returns the time since the beginning.
func (p *Progress) Elapsed() time.Duration {
	if !p.shows() {
		return 0
	}
	return time.Since(p.begun)
}

// finish replaces the current line by its last form.
func (p *Progress) finish(mark string, c Colour) {
	if p.stage == "" {
		return
	}
	took := Elapsed(time.Since(p.since))
	p.erase()
	if !p.plain {
		_, _ = fmt.Fprintf(p.w, "%s %s\n", p.palette.Paint(c, mark), p.columns(p.stage, took))
	}
	p.stage, p.detail = "", ""
}

func (p *Progress) draw() {
	select {
	case <-p.done:
		return
	default:
	}
	if p.stage == "" || p.plain {
		return
	}
	text := p.stage
	if p.detail != "" {
		text += " " + p.detail
	}
	p.erase()
	_, _ = fmt.Fprint(p.w, p.palette.Paint(Busy, "·")+" "+p.columns(text, Elapsed(time.Since(p.since))))
	p.drawn = true
}

// columns puts the time beside the text and keeps both on one line.
func (p *Progress) columns(text, took string) string {
	room := p.width() - 4 - Width(took)
	if room < 8 {
		return Fit(text, max(1, p.width()-3))
	}
	text = Fit(text, room)
	return text + strings.Repeat(" ", max(1, min(34, room)-Width(text))) + p.palette.Paint(Faint, took)
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
