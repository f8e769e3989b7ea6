package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
)

// Times of --watch on a terminal: changes that come closer together than the first are
// drawn once, and after the second a picture, whose times go on, is drawn anew without
// asking wsd.
const (
	watchGap   = 100 * time.Millisecond
	watchAging = 10 * time.Second
)

// picture is what a command that can be watched shows: an object, and how people read it.
type picture struct {
	v     any
	human func(io.Writer) error
}

// addWatchFlag adds --watch to a command that shows pictures.
func addWatchFlag(cmd *cobra.Command, watch *bool) {
	cmd.Flags().BoolVarP(watch, "watch", "w", false, "keep it up to date until Ctrl-C; with --json one object a line")
}

// show prints a picture, or with watch goes on to show how it is after each change that
// wsd tells of the workspace ref, "" for all. Nothing is asked for without a change.
func (f *Factory) show(ctx context.Context, c *client.Client, ref string, watch bool, take func(context.Context) (picture, error)) error {
	if watch {
		return f.watch(ctx, c, client.WatchOptions{Workspace: ref, GiveUp: daemonPatience}, take)
	}
	p, err := take(ctx)
	if err != nil {
		return err
	}
	return f.result(p.v, p.human)
}

// watch shows a picture after each change that wsd tells of, and after each loss of wsd.
func (f *Factory) watch(ctx context.Context, c *client.Client, o client.WatchOptions, take func(context.Context) (picture, error)) error {
	w := &watched{f: f, take: take}
	return w.run(ctx, c, o)
}

// watched is a picture that is kept up to date. It belongs to one goroutine.
type watched struct {
	f    *Factory
	take func(context.Context) (picture, error)
	last string // as it was drawn
}

func (w *watched) run(ctx context.Context, c *client.Client, o client.WatchOptions) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changed, ended := changesOf(ctx, c, o)
	aging := time.NewTicker(watchAging)
	defer aging.Stop()
	var p picture
	for {
		select {
		case err := <-ended:
			return err
		case <-aging.C:
			if p.human == nil || !w.redraws() {
				continue
			}
		case <-changed:
			now, err := w.take(ctx)
			switch {
			case fault.Is(err, fault.Unavailable):
				continue // the watch tells when wsd is back, or gives up
			case err != nil:
				return err
			}
			p = now
		}
		if err := w.draw(p); err != nil {
			return err
		}
		if w.redraws() {
			select {
			case <-ctx.Done():
			case <-time.After(watchGap):
			}
		}
	}
}

// changesOf gives a token when something has changed, and the error that ends it.
func changesOf(ctx context.Context, c *client.Client, o client.WatchOptions) (changed <-chan struct{}, ended <-chan error) {
	tokens, over := make(chan struct{}, 1), make(chan error, 1)
	put := func() {
		select {
		case tokens <- struct{}{}:
		default:
		}
	}
	o.OnLost = func(error) { put() }
	go func() {
		for m, err := range c.Watch(ctx, o) {
			if err != nil {
				over <- err
				return
			}
			if m.Signal != nil && (m.Signal.Kind == event.Progress || m.Signal.Kind == event.FileChanged) {
				continue
			}
			put()
		}
	}()
	return tokens, over
}

// redraws reports whether a picture replaces the one before.
func (w *watched) redraws() bool {
	return w.f.Streams.OutTTY && !w.f.Streams.dumb() && !w.f.JSON
}

// draw shows a picture that differs from the last.
func (w *watched) draw(p picture) error {
	text, err := w.text(p)
	if err != nil || text == w.last {
		return err
	}
	w.last = text
	if w.redraws() {
		text = inPlace(w.fit(text))
	}
	if _, err := io.WriteString(w.f.Streams.Out, text); err != nil {
		return err
	}
	return w.f.flush()
}

// inPlace draws lines from the top of the screen: no line wraps around, so each is one row,
// and is cleared before it is written, as is what is below (ECMA-48; DEC's mode 7).
func inPlace(text string) string {
	return "\x1b[?7l\x1b[H\x1b[K" + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n\x1b[K") + "\n\x1b[?7h\x1b[J"
}

// text is a picture and the notes beside it.
func (w *watched) text(p picture) (string, error) {
	if w.f.JSON {
		b, err := json.Marshal(p.v)
		return string(b) + "\n", err
	}
	var b bytes.Buffer
	if w.redraws() {
		errs := w.f.Streams.Err
		defer func() { w.f.Streams.Err = errs }()
		w.f.Streams.Err = &b // notes are part of the picture, not lines that stay
	}
	err := p.human(&b)
	return b.String(), err
}

// fit leaves out the lines for which the terminal has no room.
func (w *watched) fit(text string) string {
	_, rows := size(w.f.terminal)
	lines := strings.SplitAfter(text, "\n")
	if len(lines) <= rows {
		return text
	}
	kept := lines[:max(1, rows-2)]
	more := fmt.Sprintf("… %d more lines", len(lines)-1-len(kept))
	return strings.Join(kept, "") + w.f.outPalette().Paint(render.Faint, more) + "\n"
}
