package docker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// maxLine is the size of the pieces in which long lines come; the engine's too.
const maxLine = 16 << 10

// Logs yields the output of the container's current and earlier runs, as far as
// the engine has kept it. With Follow it ends without an error when the container
// stops or is removed.
func (d *Driver) Logs(ctx context.Context, r runtime.Ref, o workspace.LogOptions, yield func(workspace.LogLine) error) error {
	in, err := d.inspect(ctx, r)
	if err != nil {
		return err
	}
	body, s, cancel, err := stream(ctx, d.link, "read the output", func(ctx context.Context, s *session) (io.ReadCloser, error) {
		return s.ContainerLogs(ctx, in.ID, logOptions(o))
	})
	if err != nil {
		return err
	}
	defer cancel()
	defer func() { _ = body.Close() }()
	var stop error
	each := func(stream string) io.Writer {
		return frameWriter(func(frame []byte) error {
			for _, l := range logLines(stream, frame) {
				if stop = yield(l); stop != nil {
					return stop
				}
			}
			return nil
		})
	}
	_, err = stdcopy.StdCopy(each("stdout"), each("stderr"), body)
	switch {
	case stop != nil:
		return stop
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return d.link.fail(ctx, s, "read the output", err)
	}
	return nil
}

func logOptions(o workspace.LogOptions) container.LogsOptions {
	out := container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: o.Follow, Tail: "all"}
	if o.Tail >= 0 {
		out.Tail = strconv.Itoa(o.Tail)
	}
	if !o.Since.IsZero() {
		out.Since = stamp(o.Since)
	}
	return out
}

// stamp writes a time as the engine reads it, to the nanosecond.
func stamp(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }

// frameWriter gets one frame of the engine's stream in each call: a time, a space
// and a line, or a piece of a long line.
type frameWriter func([]byte) error

func (w frameWriter) Write(p []byte) (int, error) {
	if err := w(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// logLines splits a frame. A frame without a time belongs to the line before it in
// engines that cut frames; it keeps a zero time.
func logLines(stream string, frame []byte) []workspace.LogLine {
	var at time.Time
	if head, rest, ok := bytes.Cut(frame, []byte{' '}); ok && len(head) <= len("2006-01-02T15:04:05.000000000-07:00") {
		if t, err := time.Parse(time.RFC3339Nano, string(head)); err == nil {
			at, frame = t, rest
		}
	}
	text := strings.ToValidUTF8(strings.TrimSuffix(strings.TrimSuffix(string(frame), "\n"), "\r"), "\uFFFD")
	var out []workspace.LogLine
	for len(text) > maxLine {
		cut := maxLine
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		out = append(out, workspace.LogLine{Time: at, Stream: stream, Text: text[:cut]})
		text = text[cut:]
	}
	return append(out, workspace.LogLine{Time: at, Stream: stream, Text: text})
}
