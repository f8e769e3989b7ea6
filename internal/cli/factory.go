package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/render"
)

// Factory gives commands what they need, made when first asked for, so that a
// command pays only for what it uses. It belongs to one run of Main.
type Factory struct {
	Streams Streams
	JSON    bool // --json
	Now     func() time.Time

	ConfigFile string         // --config
	flags      *pflag.FlagSet // holds --socket, which overrides every other source

	out      *bufio.Writer
	raw      io.Writer // stdout without the buffer
	terminal any       // what stdout is, to ask for its size
	settings *Settings
	client   *client.Client
}

func newFactory(s Streams) *Factory {
	if s.Env == nil {
		s.Env = func(string) string { return "" }
	}
	f := &Factory{Streams: s, Now: time.Now, terminal: s.Out, raw: stdout{s.Out}}
	f.out = bufio.NewWriter(f.raw)
	f.Streams.Out = f.out
	return f
}

func (f *Factory) flush() error { return f.out.Flush() }

// note prints one line for people to stderr. Arguments from outside are escaped by
// the caller. With --json stderr stays empty. What was printed before it comes before it.
func (f *Factory) note(format string, args ...any) {
	if !f.JSON {
		_ = f.flush() // an error stays with the writer, and is told at the end
		_, _ = fmt.Fprintf(f.Streams.Err, format+"\n", args...)
	}
}

// print prints to stdout.
func (f *Factory) print(format string, args ...any) error {
	_, err := fmt.Fprintf(f.Streams.Out, format, args...)
	return err
}

// result prints v as JSON, or lets human print it.
func (f *Factory) result(v any, human func(w io.Writer) error) error {
	if f.JSON {
		return render.JSON(f.Streams.Out, v)
	}
	return human(f.Streams.Out)
}

// table returns an empty table that fits stdout.
func (f *Factory) table(header ...string) *render.Table {
	return &render.Table{Header: header, Width: f.width(), Palette: f.outPalette()}
}

// Client returns a client of a wsd that answers, after starting one if there is none.
func (f *Factory) Client(ctx context.Context) (*client.Client, error) {
	s, err := f.Settings()
	if err != nil {
		return nil, err
	}
	if f.client != nil {
		return f.client, nil
	}
	ensure := func(ctx context.Context) error {
		_, err := client.EnsureDaemon(ctx, client.DaemonOptions{
			Socket: s.Socket, StateDir: s.StateDir, Config: s.Config, Binary: s.Binary, LogFile: s.LogFile(),
			OnStart: func(string) {
				if f.Streams.ErrTTY {
					f.note("starting wsd in the background (see `wsctl daemon status`)")
				}
			},
		})
		return err
	}
	if err := ensure(ctx); err != nil {
		return nil, err
	}
	f.client = client.New(client.Options{Socket: s.Socket, UserAgent: "wsctl/" + f.version(), Revive: ensure})
	return f.client, nil
}

// Connect returns a client without making sure that wsd runs.
func (f *Factory) Connect() (*client.Client, error) {
	s, err := f.Settings()
	if err != nil {
		return nil, err
	}
	if f.client == nil {
		f.client = client.New(client.Options{Socket: s.Socket, UserAgent: "wsctl/" + f.version()})
	}
	return f.client, nil
}

// escapeLines escapes each line of a text that may have several.
func escapeLines(s string) string {
	parts := strings.Split(s, "\n")
	for i, p := range parts {
		parts[i] = render.EscapeLine(p)
	}
	return strings.Join(parts, "\n  ")
}
