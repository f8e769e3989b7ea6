package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/render"
)

// overviewTime bounds what the overview asks of wsd.
const overviewTime = 2 * time.Second

// overviewResult is what `wsctl --json` prints.
type overviewResult struct {
	Version    string `json:"version"`
	Daemon     bool   `json:"daemon"` // wsd answers
	Workspaces []view `json:"workspaces"`
	Stale      bool   `json:"stale"`
}

// runOverview is `wsctl` alone: what there is and what to try. It starts nothing.
func runOverview(f *Factory, cmd *cobra.Command) error {
	s, err := f.Settings()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), overviewTime)
	defer cancel()
	c := client.New(client.Options{Socket: s.Socket, Retry: client.RetryPolicy{Attempts: 1}})
	if f.JSON {
		list, err := c.Workspaces(ctx, api.Filter{})
		return render.JSON(f.Streams.Out, overviewResult{f.version(), err == nil, viewsOf(list.Workspaces), list.Stale})
	}
	list, err := c.Brief(ctx, api.Filter{})
	return f.sayOverview(f.Streams.Out, err == nil, list.Workspaces)
}

func (f *Factory) sayOverview(out io.Writer, daemon bool, ws []api.Brief) error {
	switch {
	case !daemon:
		_, _ = fmt.Fprintln(out, "wsd is not running; the next command starts it.")
	case len(ws) == 0:
		_, _ = fmt.Fprintln(out, "No workspaces yet.")
	default:
		if err := f.workspaceTable(ws, f.width()).Write(out); err != nil {
			return err
		}
	}
	_, err := io.WriteString(out, `
  wsctl tour              see how it works, in a minute
  wsctl create            make a workspace and get its URL
  wsctl list              what there is
  wsctl exec NAME -- sh   work inside one
  wsctl --help            everything else
`)
	return err
}
