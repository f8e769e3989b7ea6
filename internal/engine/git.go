package engine

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// git fetches a repository into the folder of a workspace, by the workspace's own git and
// as its user. It works in place and may be repeated after it was cut off.
type git struct {
	e       *Engine
	b       *work
	source  workspace.Source
	options []string
	alone   atomic.Bool // an ssh agent was asked for and nobody lent one
}

// env keeps git from asking anybody, and from every protocol that is not allowed. A host
// is known by the keys that came with the source; without any, by the one that it shows
// first, which is forgotten with the secrets.
func (g *git) env() []string {
	ssh := "ssh -o BatchMode=yes -o UserKnownHostsFile=" + agentapi.SecretsDir + "/" + knownHostsFile
	if g.source.KnownHosts != "" {
		ssh += " -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes"
	} else {
		ssh += " -o StrictHostKeyChecking=accept-new"
	}
	return []string{"GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=https:http:ssh:git", "LC_ALL=C", "GIT_SSH_COMMAND=" + ssh}
}

func (g *git) run(ctx context.Context, args ...string) (commandEnd, error) {
	start := agentapi.ExecStart{
		Command: slices.Concat([]string{"git"}, g.options, args), Dir: workDir,
		Env: append(environment(g.b.w.Spec.RemoteEnv), g.env()...), Log: args[0] == "fetch",
	}
	end, err := g.begin(ctx, start)
	switch {
	case err == nil && end.status != 0 && g.alone.Load():
		return end, fault.New(fault.Conflict, "ssh_agent_gone", "the ssh agent that was to be lent for %.120s is not there", g.source.URL).
			WithHint("the wsctl that lends it has to wait until the files are there: try again with `wsctl start %s`", g.b.w.Name)
	case fault.HasCode(err, "command_not_found"):
		return end, fault.New(fault.Unsupported, "git_missing", "the image of workspace %s has no git", g.b.w.Name).
			WithHint("choose an image with git, or clone here and use --from FOLDER")
	case err != nil:
		return end, noAgent(g.b.w, err)
	case end.status != 0:
		return end, gitFault(g.source, g.b.w.Name, end)
	}
	return end, nil
}

// begin runs git, with the ssh agent of whoever made the workspace where that is lent.
func (g *git) begin(ctx context.Context, start agentapi.ExecStart) (commandEnd, error) {
	tell := func(line string) { g.e.line(g.b, "source", line) }
	if !g.source.SSHAgent {
		return g.e.runTold(ctx, g.b.w, start, tell)
	}
	p, err := g.e.link(g.b.w).Lend(ctx, start, func(ctx context.Context, conn net.Conn) {
		if !g.e.lenders.serve(ctx, g.b.w.ID, conn) {
			g.alone.Store(true)
		}
	})
	if err != nil {
		return commandEnd{}, err
	}
	return follow(ctx, p, tell)
}

func (g *git) fetch(ctx context.Context) error {
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
func (g *git) locate(ctx context.Context) (located, error) {
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

// gitFault words what git said, for the workspace of this name.
func gitFault(s workspace.Source, name string, end commandEnd) error {
	line := end.last() // the one that tells
	says := func(words ...string) bool {
		i := slices.IndexFunc(end.lines, func(l string) bool {
			return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(strings.ToLower(l), w) })
		})
		if i >= 0 {
			line = end.lines[i]
		}
		return i >= 0
	}
	host := fmt.Sprintf("%.120s", s.URL)
	switch {
	case says("cannot run ssh"):
		return fault.New(fault.Unsupported, "ssh_missing", "the image has no ssh client, which git needs for %s", host).
			WithHint("choose an image with one, or clone here and use --from FOLDER")
	case says("host key verification"):
		return fault.New(fault.Denied, "git_host_key", "the server of %s shows a host key that your known_hosts does not have", host).
			WithHint("if its key was changed: `ssh-keygen -R HOST`, connect to it once by ssh, then `wsctl start %s`", name)
	case says("authentication failed", "could not read username", "could not read password", "permission denied"):
		return fault.New(fault.Denied, "git_denied", "the server of %s does not let wsd have the repository: %s", host, line).
			WithHint("%s", deniedHint(s, name))
	case says("couldn't find remote ref", "remote branch"):
		return fault.New(fault.NotFound, "git_ref_not_found", "the repository has no %.80q", s.Branch)
	case says("could not resolve", "unable to connect", "connection refused", "timed out", "network is unreachable", "no route to host"):
		return fault.New(fault.Unavailable, "git_unreachable", "%s cannot be reached from inside the workspace: %s", host, line)
	case says("not found", "does not exist", "not appear to be a git repository", "access denied or repository not exported"):
		return fault.New(fault.NotFound, "git_not_found", "there is no repository at %s: %s", host, line).
			WithHint("check the address; a private repository may look like this too")
	}
	return fault.New(fault.Conflict, "git_failed", "git ended with status %d: %s", end.status, line).
		WithHint("the workspace's log has all that it said")
}

// deniedHint says which credential is missing.
func deniedHint(s workspace.Source, name string) string {
	_, overSSH := workspace.ParseSSH(s.URL)
	again := "then `wsctl start " + name + "`"
	switch {
	case s.SSHAgent:
		return "it takes none of the keys in your ssh agent: see `ssh-add -l`, and add the right one with `ssh-add FILE`, " + again
	case overSSH:
		return "give the key to an ssh agent (`ssh-add FILE`), " + again + ": wsctl lends the agent to the clone"
	}
	return "store a credential that `git credential fill` finds, " + again + "; or clone here and use --from FOLDER"
}
