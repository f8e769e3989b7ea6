package tui

import (
	"errors"
	"time"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
)

// How long a toast stays: a failure has to be read.
const (
	toastTime   = 6 * time.Second
	failureTime = 20 * time.Second
)

// toast is one line about what a person has asked for.
type toast struct {
	sign, text, hint string
	bad              bool
	until            time.Time
}

func (m *Model) say(sign, text string) {
	m.toast = &toast{sign: sign, text: text, until: m.now.Add(toastTime)}
}

// fail shows an error: the sentence, its code and what to do next.
func (m *Model) fail(what string, err error) {
	f := fault.From(err)
	if f == nil || errors.Is(err, m.ctx.Err()) && m.ctx.Err() != nil {
		return
	}
	text := f.Text + " [" + f.Code + "]"
	if what != "" {
		text = what + ": " + text
	}
	m.toast = &toast{sign: "✗", text: text, hint: f.Hint, bad: true, until: m.now.Add(failureTime)}
}

// toastLines are the sentence and, below it, what to do next.
func (m *Model) toastLines(width int) []string {
	t := m.toast
	colour := m.theme.good
	switch {
	case t.bad:
		colour = m.theme.bad
	case t.sign == "›":
		colour = m.theme.accent
	}
	lines := []string{" " + colour.paint(t.sign) + " " + render.Fit(render.Escape(t.text), max(0, width-3))}
	if t.hint != "" && m.height > 8 {
		lines = append(lines, "   "+m.theme.faint.paint(render.Fit(render.Escape(t.hint), max(0, width-3))))
	}
	return lines
}
