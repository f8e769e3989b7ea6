// Package tui is the dashboard of wsctl: a list of workspaces that is always current, and
// what there is to know and to do about each.
//
// The law of this package:
//
//   - Update and View do no I/O and never wait. What has to be fetched or done is a tea.Cmd,
//     which calls Source and returns a message; a command never touches the model.
//   - There is one tea.Model. Its parts (list, detail, form, ...) are plain structs with
//     methods, each in a file of its own.
//   - Nothing is polled. Source tells what happens; what happens between two frames is
//     gathered in a mailbox, so that a thousand changes a second cost one frame.
//   - Only what has changed is drawn, when it has (screen): where nothing happens nothing runs.
//   - Everything is bounded: rings for log lines, facts and samples. What does not fit is
//     dropped, and the dropping is counted and shown.
//   - Text that came from elsewhere is escaped by render.Escape before it is measured.
//   - Colour only adds. Nothing is said by colour alone.
//   - Looking is not using: nothing that the dashboard does by itself may count as activity.
//
// The package knows neither sockets nor wsd: package cli implements Source over its client.
package tui

import (
	"cmp"
	"context"
	"io"
	"os"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/wsctl/wsctl/internal/tui/quiet"
)

var _ = quiet.Restore()

// Options are what a dashboard is made of. Source is required.
type Options struct {
	Source  Source
	In      io.Reader
	Out     io.Writer
	Env     func(string) string
	Theme   string   // one of ThemeNames; "": chosen from the environment
	Filter  string   // to begin with
	Columns []string // of ColumnNames; nil: as they fit
	Mouse   bool
	Now     func() time.Time // nil: the clock
	// Frame is told how long each frame took, from the message until it was ready to be drawn;
	// nil: nobody measures.
	Frame func(time.Duration)

	dimensions [2]int // columns and lines to begin with; zero: 80 x 24
}

// Run shows the dashboard until the person quits or ctx ends.
func Run(ctx context.Context, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if f, ok := o.Out.(*os.File); ok {
		o.Out = &whole{File: f}
	}
	s := newScreen(o.In, o.Out, o.Mouse)
	defer s.leave()
	if err := s.enter(); err != nil {
		return err
	}
	size, _ := s.size()
	o.dimensions = [2]int{size.Width, size.Height}
	m := New(ctx, o)
	m.screen = s
	var model tea.Model = m
	if o.Frame != nil {
		model = &timed{Model: model, tell: o.Frame}
	}
	p := tea.NewProgram(shown{model, s},
		tea.WithContext(ctx), tea.WithInput(o.In), tea.WithOutput(o.Out), tea.WithoutRenderer(), tea.WithoutSignalHandler())
	var children sync.WaitGroup
	defer children.Wait()
	defer cancel() // they end with ctx
	children.Go(func() { s.run(ctx) })
	children.Go(func() { s.watchSize(ctx, size, p.Send) })
	_, err := p.Run()
	return cmp.Or(err, m.lost)
}

// timed measures the frames of a model: bubbletea calls View after each Update.
type timed struct {
	tea.Model
	tell  func(time.Duration)
	begun time.Time
}

// Update implements tea.Model.
func (t *timed) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	t.begun = time.Now()
	_, cmd := t.Model.Update(msg)
	return t, cmd
}

// View implements tea.Model.
func (t *timed) View() string {
	screen := t.Model.View()
	if !t.begun.IsZero() {
		t.tell(time.Since(t.begun))
	}
	return screen
}

// whole is a terminal to which each Write goes as one, so that a sequence for the
// clipboard never lands inside a frame. It stays a file, which screen asks for its size.
type whole struct {
	*os.File
	mu sync.Mutex
}

// Write implements io.Writer.
func (w *whole) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.File.Write(p)
}
