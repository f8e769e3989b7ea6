package engine

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"time"

	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/host"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

// What git finds beside the secrets while it fetches: on a tmpfs, until the workspace's
// own secrets take its place.
const (
	credentialFile = "git-credential"
	knownHostsFile = "known_hosts"
)

func checkWake(w workspace.Wake) error {
	if w == workspace.WakeOn || w == workspace.WakeOff {
		return nil
	}
	return fault.New(fault.Invalid, "wake_invalid", "%.20q says not whether requests start it", string(w)).
		WithHint("give on or off").WithField("/wake", "wake_invalid", "")
}

// addSource fills in where files come from, and what else a request says beside its
// template or image.
func (e *Engine) addSource(spec *workspace.Spec, req api.CreateSource, a workspace.Actor) error {
	if req.Wake != "" {
		if err := checkWake(req.Wake); err != nil {
			return err
		}
		spec.Wake = req.Wake
	}
	for _, name := range req.Secrets {
		if err := workspace.ValidateSecret(name, 0); err != nil {
			return err
		}
		want := workspace.SecretWant{Name: name, Required: true}
		if i := slices.IndexFunc(spec.Secrets, func(s workspace.SecretWant) bool { return s.Name == name }); i >= 0 {
			spec.Secrets[i].Required = true
			continue
		}
		spec.Secrets = append(spec.Secrets, want)
	}
	if req.GitCredential != nil && (req.Source == nil || req.Source.Kind != workspace.SourceGit) {
		return fault.New(fault.Invalid, "credential_without_git", "a credential is given, and no repository")
	}
	if req.Source == nil {
		return nil
	}
	if err := workspace.ValidateSource(*req.Source); err != nil {
		return err
	}
	if s := req.Source; s.Kind == workspace.SourceUpload && !e.cfg.Uploads.Has(s.Digest, time.Now()) {
		return archiveMissing(s.Digest)
	}
	source := *req.Source
	spec.Source, spec.Files = &source, nil // a template's example is for those who bring nothing
	if source.Kind != workspace.SourceBind {
		return nil
	}
	return shareFolder(spec, a)
}

func archiveMissing(digest string) error {
	return fault.New(fault.Conflict, "archive_missing", "the archive %.12s was not sent", digest).
		WithHint("send it first: PUT /v1/uploads/{digest}")
}

// PutUpload keeps an archive for a later create, and removes those that nobody has used for
// long.
func (e *Engine) PutUpload(_ context.Context, _ workspace.Actor, digest string, r io.Reader) error {
	if err := e.cfg.Store.Room(); err != nil {
		return err
	}
	if err := e.sweepUploads(time.Now()); err != nil {
		e.log.Warn("cannot remove old archives", "err", err)
	}
	return e.cfg.Uploads.Put(digest, r)
}

// sweepUploads leaves what a workspace waits for that was made and not started yet: its files,
// and what its image is to be built from.
func (e *Engine) sweepUploads(now time.Time) error {
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		for w, err := range tx.SharedWorkspaces() {
			if err != nil {
				continue
			}
			if w.Fetches() && w.Spec.Source.Kind == workspace.SourceUpload {
				e.cfg.Uploads.Has(w.Spec.Source.Digest, now) // which is a use
			}
			if b := w.Spec.Build; b != nil && w.Spec.Digest == "" {
				e.cfg.Uploads.Has(b.Context, now)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return e.cfg.Uploads.Sweep(now)
}

// shareFolder checks that a may share the folder of spec and lets the workspace run as the
// folder's owner, so that both sides can write to it.
func shareFolder(spec *workspace.Spec, a workspace.Actor) error {
	f, err := host.LookFolder(spec.Source.Path)
	if err != nil {
		return err
	}
	if owner := workspace.UserActor(f.UID, false).ID; owner != a.ID && a.ID != workspace.UserActor(0, false).ID {
		return fault.New(fault.Denied, "folder_foreign", "the folder %.200q belongs to another user", spec.Source.Path).
			WithHint("share a folder of your own, or take a copy with --copy")
	}
	spec.Source.Path = f.Path
	if spec.User == "" {
		spec.User = fmt.Sprintf("%d:%d", f.UID, f.GID)
	}
	return nil
}

// fetchSource brings the files of a workspace and records that they are there: a start after
// this one goes on with them, and with what somebody has made of them. An attempt that was cut
// off is not recorded, so all of it is done again.
func (e *Engine) fetchSource(ctx context.Context, b *work) error {
	fetch := e.clone
	if b.w.Spec.Source.Kind == workspace.SourceUpload {
		fetch = e.unpack
	}
	if err := fetch(ctx, b); err != nil {
		return err
	}
	err := e.record(ctx, b, func(t *turn, w *workspace.Workspace) error {
		w.Fetched = true
		return t.put(w)
	})
	if err != nil {
		return err
	}
	e.credentials.drop(b.w.ID)
	e.lenders.drop(b.w.ID)
	return nil
}

// unpack brings the files of an archive that was sent.
func (e *Engine) unpack(ctx context.Context, b *work) error {
	archive, err := e.cfg.Uploads.Open(b.w.Spec.Source.Digest)
	if err != nil {
		return err
	}
	defer archive.Close()
	e.progress(b, "source", 0, 0)
	return noAgent(b.w, e.link(b.w).PutTree(ctx, workDir, archive))
}

// clone brings the files of a repository.
func (e *Engine) clone(ctx context.Context, b *work) error {
	g := &git{e: e, b: b, source: *b.w.Spec.Source}
	if err := g.provide(ctx); err != nil {
		return err
	}
	return g.fetch(ctx)
}

// provide gives git the credential or the host keys that it needs for the fetch.
func (g *git) provide(ctx context.Context) error {
	files := map[string][]byte{}
	if c, ok := g.e.credentials.take(g.b.w.ID); ok {
		files[credentialFile] = []byte(credentialLine(g.source.URL, c))
		g.options = []string{"-c", "credential.helper=", "-c", "credential.helper=store --file=" + agentapi.SecretsDir + "/" + credentialFile}
	}
	if g.source.KnownHosts != "" {
		files[knownHostsFile] = []byte(g.source.KnownHosts)
	}
	if len(files) == 0 {
		return nil
	}
	return g.e.link(g.b.w).Secrets(ctx, files)
}

// credentialLine is a credential in the format of git-credential-store(1).
func credentialLine(address string, c api.GitCredential) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, User: url.UserPassword(c.Username, c.Password)}).String() + "\n"
}
