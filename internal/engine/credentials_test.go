package engine

import (
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// aPrivateServer is git inside, whose server lets in who has shown the password.
func aPrivateServer(a *fakeAgent, password string) {
	a.exec = func(start agentapi.ExecStart) (string, int) {
		line := strings.Join(start.Command, " ")
		switch {
		case start.Command[0] != "git":
			return "", 0
		case strings.Contains(line, "ls-remote"):
			if n := len(a.secrets); n == 0 || !strings.Contains(string(a.secrets[n-1][credentialFile]), password) {
				return "fatal: Authentication failed for 'https://example.org/a.git/'\n", 128
			}
			return "ref: refs/heads/main\tHEAD\n0123\tHEAD\n0123\trefs/heads/main\n", 0
		}
		return "", 0
	}
}

func TestACloneThatWasDeniedIsTriedAgainWithWhatItsOwnerGives(t *testing.T) {
	inAgentBubble(t, func(r *rig, a *fakeAgent) {
		a.tell(func(a *fakeAgent) { aPrivateServer(a, "right") })
		_, _, err := r.Create(r.t.Context(), alice, api.Create{Name: "demo", Image: "debian", CreateSource: api.CreateSource{
			Source:        &workspace.Source{Kind: workspace.SourceGit, URL: "https://example.org/a.git"},
			GitCredential: &api.GitCredential{Username: "alice", Password: "wrong"},
		}}, "")
		if err != nil {
			t.Fatal(err)
		}
		r.settle()
		r.want("demo", workspace.Failed)
		jobs, err := r.Jobs(r.t.Context(), alice, []workspace.JobState{workspace.JobFailed}, "demo")
		if err != nil || len(jobs) != 1 || !strings.Contains(jobs[0].Hint, "wsctl start demo") {
			t.Errorf("it failed with %+v, %v", jobs, err)
		}
		right := api.GitAccess{Credential: &api.GitCredential{Username: "alice", Password: "right"}}
		r.wantCode(r.GiveGitAccess(r.t.Context(), workspace.UserActor(0, true), "demo", right), "git_access_foreign")
		r.wantCode(r.GiveGitAccess(r.t.Context(), bob, "demo", right), "workspace_not_found")
		r.wantCode(r.GiveGitAccess(r.t.Context(), alice, "demo", api.GitAccess{SSHAgent: true}), "source_invalid")
		r.restart() // which forgets every credential
		if err := r.GiveGitAccess(r.t.Context(), alice, "demo", right); err != nil {
			t.Fatal(err)
		}
		r.command("demo", api.Start)
		r.settle()
		r.want("demo", workspace.Running)
		if c, kept := r.credentials.take(r.get("demo").ID); kept {
			t.Errorf("the credential %q is kept after the clone", c.Username)
		}
		r.wantCode(r.GiveGitAccess(r.t.Context(), alice, "demo", right), "git_access_unwanted")
	})
}

func TestASecondAttemptMayUseAnSSHAgentThatTheFirstHadNot(t *testing.T) {
	inAgentBubble(t, func(r *rig, _ *fakeAgent) {
		_, _, err := r.Create(r.t.Context(), alice, api.Create{Name: "demo", Image: "debian", Stopped: true, CreateSource: api.CreateSource{
			Source: &workspace.Source{Kind: workspace.SourceGit, URL: "git@example.org:a.git", KnownHosts: "example.org ssh-ed25519 AAAA\n"},
		}}, "")
		if err != nil {
			t.Fatal(err)
		}
		r.settle()
		if _, err := r.LendAgent(r.t.Context(), alice, "demo"); !fault.HasCode(err, "ssh_agent_unwanted") {
			t.Fatalf("an agent is lent before: %v", err)
		}
		if err := r.GiveGitAccess(r.t.Context(), alice, "demo", api.GitAccess{SSHAgent: true}); err != nil {
			t.Fatal(err)
		}
		conn, err := r.LendAgent(r.t.Context(), alice, "demo")
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		if s := r.get("demo").Spec.Source; !s.SSHAgent || s.KnownHosts == "" {
			t.Errorf("the source is %+v", s)
		}
	})
}
