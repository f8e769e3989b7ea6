package server

import (
	"net/http"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

func (s *Server) status(c *call) error {
	st, err := s.backend.Status(c.ctx, c.actor)
	if err != nil {
		return err
	}
	if st.Workspaces == nil {
		st.Workspaces = map[workspace.State]int{}
	}
	return s.reply(c, http.StatusOK, noTag, st)
}

func (s *Server) doctor(c *call) error {
	checks, err := s.backend.Doctor(c.ctx, c.actor)
	if err != nil {
		return err
	}
	if checks == nil {
		checks = []api.Check{}
	}
	return s.reply(c, http.StatusOK, noTag, api.Doctor{Checks: checks})
}

func (s *Server) ports(c *call) error {
	l, err := s.backend.Ports(c.ctx, c.actor)
	if err != nil {
		return err
	}
	if l.Leases == nil {
		l.Leases = []api.PortLease{}
	}
	return s.reply(c, http.StatusOK, "", l)
}

// gcRequest is the body of POST /v1/gc.
type gcRequest struct {
	DryRun *bool `json:"dry_run,omitempty" doc:"Only list; true when absent" default:"true"`
}

func (s *Server) gc(c *call) error {
	var req gcRequest
	if c.body != nil {
		if err := s.decode(c, &req); err != nil {
			return err
		}
	}
	report, err := s.backend.GC(c.ctx, c.actor, req.DryRun == nil || *req.DryRun)
	if err != nil {
		return err
	}
	if report.Leftovers == nil {
		report.Leftovers = []api.Leftover{}
	}
	return s.reply(c, http.StatusOK, noTag, report)
}

func (s *Server) document(c *call) error {
	h := c.w.Header()
	doc := s.openapi()
	tag := bodyTag(doc)
	h.Set("ETag", tag)
	h.Set("Cache-Control", "private, no-cache")
	if unchanged(c.r, tag) {
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", "application/json")
	_, _ = c.w.Write(doc) // the peer may be gone: nobody is left to tell
	return nil
}

// backup streams the store. Nothing is promised before the first byte, so an error
// until then is a problem; after it the connection is cut.
func (s *Server) backup(c *call) error {
	if c.r.Method == http.MethodHead {
		return nil
	}
	out := &backupWriter{pieces: pieces{c.w, s.times.Write}}
	err := s.backend.Backup(c.ctx, c.actor, out)
	if err != nil && out.begun {
		s.log.Error("a backup broke off", "request_id", requestID(c.r), "err", err)
		return errAbort
	}
	return err
}

// backupWriter says what comes before it does.
type backupWriter struct {
	pieces
	begun bool
}

func (b *backupWriter) Write(p []byte) (int, error) {
	if !b.begun {
		b.begun = true
		h := b.w.Header()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", `attachment; filename="wsd-backup.db"`)
	}
	return b.pieces.Write(p)
}
