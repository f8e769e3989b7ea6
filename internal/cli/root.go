package cli

import (
	"slices"

	"github.com/spf13/cobra"
)

// group is a heading of the overview and the commands below it.
type group struct {
	id, title string
	commands  []entry
}

// entry is a command that is built when it is needed.
type entry struct {
	name  string
	build func(*Factory) *cobra.Command
}

// groups is the explicit list of all commands, in the order people read them.
func groups() []group {
	return []group{
		{"work", "Workspaces", []entry{
			{"create", func(f *Factory) *cobra.Command { return newCreateCmd(f, nil) }},
			{"list", func(f *Factory) *cobra.Command { return newListCmd(f, nil) }},
			{"show", func(f *Factory) *cobra.Command { return newShowCmd(f, nil) }},
			{"start", func(f *Factory) *cobra.Command { return newStartCmd(f, nil) }},
			{"stop", func(f *Factory) *cobra.Command { return newStopCmd(f, nil) }},
			{"restart", func(f *Factory) *cobra.Command { return newRestartCmd(f, nil) }},
			{"pause", func(f *Factory) *cobra.Command { return newPauseCmd(f, nil) }},
			{"resume", func(f *Factory) *cobra.Command { return newResumeCmd(f, nil) }},
			{"delete", func(f *Factory) *cobra.Command { return newDeleteCmd(f, nil) }},
			{"rename", func(f *Factory) *cobra.Command { return newRenameCmd(f, nil) }},
			{"label", func(f *Factory) *cobra.Command { return newLabelCmd(f, nil) }},
			{"resize", func(f *Factory) *cobra.Command { return newResizeCmd(f, nil) }},
		}},
		{"inside", "Inside a workspace", []entry{
			{"shell", func(f *Factory) *cobra.Command { return newShellCmd(f, nil) }},
			{"terminals", newTerminalsCmd},
			{"exec", func(f *Factory) *cobra.Command { return newExecCmd(f, nil) }},
			{"cp", func(f *Factory) *cobra.Command { return newCpCmd(f, nil) }},
			{"open", func(f *Factory) *cobra.Command { return newOpenCmd(f, nil) }},
			{"preview", func(f *Factory) *cobra.Command { return newPreviewCmd(f, nil) }},
			{"forward", func(f *Factory) *cobra.Command { return newForwardCmd(f, nil) }},
			{"ssh", func(f *Factory) *cobra.Command { return newSSHCmd(f, nil) }},
			{"ssh-config", func(f *Factory) *cobra.Command { return newSSHConfigCmd(f, nil) }},
			{"logs", func(f *Factory) *cobra.Command { return newLogsCmd(f, nil) }},
			{"stats", func(f *Factory) *cobra.Command { return newStatsCmd(f, nil) }},
			{"wait", func(f *Factory) *cobra.Command { return newWaitCmd(f, nil) }},
		}},
		{"look", "What happens", []entry{
			{"dash", func(f *Factory) *cobra.Command { return newDashCmd(f, nil) }},
			{"top", func(f *Factory) *cobra.Command { return newTopCmd(f, nil) }},
			{"why", func(f *Factory) *cobra.Command { return newWhyCmd(f, nil) }},
			{"hold", func(f *Factory) *cobra.Command { return newHoldCmd(f, nil) }},
			{"extend", func(f *Factory) *cobra.Command { return newExtendCmd(f, nil) }},
			{"policy", func(f *Factory) *cobra.Command { return newPolicyCmd(f, nil) }},
			{"sessions", func(f *Factory) *cobra.Command { return newSessionsCmd(f, nil) }},
			{"ports", func(f *Factory) *cobra.Command { return newPortsCmd(f, nil) }},
			{"events", func(f *Factory) *cobra.Command { return newEventsCmd(f, nil) }},
			{"jobs", newJobsCmd},
			{"template", newTemplateCmd},
			{"secret", newSecretCmd},
		}},
		{"care", "Care", []entry{
			{"tour", func(f *Factory) *cobra.Command { return newTourCmd(f, nil) }},
			{"doctor", func(f *Factory) *cobra.Command { return newDoctorCmd(f, nil) }},
			{"daemon", newDaemonCmd},
			{"config", newConfigCmd},
			{"gc", func(f *Factory) *cobra.Command { return newGCCmd(f, nil) }},
			{"admin", newAdminCmd},
			{"version", func(f *Factory) *cobra.Command { return newVersionCmd(f, nil) }},
			{"completion", newCompletionCmd},
		}},
	}
}

// addCommands adds the one command that args plainly name, or all of them. Building
// all costs more than everything else that a short command does.
func addCommands(root *cobra.Command, f *Factory, args []string) {
	all := groups()
	if len(args) > 0 {
		for _, g := range all {
			if i := slices.IndexFunc(g.commands, func(e entry) bool { return e.name == args[0] }); i >= 0 {
				all = []group{{g.id, g.title, g.commands[i : i+1]}}
				break
			}
		}
	}
	for _, g := range all {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, e := range g.commands {
			c := e.build(f)
			c.GroupID = g.id
			root.AddCommand(c)
		}
	}
	root.SetHelpCommand(newHelpCmd())
	root.AddCommand(newExitCodesTopic())
}

// newRootCmd returns the tree of commands, or as much of it as args need; nil is all.
func newRootCmd(f *Factory, args []string) *cobra.Command {
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
			switch {
			case len(args) == 0 && f.dashable():
				return runDash(cmd.Context(), f, &dashOptions{})
			case len(args) == 0:
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
	addCommands(root, f, args)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpFunc(f.help)
	root.SetUsageFunc(func(*cobra.Command) error { return nil })
	root.SetFlagErrorFunc(flagError)
	return root
}

func newHelpCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]...",
		Short: "Show the help of a command",
		Long:  "Shows the help of a command, or of a topic such as exit-codes.",
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

// newExitCodesTopic is a page of help without a command.
func newExitCodesTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit statuses mean",
		Long: `Every command ends with one of these statuses, so that a script can decide without
reading text. With --json the error on stdout has the same class as "kind", and a
stable word for the very error as "code". exec ends with the status of the command
that it ran.`,
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
