package cli

import (
	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

func newRestartCmd(f *Factory, runF lifecycleRun) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restart NAME...",
		Short: "Stop and start workspaces",
		Long:  `Stops workspaces and starts them again, then waits until they answer.`,
		Example: `  wsctl restart demo
  wsctl restart --label team=web`,
	}
	return newLifecycleCmd(f, cmd, &lifecycleOptions{verb: restartVerb()}, runF)
}

func restartVerb() lifecycleVerb {
	verb := commandVerb(api.Restart, "asking for a restart", workspace.WantRunning,
		workspace.Running, workspace.Failed)
	verb.fetches = func(workspace.Workspace) bool { return true }
	return verb
}
