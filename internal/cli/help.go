package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// exitRow is one line of EXIT STATUS.
type exitRow struct {
	status int
	means  string
}

// exitRows is what every exit status means. A test holds it against fault's table.
var exitRows = []exitRow{
	{0, "done"},
	{1, "failed for another reason"},
	{2, "wrong usage, or a value that is not allowed"},
	{3, "not found"},
	{4, "conflict: taken, busy, or not possible in this state"},
	{5, "wsd or the container engine cannot be reached"},
	{6, "denied"},
	{7, "a limit or quota is used up"},
	{8, "took too long"},
	{130, "interrupted"},
}

// annotation of a command that adds to EXIT STATUS.
const exitNote = "exit-note"

// help writes the help of any command, for the columns of a terminal. It is the only place
// where it is laid out.
func (f *Factory) help(cmd *cobra.Command, _ []string) {
	_, _ = io.WriteString(cmd.OutOrStdout(), helpText(cmd, f.width()))
}

// helpText is for width columns; 0: any. Examples are never broken, since they are copied.
func helpText(cmd *cobra.Command, width int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", reflow(strings.TrimSpace(cmd.Long), width))
	if cmd.IsAdditionalHelpTopicCommand() {
		section(&b, "EXIT STATUS", fold(exitText(cmd), width))
		return b.String()
	}
	b.WriteString("\nUSAGE\n")
	if !cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s\n", cmd.UseLine())
	} else {
		fmt.Fprintf(&b, "  %s COMMAND [flags]\n", cmd.CommandPath())
	}
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(&b, "\nALIASES\n  %s\n", strings.Join(cmd.Aliases, ", "))
	}
	helpCommands(&b, cmd, width)
	section(&b, "FLAGS", fold(cmd.LocalNonPersistentFlags().FlagUsages(), width))
	if cmd.HasParent() {
		section(&b, "GLOBAL FLAGS", fold(cmd.InheritedFlags().FlagUsages(), width))
	} else {
		section(&b, "GLOBAL FLAGS", fold(cmd.PersistentFlags().FlagUsages(), width))
	}
	section(&b, "EXAMPLES", cmd.Example)
	if cmd.Runnable() {
		section(&b, "EXIT STATUS", fold(exitText(cmd), width))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\nSee `%s COMMAND --help` for a command.\n", cmd.CommandPath())
	}
	return b.String()
}

func section(b *strings.Builder, title, text string) {
	if text = strings.Trim(text, "\n"); text != "" {
		fmt.Fprintf(b, "\n%s\n%s\n", title, text)
	}
}

func exitText(cmd *cobra.Command) string {
	var b strings.Builder
	for _, r := range exitRows {
		fmt.Fprintf(&b, "  %-4d %s\n", r.status, r.means)
	}
	if note := cmd.Annotations[exitNote]; note != "" {
		fmt.Fprintf(&b, "  %s\n", note)
	}
	return b.String()
}

// helpCommands lists the commands below cmd, by group where there are groups.
func helpCommands(b *strings.Builder, cmd *cobra.Command, width int) {
	subs := slices.DeleteFunc(slices.Clone(inOrder(cmd)), func(c *cobra.Command) bool { return !c.IsAvailableCommand() })
	if len(subs) == 0 {
		return
	}
	wide := 0
	for _, c := range subs {
		wide = max(wide, len(c.Name()))
	}
	list := func(group string) string {
		var t strings.Builder
		for _, c := range subs {
			if c.GroupID == group {
				fmt.Fprintf(&t, "  %-*s  %s\n", wide, c.Name(), c.Short)
			}
		}
		return fold(t.String(), width)
	}
	for _, g := range cmd.Groups() {
		section(b, strings.ToUpper(g.Title), list(g.ID))
	}
	if len(cmd.Groups()) > 0 {
		section(b, "MORE HELP", fold("  wsctl help exit-codes  What the exit statuses mean", width))
		return
	}
	section(b, "COMMANDS", list(""))
}

// inOrder returns the commands of the root in the order of groups, which cobra
// would sort by name, and those of other commands as cobra has them.
func inOrder(cmd *cobra.Command) []*cobra.Command {
	if cmd.HasParent() {
		return cmd.Commands()
	}
	rank := map[string]int{}
	for _, g := range groups() {
		for _, e := range g.commands {
			rank[e.name] = len(rank) + 1
		}
	}
	subs := slices.Clone(cmd.Commands())
	slices.SortStableFunc(subs, func(a, b *cobra.Command) int {
		return order(rank, a.Name()) - order(rank, b.Name())
	})
	return subs
}

func order(rank map[string]int, name string) int {
	if r, ok := rank[name]; ok {
		return r
	}
	return len(rank) + 1
}
