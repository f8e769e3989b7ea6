package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"path"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/template/devcontainer"
	"github.com/wsctl/wsctl/internal/workspace"
)

// fromDevcontainer is the base of a workspace whose project says how it wants to be run.
// Nothing that a project brings is run before somebody has agreed to exactly that.
func (e *Engine) fromDevcontainer(req api.Create) (workspace.Spec, error) {
	if req.Image != "" || req.Template != "" || len(req.Params) > 0 {
		return workspace.Spec{}, fault.New(fault.Invalid, "devcontainer_and_template", "a devcontainer.json is given beside a template or an image").
			WithHint("give one of them")
	}
	in := devcontainer.Input{
		Text: req.Devcontainer.Text, Path: req.Devcontainer.Path, Folder: req.Devcontainer.Folder, Local: req.Devcontainer.Env,
		ID: workspace.NewID(workspace.PrefixWorkspace), Defaults: e.cfg.Defaults.Limits, Ceiling: e.ceiling(),
	}
	if s := req.Source; s != nil && s.Kind == workspace.SourceBind {
		in.Project = s.Path
	}
	res, err := devcontainer.Read(in)
	if err != nil {
		return workspace.Spec{}, err
	}
	if res.Consent != "" && req.Consent != res.Consent && !req.DryRun {
		return workspace.Spec{}, consentWanted(res)
	}
	if res.Spec.Build == nil {
		return res.Spec, nil
	}
	if req.Build == nil || req.Build.Context == "" {
		if req.DryRun {
			return res.Spec, nil
		}
		return workspace.Spec{}, fault.New(fault.Precondition, "context_required", "its image is built from a folder of the project, which was not sent").
			WithHint("send it as a tar archive to /v1/uploads, and name its SHA-256 as build.context").
			WithField("/build/context", "context_required", res.Context)
	}
	res.Spec.Build.Context = req.Build.Context
	return res.Spec, nil
}

// consentWanted lists what would run, and what of the client's would be given away.
func consentWanted(res devcontainer.Result) error {
	f := fault.New(fault.Precondition, "consent_required", "the project wants to run commands of its own in the workspace, or variables of yours there").
		WithHint("look at them, and agree with --yes or the member consent").WithField("/consent", "consent_required", res.Consent)
	if b := res.Spec.Build; b != nil {
		f = f.WithField("/devcontainer/build", "runs", "builds an image from "+b.Dockerfile)
	}
	for _, h := range res.Spec.Hooks {
		f = f.WithField("/devcontainer/"+string(h.Phase), "runs", strings.Join(h.Command, " "))
	}
	for _, name := range res.Local {
		f = f.WithField("/devcontainer/env", "takes", name)
	}
	return f
}

// ceiling is the most that a workspace may have here.
func (e *Engine) ceiling() workspace.Limits {
	info, up := e.health.engine()
	if !up {
		return workspace.Limits{}
	}
	return workspace.Limits{CPUs: float64(info.CPUs), Memory: info.Memory}
}

// buildImage makes the image of a workspace from its Dockerfile.
func (e *Engine) buildImage(ctx context.Context, b *work) (rt.Image, error) {
	builder, ok := e.cfg.Driver.(rt.Builder)
	if !ok {
		return rt.Image{}, fault.New(fault.Unsupported, "no_builder", "this container engine cannot build images")
	}
	spec := b.w.Spec.Build
	archive, err := e.cfg.Uploads.Open(spec.Context)
	if err != nil {
		return rt.Image{}, err
	}
	defer archive.Close()
	var told time.Time
	return builder.Build(ctx, rt.Build{
		Ref: b.w.Spec.Image, Context: archive, Dockerfile: spec.Dockerfile, Target: spec.Target, Args: maps.Clone(spec.Args),
	}, func(line string) {
		if now := time.Now(); now.Sub(told) >= tellEvery {
			told = now
			e.line(b, "build", printable(line[:min(len(line), keptWidth)]))
		}
	})
}

// settleVariables puts values into RemoteEnv and hooks that only the container knows.
func (e *Engine) settleVariables(ctx context.Context, b *work) error {
	if !wantsContainerEnv(b.w.Spec) {
		return nil
	}
	var out lastLines
	out.keep = 1000
	bare := b.w
	bare.Spec.RemoteEnv = nil // it is what is to be settled, and would hide the container's own
	p, err := e.startInside(ctx, bare, rt.ExecSpec{Command: []string{"env"}})
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.Copy(&out, &out); err != nil {
		return err
	}
	env := map[string]string{}
	for _, line := range out.all() {
		if k, v, ok := strings.Cut(line, "="); ok {
			env[k] = v
		}
	}
	return e.record(ctx, b, func(t *turn, w *workspace.Workspace) error {
		w.Spec = devcontainer.Late(w.Spec, env)
		return t.put(w)
	})
}

func wantsContainerEnv(s workspace.Spec) bool {
	const mark = "${containerEnv:"
	for _, v := range s.RemoteEnv {
		if strings.Contains(v, mark) {
			return true
		}
	}
	for _, h := range s.Hooks {
		if strings.Contains(strings.Join(h.Command, " "), mark) {
			return true
		}
	}
	return false
}

// addBuild checks what an image is to be built from, and names the image by that: the
// same context is built once.
func (e *Engine) addBuild(spec *workspace.Spec, req api.Create) error {
	if spec.Build == nil && req.Build == nil {
		return nil
	}
	if spec.Build == nil {
		if req.Image != "" || req.Template != "" {
			return fault.New(fault.Invalid, "build_and_image", "an image is to be built, and another is named").WithHint("give one of them")
		}
		build := *req.Build
		spec.Build = &build
	}
	b := spec.Build
	if req.DryRun && b.Context == "" {
		return nil
	}
	if !e.cfg.Uploads.Has(b.Context, time.Now()) {
		return archiveMissing(b.Context)
	}
	if b.Dockerfile == "" {
		b.Dockerfile = "Dockerfile"
	}
	if path.IsAbs(b.Dockerfile) || strings.HasPrefix(path.Clean(b.Dockerfile), "..") || strings.ContainsAny(b.Dockerfile, "\x00\n\r") {
		return fault.New(fault.Invalid, "dockerfile_invalid", "%.80q is not a path inside the archive", b.Dockerfile).
			WithField("/build/dockerfile", "dockerfile_invalid", "")
	}
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	spec.Image = "wsd-build:" + hex.EncodeToString(sum[:8])
	return nil
}
