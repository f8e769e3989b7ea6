package runtimetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

func logCases() []row {
	return []row{
		{"logs come in order, with time and stream", checkLogs},
		{"logs can be cut by tail and by time", checkLogsCut},
		{"logs of a stopped workspace stay", checkLogsStay},
		{"following ends with the run", checkLogsFollow},
		{"following ends with the context or when the reader has enough", checkLogsGiveUp},
	}
}

// talker is a main process that writes three lines and goes on.
func talker() []string { return shell("echo one; echo two; echo three; sleep 1000") }

// lines reads what a log holds now.
func (w *world) lines(r runtime.Ref, o workspace.LogOptions) (out []workspace.LogLine) {
	w.Helper()
	w.must(w.Driver.Logs(w.ctx, r, o, func(l workspace.LogLine) error {
		out = append(out, l)
		return nil
	}), "read the log")
	return out
}

// said waits until the log holds three lines.
func (w *world) said(r runtime.Ref) (out []workspace.LogLine) {
	w.Helper()
	w.eventually("three lines of output", func() bool {
		out = w.lines(r, workspace.LogOptions{Tail: -1})
		return len(out) >= 3
	})
	return out
}

func texts(lines []workspace.LogLine) []string {
	out := []string{}
	for _, l := range lines {
		out = append(out, l.Text)
	}
	return out
}

func checkLogs(w *world) {
	c := w.running("logs", talker()...)
	lines := w.said(c.Ref)
	if got := texts(lines); !slices.Equal(got, []string{"one", "two", "three"}) {
		w.Errorf("got lines %q", got)
	}
	st := w.status(c.Ref)
	for _, l := range lines {
		if l.Stream != "stdout" || l.Time.Before(st.StartedAt.Add(-time.Second)) {
			w.Errorf("a line of a run since %s is %+v", st.StartedAt, l)
		}
	}
}

func checkLogsCut(w *world) {
	c := w.running("logscut", talker()...)
	last := w.said(c.Ref)[2].Time
	for name, row := range map[string]struct {
		o    workspace.LogOptions
		want []string
	}{
		"the last two":         {workspace.LogOptions{Tail: 2}, []string{"two", "three"}},
		"none":                 {workspace.LogOptions{Tail: 0}, []string{}},
		"more than there are":  {workspace.LogOptions{Tail: 100}, []string{"one", "two", "three"}},
		"since before the run": {workspace.LogOptions{Tail: -1, Since: last.Add(-time.Hour)}, []string{"one", "two", "three"}},
		"since after the last": {workspace.LogOptions{Tail: -1, Since: last.Add(time.Millisecond)}, []string{}},
	} {
		if got := texts(w.lines(c.Ref, row.o)); !slices.Equal(got, row.want) {
			w.Errorf("%s: got %q, want %q", name, got, row.want)
		}
	}
}

func checkLogsStay(w *world) {
	c := w.running("logsstay", talker()...)
	w.said(c.Ref)
	w.must(w.Driver.Stop(w.ctx, c.Ref, 0), "stop")
	if got := w.lines(c.Ref, workspace.LogOptions{Tail: -1, Follow: true}); len(got) < 3 {
		w.Errorf("after the stop the log holds %q", texts(got))
	}
}

func checkLogsFollow(w *world) {
	c := w.running("follow", talker()...)
	seen := make(chan string, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- w.Driver.Logs(w.ctx, c.Ref, workspace.LogOptions{Tail: -1, Follow: true}, func(l workspace.LogLine) error {
			seen <- l.Text
			return nil
		})
	}()
	for _, want := range []string{"one", "two", "three"} {
		w.must(w.soon("line "+want, w.Patience, func() error {
			if got := <-seen; got != want {
				return errors.New("got " + got)
			}
			return nil
		}), "follow")
	}
	select {
	case err := <-ended:
		w.Fatalf("following ended while the workspace runs: %v", err)
	default:
	}
	w.must(w.Driver.Stop(w.ctx, c.Ref, 0), "stop")
	w.must(w.soon("the end of following", w.Patience, func() error { return <-ended }), "follow to the end")
}

func checkLogsGiveUp(w *world) {
	c := w.running("giveup", talker()...)
	w.said(c.Ref)
	enough := errors.New("enough")
	err := w.soon("the end after the reader's error", quick, func() error {
		return w.Driver.Logs(w.ctx, c.Ref, workspace.LogOptions{Tail: -1, Follow: true}, func(workspace.LogLine) error { return enough })
	})
	w.mustBe(err, enough, "a reader that has enough")

	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	err = w.soon("the end after the context", quick, func() error {
		return w.Driver.Logs(ctx, c.Ref, workspace.LogOptions{Tail: -1, Follow: true}, func(l workspace.LogLine) error {
			if l.Text == "three" {
				cancel()
			}
			return nil
		})
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		w.Errorf("after the context's end: %v", err)
	}
}
