package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/render"
)

// listening shows on which ports something listens inside.
func (f *Factory) listening(ctx context.Context, c *client.Client, name string) error {
	if err := nameOrFault(name); err != nil {
		return err
	}
	list, err := c.Listening(ctx, name)
	if err != nil {
		return err
	}
	if list.Ports == nil {
		list.Ports = []api.Listening{}
	}
	return f.result(list, func(out io.Writer) error {
		if len(list.Ports) == 0 {
			f.note("nothing listens inside %s", name)
			return nil
		}
		t := f.table("PORT", "ADDRESS", "PROGRAM", "LABEL", "URL")
		t.Loose, t.Spare = []string{"LABEL", "PROGRAM"}, []string{"LABEL", "ADDRESS", "PROGRAM"}
		for _, l := range list.Ports {
			t.Row(fmt.Sprint(l.Port), l.Address, orDash(l.Process), orDash(l.Label), orDash(l.URL))
		}
		return t.Write(out)
	})
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// portChange is one line of --watch in JSON.
type portChange struct {
	Change string `json:"change"` // opened or closed
	api.Listening
}

// watchListening shows ports as they come and go, until the workspace stops.
func (f *Factory) watchListening(ctx context.Context, c *client.Client, name string) error {
	if err := nameOrFault(name); err != nil {
		return err
	}
	open := map[int]api.Listening{}
	for list, err := range c.FollowListening(ctx, name) {
		if err != nil {
			return err
		}
		for _, change := range changes(open, list.Ports) {
			if err := f.tellPort(change); err != nil {
				return err
			}
		}
		if err := f.flush(); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f.note("%s does not run any more", name)
	return nil
}

// changes brings open up to date with now and tells what that changed.
func changes(open map[int]api.Listening, now []api.Listening) []portChange {
	var out []portChange
	there := map[int]bool{}
	for _, l := range now {
		there[l.Port] = true
		if before, known := open[l.Port]; !known || before.Process != l.Process {
			out = append(out, portChange{"opened", l})
		}
		open[l.Port] = l
	}
	for port, l := range open {
		if !there[port] {
			delete(open, port)
			out = append(out, portChange{"closed", l})
		}
	}
	return out
}

func (f *Factory) tellPort(c portChange) error {
	if f.JSON {
		return render.JSONLine(f.Streams.Out, c)
	}
	p := f.outPalette()
	mark := p.Paint(render.Good, "+")
	if c.Change == "closed" {
		mark = p.Paint(render.Bad, "-")
	}
	return f.print("%s %-5d  %-16s  %s\n", mark, c.Port, render.Escape(orDash(c.Process)), render.Escape(c.URL))
}
