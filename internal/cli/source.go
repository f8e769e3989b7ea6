package cli

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// sourceOptions are the flags that say where files come from.
type sourceOptions struct {
	From, Worktree, Git, Branch string
	Copy, Yes                   bool
	Depth                       int
	Devcontainer                string
	Secrets                     []string
	Wake                        string

	project string // the folder of this machine that holds the project; "": there is none
}

func (o *sourceOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.From, "from", "", "share this `FOLDER` of this machine as its files")
	flags.BoolVar(&o.Copy, "copy", false, "with --from: take a copy of the folder instead of sharing it")
	flags.StringVar(&o.Worktree, "worktree", "", "share a git worktree for this `BRANCH`, made beside the repository that holds the present folder")
	flags.StringVar(&o.Git, "git", "", "clone the repository at this `URL`")
	flags.StringVar(&o.Branch, "branch", "", "`BRANCH`, tag or ref (refs/pull/7/head) to check out")
	flags.IntVar(&o.Depth, "depth", 0, "only so many `COMMITS` of history (default: all)")
	flags.StringVar(&o.Devcontainer, "devcontainer", "", "make it as the project's devcontainer.json says; `FILE`, where it is not in its usual place")
	flags.Lookup("devcontainer").NoOptDefVal = usualPlace
	flags.StringArrayVar(&o.Secrets, "secret", nil, "give it the secret `NAME` as the file /run/secrets/NAME (repeat); see wsctl secret")
	flags.BoolVarP(&o.Yes, "yes", "y", false, "agree to the commands that the project runs inside")
	flags.StringVar(&o.Wake, "wake", "", "whether a request starts it when it sleeps, `on|off` (default on)")
}

// parse checks what can be known without wsd or files.
func (o *sourceOptions) parse(cmd *cobra.Command, r *api.Create) error {
	flags := cmd.Flags()
	given := 0
	for _, name := range []string{"from", "worktree", "git"} {
		if flags.Changed(name) {
			given++
		}
	}
	switch {
	case given > 1:
		return usage(cmd, "--from, --worktree and --git exclude each other")
	case flags.Changed("branch") && !flags.Changed("git"):
		return usage(cmd, "--branch needs --git")
	case flags.Changed("depth") && (!flags.Changed("git") || o.Depth < 1):
		return usage(cmd, "--depth needs --git and at least 1")
	case o.Copy && !flags.Changed("from"):
		return usage(cmd, "--copy needs --from")
	case flags.Changed("devcontainer") && given == 0:
		return usage(cmd, "--devcontainer needs a project: --from, --worktree or --git")
	case flags.Changed("devcontainer") && flags.Changed("git") && o.Devcontainer == usualPlace:
		return usage(cmd, "--devcontainer: the file is read here, before the repository is cloned").
			WithHint("name a copy of it: --devcontainer=FILE; or clone here and use --from")
	case o.Wake != "" && o.Wake != string(workspace.WakeOn) && o.Wake != string(workspace.WakeOff):
		return usage(cmd, "--wake: %.20q is neither on nor off", o.Wake)
	case flags.Changed("from") && o.From == "":
		return usage(cmd, "--from: the folder is empty")
	case flags.Changed("worktree"):
		if err := workspace.ValidateGitRef(o.Worktree); err != nil {
			return err
		}
	}
	r.Wake, r.Secrets = workspace.Wake(o.Wake), o.Secrets
	for _, name := range o.Secrets {
		if err := workspace.ValidateSecret(name, 0); err != nil {
			return err
		}
	}
	if flags.Changed("git") {
		r.Source = &workspace.Source{Kind: workspace.SourceGit, URL: o.Git, Branch: o.Branch, Depth: o.Depth}
		return workspace.ValidateSource(*r.Source)
	}
	return nil
}

