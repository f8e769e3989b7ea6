package client

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Jobs lists jobs in any of the states (none: all) of one workspace ("" : all).
func (c *Client) Jobs(ctx context.Context, states []workspace.JobState, ref string) (api.JobList, error) {
	q := url.Values{}
	if len(states) > 0 {
		words := make([]string, len(states))
		for i, s := range states {
			words[i] = string(s)
		}
		q.Set("state", strings.Join(words, ","))
	}
	if ref != "" {
		q.Set("workspace", ref)
	}
	var l api.JobList
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/jobs", query: q}, &l)
	return l, err
}

// Job returns one job.
func (c *Client) Job(ctx context.Context, id string) (workspace.Job, error) {
	var j workspace.Job
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/jobs/" + url.PathEscape(id)}, &j)
	return j, err
}

// RetryJob lets a failed job begin anew, or a delayed one begin now.
func (c *Client) RetryJob(ctx context.Context, id string) (workspace.Job, error) {
	return c.jobCommand(ctx, id, "retry")
}

// CancelJob ends an open job without a result.
func (c *Client) CancelJob(ctx context.Context, id string) (workspace.Job, error) {
	return c.jobCommand(ctx, id, "cancel")
}

func (c *Client) jobCommand(ctx context.Context, id, word string) (workspace.Job, error) {
	var j workspace.Job
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/jobs/" + url.PathEscape(id) + "/" + word}, &j)
	return j, err
}

// JobStats returns counts and mean times of every kind of job.
func (c *Client) JobStats(ctx context.Context) (api.JobStats, error) {
	var s api.JobStats
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/jobs/stats"}, &s)
	return s, err
}
