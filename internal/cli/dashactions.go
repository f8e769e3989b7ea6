package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/term"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/tui"
)

// program is this very program with args, the socket that the dashboard uses and the
// terminal itself, not what the dashboard draws through.
func (s *dashSource) program(args ...string) *exec.Cmd {
	path, err := os.Executable()
	if err != nil {
		path = os.Args[0]
	}
	options := []string{"--socket", s.client.Socket()}
	if s.f.ConfigFile != "" {
		options = append(options, "--config", s.f.ConfigFile)
	}
	cmd := exec.Command(path, append(options, args...)...) //nolint:gosec,noctx // it ends with its terminal
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.f.Streams.inFile, os.Stdout, os.Stderr
	return cmd
}

// Shell implements tui.Source.
func (s *dashSource) Shell(name string) tui.Visit { return s.program("shell", name).Run }

// Exec implements tui.Source.
func (s *dashSource) Exec(name string, command []string) tui.Visit {
	cmd := s.program(append([]string{"exec", name, "-t", "--"}, command...)...)
	return func() error {
		_, _ = fmt.Fprint(os.Stdout, "\x1b[H\x1b[2J") // what was on the screen before the dashboard is not its output
		err := cmd.Run()
		ended := "it has ended"
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			ended = fmt.Sprintf("it has ended with status %d", exit.ExitCode())
		}
		_, _ = fmt.Fprintf(os.Stdout, "\n\x1b[7m %s; press any key \x1b[m", ended)
		s.anyKey()
		_, _ = fmt.Fprintln(os.Stdout)
		return err
	}
}

// anyKey waits for a key. Ctrl-C is one: the terminal makes no signal of it here.
func (s *dashSource) anyKey() {
	in := s.f.Streams.inFile
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return
	}
	defer func() { _ = term.Restore(int(in.Fd()), before) }()
	_, _ = in.Read(make([]byte, 64))
}

// Forward implements tui.Source.
func (s *dashSource) Forward(ctx context.Context, id string, p tui.PortPair, tell func(tui.Forwarded)) error {
	if _, err := s.client.Listening(ctx, id); err != nil { // does it run?
		return err
	}
	l, err := listenFor(ctx, "127.0.0.1", forwarding{Local: p.Local, Remote: p.Remote})
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	now := tui.Forwarded{Address: l.Addr().String()}
	tell(now)
	c := carrier{client: s.client, ref: id, port: p.Remote, told: func(open, total int, wrong error) {
		now.Open, now.Total = open, total
		if wrong != nil {
			now.Wrong = wrong
		}
		tell(now)
	}}
	c.run(ctx, l)
	return ctx.Err()
}

// Open implements tui.Source.
func (s *dashSource) Open(ctx context.Context, id string) (string, error) {
	w, names, err := placed(ctx, s.client, id)
	if err != nil {
		return "", err
	}
	url, err := addressOf(w, names, 0)
	if err != nil {
		return "", err
	}
	return url, s.show(ctx, url, "y")
}

// Preview implements tui.Source.
func (s *dashSource) Preview(ctx context.Context, id string) (string, error) {
	w, names, err := placed(ctx, s.client, id)
	if err != nil {
		return "", err
	}
	url, err := (&previewOptions{}).address(w, names)
	if err != nil {
		return "", err
	}
	return url, s.show(ctx, url, "Y")
}

// show opens url in a browser; key is the one that copies it.
func (s *dashSource) show(ctx context.Context, url, key string) error {
	if s.f.browse(ctx, url) {
		return nil
	}
	return fault.New(fault.Unsupported, "no_browser", "no browser can be opened from here").
		WithHint("open %s yourself; %s copies its address", url, key)
}
