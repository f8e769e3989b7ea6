package cli

import (
	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

func newPauseCmd(f *Factory, runF lifecycleRun) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pause NAME...",
		Short: "Freeze workspaces; they keep their memory",
		Long: `Freezes every process of a workspace. It uses no CPU, keeps its memory, and goes on
within milliseconds with wsctl resume.`,
		Example: `  wsctl pause demo
  wsctl pause --all`,
	}
	verb := commandVerb(api.Pause, "asking for a pause", workspace.WantPaused,
		workspace.Running)
	return newLifecycleCmd(f, cmd, &lifecycleOptions{verb: verb}, runF)
}