// ready finds what the request needs of this machine. waits tells whether wsctl stays
// until the workspace is there.
func (o *sourceOptions) ready(ctx context.Context, f *Factory, r *api.Create, waits bool) error {
	switch {
	case o.Worktree != "":
		dir, err := worktree(ctx, f, o.Worktree, r.DryRun)
		if err != nil || dir == "" {
			return err
		}
		r.Source = &workspace.Source{Kind: workspace.SourceBind, Path: dir}
		o.project = dir
	case o.From != "":
		dir, err := folder(o.From)
		if err != nil {
			return err
		}
		r.Source = &workspace.Source{Kind: workspace.SourceBind, Path: dir}
		o.project = dir
	case o.Git != "":
		r.GitCredential = gitCredential(ctx, o.Git)
		if !r.DryRun {
			overSSH(ctx, f, r.Source, waits)
		}
	}
	if o.Devcontainer != "" {
		return o.readDevcontainer(r)
	}
	return nil
}

// folder is the full path of a folder of this machine.
func folder(path string) (string, error) {
	full, err := filepath.Abs(path)
	if err == nil {
		full, err = filepath.EvalSymlinks(full)
	}
	var info os.FileInfo
	if err == nil {
		info, err = os.Stat(full)
	}
	if err != nil {
		return "", here(err)
	}
	if !info.IsDir() {
		return "", fault.New(fault.Usage, "not_a_folder", "%.200q is not a folder", path)
	}
	return full, nil
}

// credentialTime bounds the question for a credential: a helper that asks a person would
// wait for ever.
const credentialTime = 5 * time.Second

// gitCredential asks the person's own git for what it has stored for address; nil: nothing.
// It never asks the person.
func gitCredential(ctx context.Context, address string) *api.GitCredential {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, credentialTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", "credential", "fill")
	cmd.Dir = "/" // a helper that the repository of the present folder names is not the person's: a workspace may share it
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true", "SSH_ASKPASS=true", "GCM_INTERACTIVE=never")
	ask := "protocol=" + u.Scheme + "\nhost=" + u.Host + "\npath=" + strings.TrimPrefix(u.Path, "/") + "\n"
	if name := u.User.Username(); name != "" {
		ask += "username=" + name + "\n"
	}
	cmd.Stdin = strings.NewReader(ask + "\n")
	out, err := cmd.Output()
	if err != nil {
		return nil
	}
	var c api.GitCredential
	for line := range strings.Lines(string(out)) {
		k, v, _ := strings.Cut(strings.TrimRight(line, "\n"), "=")
		switch k {
		case "username":
			c.Username = v
		case "password":
			c.Password = v
		}
	}
	if c.Password == "" {
		return nil
	}
	return &c
}

// worktree makes a git worktree for branch beside the repository of the present folder,
// or finds the one that is there. In a dry run it makes none, and returns "" for it.
func worktree(ctx context.Context, f *Factory, branch string, dryRun bool) (string, error) {
	root, err := gitHere(ctx, "rev-parse", "--show-toplevel")
	if err != nil {
		return "", err
	}
	list, err := gitHere(ctx, "worktree", "list", "--porcelain")
	if err != nil {
		return "", err
	}
	var at string
	for line := range strings.Lines(list) {
		line = strings.TrimSpace(line)
		if dir, ok := strings.CutPrefix(line, "worktree "); ok {
			at = dir
		}
		if line == "branch refs/heads/"+branch {
			return folder(at)
		}
	}
	dir := root + "-" + strings.ReplaceAll(branch, "/", "-")
	if dryRun {
		f.note("note: the worktree %s would be made", render.EscapeLine(dir))
		return "", nil
	}
	args := []string{"worktree", "add", "--quiet", dir, branch}
	if _, err := gitHere(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", "refs/heads/"+branch); err != nil {
		args = []string{"worktree", "add", "--quiet", "-b", branch, dir}
	}
	if _, err := gitHere(ctx, args...); err != nil {
		return "", err
	}
	f.note("made the worktree %s", render.EscapeLine(dir))
	return folder(dir)
}

// gitHere runs the person's own git in the present folder.
func gitHere(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fault.New(fault.Conflict, "git_failed", "git %s: %s", args[0], render.EscapeLine(strings.TrimSpace(errs.String()))).
			WithHint("run it in a folder of the repository").WithCause(err)
	}
	return strings.TrimSpace(string(out)), nil
}
