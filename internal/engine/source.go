package engine

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/host"
	"github.com/wsctl/wsctl/internal/workspace"
)

// credentialFile is where git finds a credential while it fetches: on a tmpfs, until the
// workspace's own secrets take its place.
const credentialFile = "git-credential"

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

// PutUpload keeps an archive for a later create.
func (e *Engine) PutUpload(_ context.Context, _ workspace.Actor, digest string, r io.Reader) error {
	if err := e.cfg.Store.Room(); err != nil {
		return err
	}
	return e.cfg.Uploads.Put(digest, r)
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

// fetchSource brings the files of a new workspace, if they do not lie there already.
func (e *Engine) fetchSource(ctx context.Context, b *work) error {
	switch s := b.w.Spec.Source; {
	case s == nil || s.Kind == workspace.SourceBind:
		return nil
	case s.Kind == workspace.SourceUpload:
		archive, err := e.cfg.Uploads.Open(s.Digest)
		if err != nil {
			return err
		}
		defer archive.Close()
		e.progress(b, "source", 0, 0)
		return noAgent(b.w, e.link(b.w).PutTree(ctx, workDir, archive))
	}
	g := git{e: e, b: b, source: *b.w.Spec.Source}
	if c, ok := e.credentials.take(b.w.ID); ok {
		if err := e.link(b.w).Secrets(ctx, map[string][]byte{credentialFile: []byte(credentialLine(g.source.URL, c))}); err != nil {
			return err
		}
		g.options = []string{"-c", "credential.helper=", "-c", "credential.helper=store --file=" + agentapi.SecretsDir + "/" + credentialFile}
	}
	if err := g.fetch(ctx); err != nil {
		return err
	}
	e.credentials.drop(b.w.ID)
	return nil
}

// credentialLine is a credential in the format of git-credential-store(1).
func credentialLine(address string, c api.GitCredential) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, User: url.UserPassword(c.Username, c.Password)}).String() + "\n"
}

// git fetches a repository into the folder of a workspace, by the workspace's own git and
// as its user. It works in place and may be repeated after it was cut off.
type git struct {
	e       *Engine
	b       *work
	source  workspace.Source
	options []string
}

// gitEnv keeps git from asking anybody, and from every protocol that is not allowed.
func gitEnv() []string {
	return []string{
		"GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=https:http:ssh:git", "LC_ALL=C",
		"GIT_SSH_COMMAND=ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new",
	}
}

func (g git) run(ctx context.Context, args ...string) (commandEnd, error) {
	start := agentapi.ExecStart{
		Command: slices.Concat([]string{"git"}, g.options, args), Dir: workDir,
		Env: append(environment(g.b.w.Spec.RemoteEnv), gitEnv()...), Log: args[0] == "fetch",
	}
	end, err := g.e.runTold(ctx, g.b.w, start, func(line string) { g.e.line(g.b, "source", line) })
	switch {
	case fault.HasCode(err, "command_not_found"):
		return end, fault.New(fault.Unsupported, "git_missing", "the image of workspace %s has no git", g.b.w.Name).
			WithHint("choose an image with git, or clone here and use --from FOLDER")
	case err != nil:
		return end, noAgent(g.b.w, err)
	case end.status != 0:
		return end, gitFault(g.source, end)
	}
	return end, nil
}

func (g git) fetch(ctx context.Context) error {
	g.e.progress(g.b, "source", 0, 0)
	for _, step := range [][]string{
		{"init", "-q"},
		{"config", "remote.origin.url", g.source.URL},
		{"config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"},
	} {
		if _, err := g.run(ctx, step...); err != nil {
			return err
		}
	}
	at, err := g.locate(ctx)
	if err != nil || at.ref == "" {
		return err
	}
	fetch := []string{"fetch", "--progress"}
	if g.source.Depth > 0 {
		fetch = append(fetch, "--depth", strconv.Itoa(g.source.Depth))
	} else if _, err := g.run(ctx, "fetch", "--progress", "--tags", "origin"); err != nil {
		return err
	}
	if _, err := g.run(ctx, append(fetch, "origin", at.refspec())...); err != nil {
		return err
	}
	_, err = g.run(ctx, at.checkout()...)
	return err
}

