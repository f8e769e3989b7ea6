package runtimetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/wsctl/wsctl/internal/runtime"
)

func execCases() []row {
	return []row{
		{"exec tells the command's exit status", checkExecStatus},
		{"exec keeps stdout and stderr apart, and joins them on a terminal", checkExecStreams},
		{"exec carries every byte and the end of input", checkExecStdin},
		{"exec sets variables and the folder", checkExecEnv},
		{"exec of a command that does not exist does not look like a missing container", checkExecMissing},
		{"exec in what does not run is ErrNotRunning", checkExecStopped},
		{"a command ends with its container", checkExecDies},
	}
}

// output runs a command to its end.
func (w *world) output(r runtime.Ref, command ...string) (out, errOut string, code int) {
	w.Helper()
	return w.exec(r, runtime.ExecSpec{Command: command}, nil)
}

// exec runs a command to its end with this input.
func (w *world) exec(r runtime.Ref, e runtime.ExecSpec, input []byte) (out, errOut string, code int) {
	w.Helper()
	p, err := w.Driver.Exec(w.ctx, r, e)
	w.must(err, "exec")
	defer p.Close()
	fed := make(chan error, 1)
	go func() {
		if e.Stdin {
			fed <- feed(p.Stdin(), input)
		} else {
			fed <- nil
		}
	}()
	var stdout, stderr bytes.Buffer
	w.must(w.soon("the output of "+strings.Join(e.Command, " "), w.Patience, func() error { return p.Copy(&stdout, &stderr) }), "read the output")
	w.must(<-fed, "write the input")
	code, err = p.Exit(w.ctx)
	w.must(err, "have the exit status")
	return stdout.String(), stderr.String(), code
}

func feed(to io.WriteCloser, input []byte) error {
	if to == nil {
		return errors.New("there is no input")
	}
	_, err := to.Write(input)
	return errors.Join(err, to.Close())
}

func checkExecStatus(w *world) {
	c := w.running("status")
	for _, want := range []int{0, 1, 42, 255} {
		if _, _, code := w.output(c.Ref, shell(fmt.Sprintf("exit %d", want))...); code != want {
			w.Errorf("got exit status %d, want %d", code, want)
		}
	}
}

func checkExecStreams(w *world) {
	c := w.running("streams")
	command := shell("echo to out; echo to err >&2")
	if out, errOut, _ := w.output(c.Ref, command...); out != "to out\n" || errOut != "to err\n" {
		w.Errorf("got %q and %q", out, errOut)
	}
	out, errOut, code := w.exec(c.Ref, runtime.ExecSpec{Command: command, TTY: true, Cols: 80, Rows: 24}, nil)
	if !strings.Contains(out, "to out") || !strings.Contains(out, "to err") || errOut != "" || code != 0 {
		w.Errorf("on a terminal: got %q, %q and status %d", out, errOut, code)
	}
}

func checkExecStdin(w *world) {
	c := w.running("stdin")
	random := rand.NewChaCha8([32]byte{1})
	input := make([]byte, 300_000)
	_, _ = random.Read(input) // never fails
	for _, in := range [][]byte{input, nil} {
		out, _, code := w.exec(c.Ref, runtime.ExecSpec{Command: []string{"cat"}, Stdin: true}, in)
		if code != 0 || out != string(in) {
			w.Errorf("%d bytes went in, %d came back, equal: %t, status %d", len(in), len(out), out == string(in), code)
		}
	}
	p, err := w.Driver.Exec(w.ctx, c.Ref, runtime.ExecSpec{Command: []string{"true"}})
	w.must(err, "exec")
	defer p.Close()
	if p.Stdin() != nil {
		w.Error("without Stdin there is an input")
	}
}

func checkExecEnv(w *world) {
	c := w.container("env")
	c.Spec.Env = map[string]string{"FROM_SPEC": "a b"}
	w.made(c)
	w.must(w.Driver.Start(w.ctx, c.Ref), "start")
	out, _, _ := w.exec(c.Ref, runtime.ExecSpec{Command: []string{"env"}, Env: []string{"FROM_EXEC=x=y"}}, nil)
	for _, want := range []string{"FROM_SPEC=a b\n", "FROM_EXEC=x=y\n"} {
		if !strings.Contains(out, want) {
			w.Errorf("the variables lack %q:\n%s", want, out)
		}
	}
	for dir, want := range map[string]string{"": "/workspace\n", "/tmp": "/tmp\n"} {
		if out, _, _ := w.exec(c.Ref, runtime.ExecSpec{Command: shell("pwd"), Dir: dir}, nil); out != want {
			w.Errorf("in folder %q: got %q, want %q", dir, out, want)
		}
	}
}

func checkExecMissing(w *world) {
	c := w.running("nocommand")
	p, err := w.Driver.Exec(w.ctx, c.Ref, runtime.ExecSpec{Command: []string{"no-such-command"}})
	if err == nil {
		defer p.Close()
		var code int
		w.must(p.Copy(io.Discard, io.Discard), "read the output")
		if code, err = p.Exit(w.ctx); err == nil && code != 126 && code != 127 {
			w.Errorf("got exit status %d, want 126 or 127", code)
		}
	}
	if errors.Is(err, runtime.ErrNotFound) || errors.Is(err, runtime.ErrUnreachable) || errors.Is(err, runtime.ErrNotRunning) {
		w.Errorf("a missing command is told as %v", err)
	}
}

func checkExecStopped(w *world) {
	c := w.container("execstopped")
	w.made(c)
	_, err := w.Driver.Exec(w.ctx, c.Ref, runtime.ExecSpec{Command: []string{"true"}})
	w.mustBe(err, runtime.ErrNotRunning, "exec in one that never ran")
}

func checkExecDies(w *world) {
	c := w.running("execdies")
	p, err := w.Driver.Exec(w.ctx, c.Ref, runtime.ExecSpec{Command: []string{"sleep", "1000"}})
	w.must(err, "exec")
	defer p.Close()
	w.must(w.Driver.Stop(w.ctx, c.Ref, 0), "stop")
	w.must(w.soon("the end of output", w.Patience, func() error { return p.Copy(io.Discard, io.Discard) }), "read to the end")
	if code, err := p.Exit(w.ctx); err == nil && code == 0 {
		w.Error("a killed command ended with status 0")
	}
}
