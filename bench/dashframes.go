package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/creack/pty"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/tui"
	"github.com/wsctl/wsctl/internal/workspace"
)

// dashFrames times the frames of a large screen inside this process: those after changes,
// samples and keys.
func dashFrames(ctx context.Context, d *daemon) (rows []Row, err error) {
	master, tty, err := pty.Open()
	if err != nil {
		return nil, err
	}
	defer master.Close()
	defer tty.Close()
	if err := pty.Setsize(master, &pty.Winsize{Cols: 200, Rows: 60}); err != nil {
		return nil, err
	}
	go func() { _, _ = io.Copy(io.Discard, master) }() // it ends with the terminal
	ctx, cancel := context.WithTimeout(ctx, dashWatched)
	defer cancel()
	go pressing(ctx, master)
	var frames []float64
	err = tui.Run(ctx, tui.Options{
		Source: &pretendedSource{count: d.s.many, seen: make(chan []string, 16)}, In: tty, Out: tty,
		Env: func(string) string { return "" }, Theme: "dark",
		Frame: func(d time.Duration) { frames = append(frames, float64(d)/float64(time.Millisecond)) },
	})
	if ctx.Err() == nil || len(frames) < 100 {
		return nil, errors.Join(errors.New("the dashboard drew too few frames"), err)
	}
	what := "frame time, p99, 200 x 60, " + strconv.Itoa(d.s.many) + " workspaces, " + strconv.Itoa(dashChanges) + " change a second"
	return []Row{below(what, slowest("ms", frames), 16)}, nil
}

// pressing moves the cursor ten times a second.
func pressing(ctx context.Context, tty *os.File) {
	for {
		if rest(100*time.Millisecond)(ctx) != nil {
			return
		}
		_, _ = tty.WriteString("j")
	}
}

// pretendedSource has many workspaces of which some change; nothing is behind it.
type pretendedSource struct {
	count int
	seen  chan []string
}

var errPretended = fault.New(fault.Unsupported, "pretended", "nothing is behind this")

// Watch implements tui.Source.
func (p *pretendedSource) Watch(ctx context.Context, tell func(tui.Change)) error {
	now := time.Now()
	all := make([]workspace.Workspace, p.count)
	use := map[string]api.Activity{}
	for i := range all {
		all[i] = pretendedRow(i, now)
		use[all[i].ID] = api.Activity{Level: "idle", StopAt: now.Add(time.Hour), Sessions: 1}
	}
	tell(tui.Change{Reset: true, Put: all, Use: use})
	changes, samples := time.NewTicker(time.Second/dashChanges), time.NewTicker(2*time.Second)
	defer changes.Stop()
	defer samples.Stop()
	var seen []string
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case seen = <-p.seen:
		case at := <-changes.C:
			w := &all[i*7%len(all)]
			w.Revision++
			w.Labels = map[string]string{"turn": strconv.Itoa(i), "at": at.Format(time.TimeOnly)}
			tell(tui.Change{Put: []workspace.Workspace{*w}})
		case at := <-samples.C:
			for _, id := range seen {
				u := workspace.Usage{Time: at, CPUSeconds: float64(i) / 100, Memory: int64(i) << 10, MemoryLimit: 512 << 20, Network: &workspace.Traffic{In: int64(i) << 12}}
				tell(tui.Change{Sample: &api.Sample{Workspace: id, Usage: u}})
			}
		}
	}
}

// Look implements tui.Source.
func (p *pretendedSource) Look(ids []string) {
	select {
	case p.seen <- ids:
	default:
	}
}

// Logs implements tui.Source.
func (p *pretendedSource) Logs(ctx context.Context, _ string, _ func(workspace.LogLine)) error {
	<-ctx.Done()
	return ctx.Err()
}

// Details implements tui.Source.
func (p *pretendedSource) Details(context.Context, string, tui.Pane) (tui.Details, error) {
	return tui.Details{}, nil
}

// Templates implements tui.Source.
func (p *pretendedSource) Templates(context.Context) ([]api.Template, error) { return nil, nil }

// Do implements tui.Source.
func (p *pretendedSource) Do(context.Context, tui.Order) (tui.Accepted, error) {
	return tui.Accepted{}, errPretended
}

// Create implements tui.Source.
func (p *pretendedSource) Create(context.Context, tui.Draft) (tui.Made, error) {
	return tui.Made{}, errPretended
}

// Folder implements tui.Source.
func (p *pretendedSource) Folder(string) (string, error) { return "", errPretended }

// Folders implements tui.Source.
func (p *pretendedSource) Folders(string) []string { return nil }

// Shell implements tui.Source.
func (p *pretendedSource) Shell(string) tui.Visit { return func() error { return errPretended } }

// Exec implements tui.Source.
func (p *pretendedSource) Exec(string, []string) tui.Visit { return p.Shell("") }

// Forward implements tui.Source.
func (p *pretendedSource) Forward(context.Context, string, tui.PortPair, func(tui.Forwarded)) error {
	return errPretended
}

// Open implements tui.Source.
func (p *pretendedSource) Open(context.Context, string) (string, error) { return "", errPretended }

// Preview implements tui.Source.
func (p *pretendedSource) Preview(context.Context, string) (string, error) { return "", errPretended }
