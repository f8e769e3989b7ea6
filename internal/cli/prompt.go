package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/wsctl/wsctl/internal/fault"
)

// agrees asks a person at a terminal, who has to say yes. The end of the input is a no.
func (f *Factory) agrees(ctx context.Context, question string) (bool, error) {
	answer, err := f.answer(ctx, question+" [y/N] ")
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	a := strings.ToLower(strings.TrimSpace(answer))
	return a == "y" || a == "yes", nil
}

// answer reads a line that a person types after the prompt. The line of the prompt is over
// in each case, so that what comes next stands on its own.
func (f *Factory) answer(ctx context.Context, prompt string) (string, error) {
	_, _ = fmt.Fprint(f.Streams.Err, prompt)
	text, err := await(ctx, func() (string, error) { return bufio.NewReader(f.Streams.In).ReadString('\n') })
	if err != nil {
		_, _ = fmt.Fprintln(f.Streams.Err)
	}
	return text, err
}

// hiddenAnswer is answer for a line that the terminal does not show.
func (f *Factory) hiddenAnswer(ctx context.Context, prompt string, terminal *os.File) ([]byte, error) {
	fd := int(terminal.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	_, _ = fmt.Fprint(f.Streams.Err, prompt)
	text, err := await(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	_ = term.Restore(fd, before) // who reads on after Ctrl-C does it no more
	_, _ = fmt.Fprintln(f.Streams.Err)
	return text, err
}

// await does what cannot be interrupted, and gives up on it when ctx ends.
func await[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	got := make(chan result, 1)
	go func() {
		value, err := do()
		got <- result{value, err}
	}()
	select {
	case r := <-got:
		return r.value, r.err
	case <-ctx.Done():
		return *new(T), fault.From(context.Cause(ctx))
	}
}
