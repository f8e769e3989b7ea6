package cli

import (
	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

func newStopCmd(f *Factory, runF lifecycleRun) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stop NAME...",
		Short: "Stop workspaces; their files and ports stay theirs",
		Long: `Stops workspaces: the pre-stop command of the template runs, the main process gets
SIGTERM and, when its time is over, SIGKILL. Files, name and port stay.`,
		Example: `  wsctl stop demo
  wsctl stop --all`,
	}
	verb := commandVerb(api.Stop, "asking for a stop", workspace.WantStopped,
		workspace.Creating, workspace.Initializing, workspace.Running, workspace.Paused, workspace.Failed)
	return newLifecycleCmd(f, cmd, &lifecycleOptions{verb: verb}, runF)
}
