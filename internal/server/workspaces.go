package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

func (s *Server) listWorkspaces(c *call) error {
	f, err := filterOf(c.query)
	if err != nil {
		return err
	}
	list, err := s.backend.Workspaces(c.ctx, c.actor, f)
	if err != nil {
		return err
	}
	var next string
	if c.query.has("cursor") || c.query.has("limit") {
		if list, next, err = page(list, c.query.text("cursor"), int(c.query.number("limit", defaultPage))); err != nil {
			return err
		}
	}
	return s.reply(c, http.StatusOK, "", api.LiveList{Workspaces: s.live(list...), Stale: s.backend.Stale(), Next: next})
}

// brief answers a list without what only scripts want; a workspace cannot be
// meant by its path, because workspaces are below another one.
func (s *Server) brief(c *call) error {
	f, err := filterOf(c.query)
	if err != nil {
		return err
	}
	list, err := s.backend.Brief(c.ctx, c.actor, f)
	if err != nil {
		return err
	}
	if list == nil {
		list = []api.Brief{}
	}
	return s.reply(c, http.StatusOK, "", api.BriefList{Workspaces: list, Stale: s.backend.Stale()})
}

func filterOf(q query) (api.Filter, error) {
	f := api.Filter{Owner: q.text("owner")}
	for _, v := range q.list("state") {
		f.States = append(f.States, workspace.State(v))
	}
	for _, v := range q.list("label") {
		sel, err := workspace.ParseSelector(v)
		if err != nil {
			return f, err
		}
		f.Labels = append(f.Labels, sel)
	}
	return f, nil
}

// page cuts list after cursor, which is the name of the last workspace of the page
// before: names are unique and stay in order when others come and go.
func page(list []workspace.Workspace, cursor string, limit int) ([]workspace.Workspace, string, error) {
	if cursor != "" && workspace.ValidateName(cursor) != nil {
		return nil, "", fault.New(fault.Invalid, "cursor_invalid", "the cursor is not one of ours").
			WithHint("pass the member next of the page before, unchanged").WithField("?cursor", "cursor_invalid", "")
	}
	list = slices.SortedFunc(slices.Values(list), func(a, b workspace.Workspace) int { return strings.Compare(a.Name, b.Name) })
	from := slices.IndexFunc(list, func(w workspace.Workspace) bool { return w.Name > cursor })
	if from < 0 {
		return nil, "", nil
	}
	if list = list[from:]; len(list) <= limit {
		return list, "", nil
	}
	return list[:limit], list[limit-1].Name, nil
}

func (s *Server) createWorkspace(c *call) error {
	key, err := idempotency(c.r)
	if err != nil {
		return err
	}
	var req api.Create
	if err := s.decode(c, &req); err != nil {
		return err
	}
	w, fresh, err := s.backend.Create(c.ctx, c.actor, req, key)
	if err != nil {
		return err
	}
	if req.DryRun {
		return s.reply(c, http.StatusOK, noTag, w)
	}
	c.w.Header().Set("Location", "/v1/workspaces/"+w.ID)
	switch {
	case !fresh:
		return s.reply(c, http.StatusOK, workspaceTag(w), w)
	case w.Job != "":
		return s.reply(c, http.StatusAccepted, workspaceTag(w), w)
	}
	return s.reply(c, http.StatusCreated, workspaceTag(w), w)
}

// idempotency reads Idempotency-Key; "" when absent.
func idempotency(r *http.Request) (string, error) {
	given := r.Header.Values(api.HeaderIdempotencyKey)
	if given == nil {
		return "", nil
	}
	odd := func(c rune) bool { return c <= ' ' || c > '~' }
	if len(given) > 1 || given[0] == "" || len(given[0]) > 128 || strings.ContainsFunc(given[0], odd) {
		return "", fault.New(fault.Invalid, "idempotency_key_invalid", "Idempotency-Key is not 1 to 128 visible ASCII characters").
			WithHint("use a random word, and the same one when you repeat the request")
	}
	return given[0], nil
}

func (s *Server) getWorkspace(c *call) error {
	ref, err := parseRef(c.r.PathValue("ref"))
	if err != nil {
		return err
	}
	w, err := s.backend.Workspace(c.ctx, c.actor, ref)
	if err != nil {
		return err
	}
	l := s.live(w)[0]
	tag, err := liveTag(l)
	if err != nil {
		return err
	}
	return s.reply(c, http.StatusOK, tag, l)
}

func (s *Server) updateWorkspace(c *call) error {
	ref, rev, err := s.target(c, true)
	if err != nil {
		return err
	}
	var u api.Update
	if err := s.decode(c, &u); err != nil {
		return err
	}
	w, err := s.backend.Update(c.ctx, c.actor, ref, rev, u)
	return s.accepted(c, w, err)
}

func (s *Server) deleteWorkspace(c *call) error {
	ref, rev, err := s.target(c, false)
	if err != nil {
		return err
	}
	w, err := s.backend.Delete(c.ctx, c.actor, ref, rev, c.query.bool("force"))
	return s.accepted(c, w, err)
}

// target returns the workspace to change and the revision that it must have (0: any).
// A tag with an id pins the id, so that a namesake made meanwhile is not hit.
func (s *Server) target(c *call, required bool) (string, uint64, error) {
	ref, err := parseRef(c.r.PathValue("ref"))
	if err != nil {
		return "", 0, err
	}
	m, err := ifMatch(c.r, required)
	if err != nil || m.id == "" || m.id == ref {
		return ref, m.rev, err
	}
	w, err := s.backend.Workspace(c.ctx, c.actor, ref)
	switch {
	case err != nil:
		return "", 0, err
	case w.ID != m.id:
		return "", 0, errStale()
	}
	return w.ID, m.rev, nil
}

func (s *Server) command(c *call, cmd api.Command) error {
	ref, err := parseRef(c.r.PathValue("ref"))
	if err != nil {
		return err
	}
	w, err := s.backend.Command(c.ctx, c.actor, ref, cmd)
	return s.accepted(c, w, err)
}

// accepted answers 202 while a job has work to do, else 200.
func (s *Server) accepted(c *call, w workspace.Workspace, err error) error {
	if err != nil {
		return err
	}
	if w.Job == "" {
		return s.reply(c, http.StatusOK, workspaceTag(w), w)
	}
	c.w.Header().Set("Location", "/v1/workspaces/"+w.ID)
	return s.reply(c, http.StatusAccepted, workspaceTag(w), w)
}

func (s *Server) usage(c *call) error {
	ref, err := parseRef(c.r.PathValue("ref"))
	if err != nil {
		return err
	}
	u, err := s.backend.Usage(c.ctx, c.actor, ref)
	if err != nil {
		return err
	}
	return s.reply(c, http.StatusOK, noTag, u)
}
