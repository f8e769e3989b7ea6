package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/template"
	"github.com/wsctl/wsctl/internal/workspace"
)

const (
	// maxSlots bounds workspaces per daemon: container uids are 20000 + slot.
	maxSlots = 40000
	// idempotencyLife is how long the answer to a create is kept for its key.
	idempotencyLife = 24 * time.Hour
	// defaultPort is where a server inside is looked for when nothing says so.
	defaultPort = 8080
)

// Create makes a workspace; see server.Backend.
func (e *Engine) Create(ctx context.Context, a workspace.Actor, req api.Create, key string) (workspace.Workspace, bool, error) {
	w, created, err := e.tryCreate(ctx, a, req, key)
	for n := 0; n < 5 && req.Name == "" && fault.HasCode(err, "name_taken"); n++ {
		w, created, err = e.tryCreate(ctx, a, req, key) // somebody else made up the same name
	}
	return w, created, err
}

func (e *Engine) tryCreate(ctx context.Context, a workspace.Actor, req api.Create, key string) (workspace.Workspace, bool, error) {
	draft, err := e.draft(a, req)
	if err != nil {
		return draft, false, err
	}
	if req.DryRun {
		return draft, false, e.rehearse(draft, req)
	}
	away := e.reachable(ctx) // which a replay does not mind
	sum := requestSum(req)
	created := false
	w := draft
	err = e.do(ctx, func(t *turn) error {
		kept, found, err := t.Idempotent(a.ID, key)
		if err != nil {
			return err
		}
		if created = key == "" || !found; !created {
			w, err = replay(t, kept, sum)
			return err
		}
		if away != nil {
			return away
		}
		w, err = e.found(t, draft, req)
		if err != nil {
			return err
		}
		if req.GitCredential != nil {
			id, c := w.ID, *req.GitCredential
			e.credentials.keep(id, c) // before the commit: a worker may begin right after it
			t.undos = append(t.undos, func() { e.credentials.drop(id) })
		}
		if key == "" {
			return nil
		}
		return keepKey(t, a.ID, key, store.Kept{Hash: sum, Workspace: w.ID, At: t.now})
	})
	if errors.Is(err, errPortInUse) {
		err = e.portInUse(req.HostPort)
	}
	return w, created && err == nil, err
}

// draft resolves a request to a workspace without id, port and slot.
func (e *Engine) draft(a workspace.Actor, req api.Create) (workspace.Workspace, error) {
	w := workspace.Workspace{
		Name: req.Name, Owner: a.ID, Labels: maps.Clone(req.Labels), State: workspace.Creating,
		Desired: workspace.WantRunning, Generation: 1,
	}
	if req.Stopped {
		w.Desired = workspace.WantStopped
	}
	if req.Name == "" {
		w.Name = workspace.MadeUpName()
	}
	if err := workspace.ValidateName(w.Name); err != nil {
		return w, err
	}
	if err := workspace.ValidateLabels(req.Labels); err != nil {
		return w, err
	}
	spec, err := e.resolve(w.Name, req)
	if err == nil {
		err = e.addSource(&spec, req.CreateSource, a)
	}
	if err == nil {
		err = e.addBuild(&spec, req)
	}
	if x, ok := e.cfg.Driver.(rt.Examiner); ok && err == nil {
		err = x.Examine(spec)
	}
	w.Spec = spec
	return w, err
}

// resolve fills a spec from the template or image, the request and the defaults.
func (e *Engine) resolve(name string, req api.Create) (workspace.Spec, error) {
	spec, err := e.base(name, req)
	if err != nil {
		return spec, err
	}
	if len(req.Command) > 0 {
		spec.Command = req.Command
	}
	if req.Port != 0 {
		spec.Port = req.Port
	}
	if req.Profile != "" {
		spec.Profile = req.Profile
	}
	if req.Policy != "" {
		spec.Policy = req.Policy
	}
	if len(req.Env) > 0 && spec.Env == nil {
		spec.Env = make(map[string]string)
	}
	maps.Copy(spec.Env, req.Env)
	e.fillDefaults(&spec)
	spec.Limits = overlay(spec.Limits, req.Limits)
	return spec, e.checkSpec(spec)
}

func (e *Engine) base(name string, req api.Create) (workspace.Spec, error) {
	switch {
	case req.Devcontainer != nil:
		return e.fromDevcontainer(req)
	case req.Image != "" && req.Template != "":
		return workspace.Spec{}, fault.New(fault.Invalid, "template_and_image", "both a template and an image are given").
			WithHint("give one of them")
	case req.Image != "":
		if len(req.Params) > 0 {
			return workspace.Spec{}, fault.New(fault.Invalid, "params_without_template", "parameters are given without a template")
		}
		spec := workspace.Spec{Image: req.Image, Ready: workspace.ReadyProcess, Profile: workspace.Writable}
		return spec, workspace.ValidateImage(req.Image)
	}
	tpl, err := e.cfg.Templates.Get(orDefault(req.Template, e.cfg.Defaults.Template))
	if err != nil {
		return workspace.Spec{}, err
	}
	spec, err := tpl.Resolve(template.Values{Workspace: name, Port: req.Port, Params: req.Params})
	if err == nil && spec.Build != nil {
		err = e.cfg.Uploads.Put(spec.Build.Context, bytes.NewReader(tpl.Context()))
	}
	return spec, err
}

