package cli

import (
	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

func newStartCmd(f *Factory, runF lifecycleRun) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "start NAME...",
		Short: "Start stopped workspaces",
		Long: `Starts workspaces that are stopped or have failed, and waits until they answer. A
workspace keeps its files, its name and its port between runs.

Where the clone of a repository has failed it is tried again, with what your
git and your ssh agent have for it now.`,
		Example: `  wsctl start demo
  wsctl start --label team=web
  wsctl start --all --no-wait`,
	}
	return newLifecycleCmd(f, cmd, &lifecycleOptions{verb: startVerb()}, runF)
}

func startVerb() lifecycleVerb {
	verb := commandVerb(api.Start, "asking for a start", workspace.WantRunning,
		workspace.Stopped, workspace.Failed)
	verb.fetches = func(w workspace.Workspace) bool { return w.State != workspace.Running && w.State != workspace.Paused }
	return verb
}
