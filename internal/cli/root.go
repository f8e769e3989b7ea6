package cli

import (
	"github.com/spf13/cobra"
)

// group is a heading of the overview and the commands below it.
type group struct {
	id, title string
	commands  []*cobra.Command
}

// groups is the explicit list of all commands, in the order people read them.
func groups(f *Factory) []group {
	return []group{
		{"work", "Workspaces", []*cobra.Command{
			newCreateCmd(f, nil), newListCmd(f, nil), newShowCmd(f, nil),
			newStartCmd(f, nil), newStopCmd(f, nil), newRestartCmd(f, nil), newPauseCmd(f, nil), newResumeCmd(f, nil),
			newDeleteCmd(f, nil), newRenameCmd(f, nil), newLabelCmd(f, nil), newResizeCmd(f, nil),
		}},
		{"inside", "Inside a workspace", []*cobra.Command{
			newExecCmd(f, nil), newLogsCmd(f, nil), newStatsCmd(f, nil), newWaitCmd(f, nil),
		}},
		{"look", "What happens", []*cobra.Command{
			newPortsCmd(f, nil), newEventsCmd(f, nil), newJobsCmd(f), newTemplateCmd(f),
		}},
		{"care", "Care", []*cobra.Command{
			newDoctorCmd(f, nil), newDaemonCmd(f), newConfigCmd(f), newGCCmd(f, nil), newAdminCmd(f),
			newVersionCmd(f, nil), newCompletionCmd(f),
		}},
	}
}

func newRootCmd(f *Factory) *cobra.Command {
	root := &cobra.Command{
		Use:   "wsctl",
		Short: "Workspaces on this machine: make, use, stop and delete them",
		Long: `wsctl makes and drives workspaces: isolated environments, each with a URL of its
own on this machine. A background program, wsd, owns them; wsctl starts it when it
is needed. Every command takes --json for scripts.`,
		Example: `  wsctl create demo
  wsctl list
  wsctl exec demo -- sh
  wsctl delete demo`,
		Args:          cobra.ArbitraryArgs, // groupRun words what is unknown
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return runOverview(f, cmd)
			}
			return groupRun(cmd, args)
		},
	}
	root.SetIn(f.Streams.In)
	root.SetOut(f.Streams.Out)
	root.SetErr(f.Streams.Err)
	flags := root.PersistentFlags()
	flags.BoolVar(&f.JSON, "json", f.JSON, "print JSON on stdout, errors too")
	flags.String("socket", "", "`PATH` of wsd's socket")
	flags.StringVar(&f.ConfigFile, "config", "", "`FILE` with settings instead of the usual one")
	f.flags = flags
	for _, g := range groups(f) {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.id
			root.AddCommand(c)
		}
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(newHelpCmd())
	root.SetHelpFunc(help)
	root.SetUsageFunc(func(*cobra.Command) error { return nil })
	root.SetFlagErrorFunc(flagError)
	return root
}

func newHelpCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]...",
		Short: "Show the help of a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			target, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return groupRun(target, rest)
			}
			return target.Help()
		},
		ValidArgsFunction: completeCommands,
	}
}

// completeCommands offers the commands below the ones already typed.
func completeCommands(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	target, _, err := cmd.Root().Find(args)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, c := range target.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name()+"\t"+c.Short)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
