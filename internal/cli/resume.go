package cli

import (
	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

func newResumeCmd(f *Factory, runF lifecycleRun) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume NAME...",
		Short: "Let paused workspaces go on",
		Long:  `Lets the processes of paused workspaces go on where they were.`,
		Example: `  wsctl resume demo
  wsctl resume --all`,
	}
	verb := commandVerb(api.Resume, "asking to resume", workspace.WantRunning,
		workspace.Paused)
	return newLifecycleCmd(f, cmd, &lifecycleOptions{verb: verb}, runF)
}
