package server

import (
	"context"
	"net/http"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

func (s *Server) listJobs(c *call) error {
	ref, err := c.refParam()
	if err != nil {
		return err
	}
	var states []workspace.JobState
	for _, v := range c.query.list("state") {
		states = append(states, workspace.JobState(v))
	}
	jobs, err := s.backend.Jobs(c.ctx, c.actor, states, ref)
	if err != nil {
		return err
	}
	if jobs == nil {
		jobs = []workspace.Job{}
	}
	return s.reply(c, http.StatusOK, "", api.JobList{Jobs: jobs})
}

func (s *Server) jobStats(c *call) error {
	kinds, err := s.backend.JobStats(c.ctx, c.actor)
	if err != nil {
		return err
	}
	if kinds == nil {
		kinds = []workspace.JobStats{}
	}
	return s.reply(c, http.StatusOK, "", api.JobStats{Kinds: kinds})
}

func (s *Server) getJob(c *call) error    { return s.job(c, s.backend.Job) }
func (s *Server) retryJob(c *call) error  { return s.job(c, s.backend.RetryJob) }
func (s *Server) cancelJob(c *call) error { return s.job(c, s.backend.CancelJob) }

func (s *Server) job(c *call, ask func(context.Context, workspace.Actor, string) (workspace.Job, error)) error {
	id, err := parseWord("job_id_invalid", "the id of a job", c.r.PathValue("id"), "")
	if err != nil {
		return err
	}
	j, err := ask(c.ctx, c.actor, id)
	if err != nil {
		return err
	}
	return s.reply(c, http.StatusOK, "", j)
}