func (e *Engine) fillDefaults(s *workspace.Spec) {
	if s.Port == 0 {
		s.Port = defaultPort
	}
	if s.Profile == "" {
		s.Profile = workspace.Strict
	}
	d := e.cfg.Defaults
	s.Limits.CPUs = orDefault(s.Limits.CPUs, d.Limits.CPUs)
	s.Limits.Memory = orDefault(s.Limits.Memory, d.Limits.Memory)
	s.Limits.Pids = orDefault(s.Limits.Pids, d.Limits.Pids)
	s.Timeouts.Create = orDefault(s.Timeouts.Create, d.Timeouts.Create)
	s.Timeouts.Initialize = orDefault(s.Timeouts.Initialize, d.Timeouts.Initialize)
	s.Timeouts.Start = orDefault(s.Timeouts.Start, d.Timeouts.Start)
	s.Timeouts.Stop = orDefault(s.Timeouts.Stop, d.Timeouts.Stop)
	s.Timeouts.PreStop = orDefault(s.Timeouts.PreStop, d.Timeouts.PreStop)
}

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

func (e *Engine) checkSpec(s workspace.Spec) error {
	switch s.Profile {
	case workspace.Strict, workspace.Writable, workspace.Admin:
	default:
		return fault.New(fault.Invalid, "profile_unknown", "%.40q is not a profile", string(s.Profile)).
			WithHint("use strict, writable or admin").WithField("/profile", "profile_unknown", "")
	}
	for _, err := range []error{
		e.checkPolicy(s.Policy), workspace.ValidatePort(s.Port), workspace.ValidateEnv(s.Env), workspace.ValidateCommand(s.Command), e.checkLimits(s.Limits),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkLimits refuses what no workspace may have and what this host cannot give.
func (e *Engine) checkLimits(l workspace.Limits) error {
	if err := workspace.ValidateLimits(l); err != nil {
		return err
	}
	info, up := e.health.engine()
	if up && info.CPUs > 0 && l.CPUs > float64(info.CPUs) {
		return fault.New(fault.Invalid, "cpus_exceed_host", "%v CPUs are asked for, this host has %d", l.CPUs, info.CPUs).
			WithHint("give at most %d", info.CPUs).WithField("/limits/cpus", "cpus_exceed_host", "")
	}
	if up && info.Memory > 0 && l.Memory > info.Memory {
		return fault.New(fault.Invalid, "memory_exceeds_host", "more memory is asked for than the %s of this host", workspace.FormatSize(info.Memory)).
			WithHint("give less than the host has").WithField("/limits/memory", "memory_exceeds_host", "")
	}
	return nil
}

// rehearse checks what the loop would check, and changes nothing.
func (e *Engine) rehearse(w workspace.Workspace, req api.Create) error {
	return e.cfg.Store.View(func(tx *store.Tx) error {
		if err := nameFree(tx, w.Name); err != nil {
			return err
		}
		if holder, taken := tx.PortHolder(req.HostPort); taken && req.HostPort != 0 {
			return e.portLeased(tx, req.HostPort, holder)
		}
		return e.portAllowed(req.HostPort)
	})
}

func nameFree(tx *store.Tx, name string) error {
	if _, taken := tx.Named(name); !taken {
		return nil
	}
	return fault.New(fault.Conflict, "name_taken", "there is a workspace %s already", name).
		WithHint("choose another name, or look at it with `wsctl show %s`", name).WithField("/name", "name_taken", "")
}

// found writes a new workspace with its leases, its first job and its first fact.
func (e *Engine) found(t *turn, w workspace.Workspace, req api.Create) (workspace.Workspace, error) {
	w = w.Clone()
	if err := nameFree(t.Tx, w.Name); err != nil {
		return w, err
	}
	if err := e.cfg.Store.Room(); err != nil {
		return w, err
	}
	slot, ok := t.FreeSlot(maxSlots)
	if !ok {
		return w, fault.New(fault.Limit, "slots_exhausted", "this daemon has %d workspaces, and cannot have more", maxSlots)
	}
	port, err := e.lease(t, req.HostPort)
	if err != nil {
		return w, err
	}
	w.ID = workspace.NewID(workspace.PrefixWorkspace)
	w.Slot, w.Port, w.CreatedAt = slot, port, t.now
	newRun(t, &w)
	if err := e.promise(t, &w, workspace.JobProvision, w.Owner, false); err != nil {
		return w, err
	}
	if err := t.put(&w); err != nil {
		return w, err
	}
	return w, t.tell(&w, w.Owner, event.WorkspaceCreated, map[string]string{
		"image": w.Spec.Image, "template": w.Spec.Template, "port": fmt.Sprint(port),
	})
}

func requestSum(req api.Create) string {
	req.GitCredential = nil // no trace of it is kept
	b, err := json.Marshal(req)
	if err != nil {
		panic("engine: a create request of strings and numbers cannot fail to marshal: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func replay(t *turn, kept store.Kept, sum string) (workspace.Workspace, error) {
	if kept.Hash != sum {
		return workspace.Workspace{}, fault.New(fault.Conflict, "idempotency_key_reused", "this idempotency key was used for another request").
			WithHint("use a new key for a new request")
	}
	return t.Workspace(kept.Workspace)
}

func keepKey(t *turn, owner, key string, k store.Kept) error {
	if err := t.KeepIdempotent(owner, key, k); err != nil {
		return err
	}
	return t.PutDeadline(store.Deadline{
		At: t.now.Add(idempotencyLife), Kind: store.DeadlineIdempotency, Key: store.IdempotencyKey(owner, key),
	})
}
