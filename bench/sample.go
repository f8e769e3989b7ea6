package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

// act is one thing to measure. It is run once for each sample; before and after
// are not timed and may be nil.
type act struct {
	before func(ctx context.Context) error
	timed  func(ctx context.Context) error
	after  func(ctx context.Context) error
}

// sampleTime bounds one sample with what stands around it.
const sampleTime = time.Minute

// interleave samples all acts n times, in turns and every other time backwards,
// and returns milliseconds for each.
func interleave(ctx context.Context, n int, acts ...act) ([]*Figure, error) {
	samples := make([][]float64, len(acts))
	for round := range n {
		for i := range acts {
			if round%2 == 1 {
				i = len(acts) - 1 - i
			}
			d, err := acts[i].sample(ctx)
			if err != nil {
				return nil, err
			}
			samples[i] = append(samples[i], float64(d)/float64(time.Millisecond))
		}
	}
	out := make([]*Figure, len(acts))
	for i := range acts {
		out[i] = figure("ms", samples[i])
	}
	return out, nil
}

func (a act) sample(ctx context.Context) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	if a.before != nil {
		if err := a.before(ctx); err != nil {
			return 0, err
		}
	}
	begin := time.Now()
	err = a.timed(ctx)
	took = time.Since(begin)
	if a.after != nil {
		err = errors.Join(err, a.after(ctx))
	}
	return took, err
}

// rest waits, so that what the last sample left behind is done.
func rest(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// command runs a program to its end and returns its standard output.
func command(ctx context.Context, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = env
	var out, text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &text
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("cannot run %s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(text.String()+out.String()))
	}
	return out.Bytes(), nil
}

// answers polls an address until it answers HTTP 200.
func answers(ctx context.Context, url string) error {
	return poll(ctx, time.Millisecond, func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		if err := resp.Body.Close(); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, resp.Status)
		}
		return nil
	})
}

// poll calls try until it succeeds, and returns its last error with the context's
// when that ends first.
func poll(ctx context.Context, every time.Duration, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		if ended := rest(every)(ctx); ended != nil {
			return fmt.Errorf("%w: %w", ended, err)
		}
	}
}
