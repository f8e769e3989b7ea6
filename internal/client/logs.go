package client

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// maxLine bounds one line of an NDJSON stream, in bytes: a snapshot of many
// workspaces is one line.
const maxLine = 256 << 20

// Logs yields the output of a workspace, oldest first. The sequence ends when the
// output ends, with o.Follow only with the run, or with one error.
func (c *Client) Logs(ctx context.Context, ref string, o workspace.LogOptions) iter.Seq2[workspace.LogLine, error] {
	return c.output(ctx, ref, o, url.Values{})
}

// ObserveLogs is Logs for a dashboard or a monitor: to follow is no connection to the
// workspace, and what does not run has output all the same.
func (c *Client) ObserveLogs(ctx context.Context, ref string, o workspace.LogOptions) iter.Seq2[workspace.LogLine, error] {
	return c.output(ctx, ref, o, url.Values{"observe": {"true"}})
}

func (c *Client) output(ctx context.Context, ref string, o workspace.LogOptions, q url.Values) iter.Seq2[workspace.LogLine, error] {
	if o.Follow {
		q.Set("follow", "true")
	}
	if !o.Since.IsZero() {
		q.Set("since", o.Since.UTC().Format(time.RFC3339Nano))
	}
	if o.Tail >= 0 {
		q.Set("tail", strconv.Itoa(o.Tail))
	}
	return stream[workspace.LogLine](ctx, c, call{method: http.MethodGet, path: workspacePath(ref, "/logs"), query: q})
}

// stream yields what the answer to a call holds, a value a line, until it ends, ctx ends or with
// one error.
func stream[T any](ctx context.Context, c *Client, to call) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		resp, err := c.open(ctx, to)
		if err != nil {
			yield(none, err)
			return
		}
		defer resp.Body.Close()
		for raw, err := range lines(resp.Body) {
			var value T
			if err == nil {
				err = decodeLine(raw, &value)
			}
			if err != nil {
				yield(none, c.connection(ctx, err))
				return
			}
			if !yield(value, nil) {
				return
			}
		}
	}
}

// lines yields the lines of r; the slice is valid until the next step.
func lines(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		sc := bufio.NewScanner(r)
		sc.Buffer(make([]byte, 0, 16<<10), maxLine)
		for sc.Scan() {
			if len(sc.Bytes()) > 0 && !yield(sc.Bytes(), nil) {
				return
			}
		}
		if err := sc.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// decodeLine decodes one line of a stream into out. A stream that fails after its
// status was sent ends with a line that is a problem.
func decodeLine(raw []byte, out any) error {
	var p struct {
		Code   string     `json:"code"`
		Kind   fault.Kind `json:"kind"`
		Status int        `json:"status"`
	}
	if json.Unmarshal(raw, &p) == nil && p.Code != "" && p.Kind != "" && p.Status >= 400 {
		var full api.Problem
		if json.Unmarshal(raw, &full) == nil {
			return NewProblemError(full)
		}
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return notUnderstood(err)
	}
	return nil
}
