package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
)

// execs is how many short commands make one sample of the row about kept programs: a
// single one is too short to time among others.
const execs = 5

// measureExec compares running a short command in a workspace with `docker exec` of the
// same command in the plain engine's twin.
func measureExec(ctx context.Context, s settings) (rows []Row, err error) {
	p, err := newPair(ctx, s)
	defer func() { err = errors.Join(err, p.close(ctx)) }()
	if err != nil {
		return nil, err
	}
	if err := p.model(ctx); err != nil {
		return nil, err
	}
	id, err := p.twin.create(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.twin.startAnswering(ctx, id); err != nil {
		return nil, err
	}
	ours := act{timed: func(ctx context.Context) error {
		_, err := p.ours.wsctl(ctx, "exec", "bench-model", "--", "true")
		return err
	}}
	plain := act{timed: func(ctx context.Context) error {
		_, err := command(ctx, os.Environ(), "docker", "exec", id, "true")
		return err
	}}
	within := act{timed: func(ctx context.Context) error {
		for range execs {
			if _, err := p.ours.client.Exec(ctx, "bench-model", api.ExecStart{Command: []string{"true"}}, client.ExecStreams{Out: io.Discard, Err: io.Discard}); err != nil {
				return err
			}
		}
		return nil
	}}
	found, err := interleave(ctx, s.count, ours, plain, within)
	if err != nil {
		return nil, err
	}
	each := *found[2]
	each.Median, each.Min, each.Max = each.Median/execs, each.Min/execs, each.Max/execs
	return []Row{
		against("wsctl exec true / docker exec true", found[0], found[1], 0.5),
		against("one exec over the API / docker exec true", &each, found[1], 0.5),
	}, nil
}