// located is a ref of the remote.
type located struct {
	ref  string // in full; "": the repository is empty
	kind string // heads, tags or ""
	name string // without the prefix
}

// locate finds out what the branch of the source is, or which one is the remote's own.
func (g git) locate(ctx context.Context) (located, error) {
	want := g.source.Branch
	if rest, ok := strings.CutPrefix(want, "refs/heads/"); ok {
		want = rest
	}
	if strings.HasPrefix(want, "refs/") {
		return located{ref: want, name: want}, nil
	}
	args := []string{"ls-remote", "--symref", "origin", "HEAD"}
	if want != "" {
		args = append(args, "refs/heads/"+want, "refs/tags/"+want)
	}
	end, err := g.run(ctx, args...)
	if err != nil {
		return located{}, err
	}
	return findRef(want, end.lines, g.source)
}

// findRef reads the lines of git ls-remote --symref.
func findRef(want string, lines []string, s workspace.Source) (located, error) {
	var head string
	refs := map[string]bool{}
	for _, l := range lines {
		f := strings.Fields(l)
		switch {
		case len(f) == 3 && f[0] == "ref:" && f[2] == "HEAD":
			head = strings.TrimPrefix(f[1], "refs/heads/")
		case len(f) == 2:
			refs[f[1]] = true
		}
	}
	switch {
	case want == "" && head == "":
		return located{}, nil
	case want == "":
		return located{"refs/heads/" + head, "heads", head}, nil
	case refs["refs/heads/"+want]:
		return located{"refs/heads/" + want, "heads", want}, nil
	case refs["refs/tags/"+want]:
		return located{"refs/tags/" + want, "tags", want}, nil
	}
	return located{}, fault.New(fault.NotFound, "git_ref_not_found", "the repository has no branch or tag %.80q", want).
		WithHint("see which there are with `git ls-remote %s`", s.URL)
}

func (l located) refspec() string {
	switch l.kind {
	case "heads":
		return "+" + l.ref + ":refs/remotes/origin/" + l.name
	case "tags":
		return "+" + l.ref + ":" + l.ref
	}
	return l.ref
}

// checkout puts the ref into place: a branch as a branch that follows the remote's, a
// pull request as a branch of its own, everything else as it is.
func (l located) checkout() []string {
	switch l.kind {
	case "heads":
		return []string{"checkout", "-q", "-f", "-B", l.name, "--track", "refs/remotes/origin/" + l.name}
	case "tags":
		return []string{"checkout", "-q", "-f", "--detach", l.ref}
	}
	parts := strings.Split(l.ref, "/")
	if len(parts) == 4 && (parts[1] == "pull" || parts[1] == "merge-requests") {
		return []string{"checkout", "-q", "-f", "-B", "pr-" + parts[2], "FETCH_HEAD"}
	}
	return []string{"checkout", "-q", "-f", "--detach", "FETCH_HEAD"}
}

// gitFault words what git said.
func gitFault(s workspace.Source, end commandEnd) error {
	text := strings.ToLower(strings.Join(end.lines, "\n"))
	says := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	host := fmt.Sprintf("%.120s", s.URL)
	switch {
	case says("authentication failed", "could not read username", "could not read password", "permission denied", "host key verification"):
		return fault.New(fault.Denied, "git_denied", "the server of %s does not let wsd have the repository: %s", host, end.last()).
			WithHint("store a credential that `git credential fill` finds, or clone here and use --from FOLDER")
	case says("couldn't find remote ref", "remote branch"):
		return fault.New(fault.NotFound, "git_ref_not_found", "the repository has no %.80q", s.Branch)
	case says("could not resolve", "unable to connect", "connection refused", "timed out", "network is unreachable", "no route to host"):
		return fault.New(fault.Unavailable, "git_unreachable", "%s cannot be reached from inside the workspace: %s", host, end.last())
	case says("not found", "does not exist", "not appear to be a git repository", "access denied or repository not exported"):
		return fault.New(fault.NotFound, "git_not_found", "there is no repository at %s: %s", host, end.last()).
			WithHint("check the address; a private repository may look like this too")
	}
	return fault.New(fault.Conflict, "git_failed", "git ended with status %d: %s", end.status, end.last()).
		WithHint("the workspace's log has all that it said")
}
