package docker

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestExecGivesStreamsAndStatus(t *testing.T) {
	d := newDriver(t)
	c := testContainer("runs", "wait")
	up(t, d, c)
	for _, want := range []int{0, 1, 7, 255} {
		if _, _, code := inside(t, d, c.Ref, "", "exit", itoa(want)); code != want {
			t.Errorf("exit status %d, want %d", code, want)
		}
	}
	out, errs, _ := inside(t, d, c.Ref, "", "both")
	if out != "to stdout\n" || errs != "to stderr\n" {
		t.Errorf("stdout %q, stderr %q", out, errs)
	}
	raw := make([]byte, 1<<20)
	_, _ = rand.Read(raw)
	if out, _, _ := inside(t, d, c.Ref, string(raw), "cat"); out != string(raw) {
		t.Errorf("1 MiB of stdin came back as %d other bytes", len(out))
	}
	p, err := d.Exec(t.Context(), c.Ref, runtime.ExecSpec{Command: []string{"/no/such/program"}})
	if err == nil {
		_ = p.Copy(io.Discard, io.Discard)
		code, _ := p.Exit(t.Context())
		_ = p.Close()
		if code != 126 && code != 127 {
			t.Errorf("a missing program ends with status %d", code)
		}
	}
	if err := d.Stop(t.Context(), c.Ref, time.Second); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Exec(t.Context(), c.Ref, runtime.ExecSpec{Command: []string{"true"}}); !errors.Is(err, runtime.ErrNotRunning) {
		t.Errorf("Exec in a stopped one: %v", err)
	}
}

func TestATerminalHasItsSize(t *testing.T) {
	d := newDriver(t)
	c := testContainer("terminal", "wait")
	up(t, d, c)
	p, err := d.Exec(t.Context(), c.Ref, runtime.ExecSpec{Command: []string{agentPath, "size"}, TTY: true, Stdin: true, Cols: 100, Rows: 30})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	r, w := io.Pipe()
	go func() {
		_ = p.Copy(w, io.Discard)
		_ = w.Close()
	}()
	_, _ = io.WriteString(p.Stdin(), "now\n")
	seen := readUntil(t, r, "100x30")
	if err := p.Resize(t.Context(), 132, 43); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(p.Stdin(), "end\n")
	seen += readUntil(t, r, "132x43")
	go func() { _, _ = io.Copy(io.Discard, r) }()
	if code, err := p.Exit(t.Context()); code != 0 || err != nil {
		t.Errorf("exit %d, %v after %q", code, err, seen)
	}
}

func readUntil(t *testing.T, r io.Reader, want string) string {
	t.Helper()
	var seen bytes.Buffer
	b := make([]byte, 256)
	for !strings.Contains(seen.String(), want) {
		n, err := r.Read(b)
		seen.Write(b[:n])
		if err != nil {
			t.Fatalf("%v before %q came: %q", err, want, seen.String())
		}
	}
	return seen.String()
}

func readLogs(t *testing.T, d *Driver, r runtime.Ref, o workspace.LogOptions) []workspace.LogLine {
	t.Helper()
	var lines []workspace.LogLine
	if err := d.Logs(t.Context(), r, o, func(l workspace.LogLine) error { lines = append(lines, l); return nil }); err != nil {
		t.Fatalf("Logs: %v", err)
	}
	return lines
}

func texts(lines []workspace.LogLine) string {
	var out []string
	for _, l := range lines {
		out = append(out, l.Text)
	}
	return strings.Join(out, ",")
}

func TestLogsComeInLinesWithTimes(t *testing.T) {
	d := newDriver(t)
	c := testContainer("talks", "print", "one", "two", "three")
	began := time.Now().Add(-time.Second)
	up(t, d, c)
	all := workspace.LogOptions{Tail: -1}
	eventually(t, time.Minute, func() error {
		if got := texts(readLogs(t, d, c.Ref, all)); got != "one,two,three" {
			return errors.New(got)
		}
		return nil
	})
	lines := readLogs(t, d, c.Ref, all)
	for _, l := range lines {
		if l.Stream != "stdout" || l.Time.Before(began) || l.Time.After(time.Now().Add(time.Second)) {
			t.Errorf("line %+v", l)
		}
	}
	if got := texts(readLogs(t, d, c.Ref, workspace.LogOptions{Tail: 1})); got != "three" {
		t.Errorf("the last line: %q", got)
	}
	if got := texts(readLogs(t, d, c.Ref, workspace.LogOptions{Tail: -1, Since: lines[2].Time})); got != "three" {
		t.Errorf("since the third: %q", got)
	}
	stop := errors.New("enough")
	if err := d.Logs(t.Context(), c.Ref, workspace.LogOptions{Tail: -1, Follow: true}, func(workspace.LogLine) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("yield's error is lost: %v", err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- d.Logs(t.Context(), c.Ref, workspace.LogOptions{Tail: -1, Follow: true}, func(workspace.LogLine) error { return nil })
	}()
	if err := d.Stop(t.Context(), c.Ref, time.Second); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("following a container that stops: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("following does not end when the container stops")
	}
}

func TestALongLineComesInPieces(t *testing.T) {
	d := newDriver(t)
	const size = 100_000
	c := testContainer("long", "long", itoa(size))
	up(t, d, c)
	eventually(t, time.Minute, func() error {
		total := 0
		for _, l := range readLogs(t, d, c.Ref, workspace.LogOptions{Tail: -1}) {
			if len(l.Text) > maxLine {
				return errors.New("a piece of " + itoa(len(l.Text)))
			}
			if strings.Trim(l.Text, "x") != "" || l.Time.IsZero() {
				return errors.New("a piece with something else in it: " + l.Text[:40])
			}
			total += len(l.Text)
		}
		if total != size {
			return errors.New("in all " + itoa(total))
		}
		return nil
	})
}
