package cli

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// shells are those that completions are written for.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func newCompletionCmd(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print the completion script of a shell",
		Long: `Prints a script that lets a shell complete commands, flags, and, while wsd runs, the
names of workspaces, templates and jobs.

  bash        source <(wsctl completion bash)
  zsh         wsctl completion zsh > "${fpath[1]}/_wsctl"
  fish        wsctl completion fish > ~/.config/fish/completions/wsctl.fish
  powershell  wsctl completion powershell | Out-String | Invoke-Expression`,
		Example: `  source <(wsctl completion bash)`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := takes(1, 1, "one of "+strings.Join(shells, ", "))(cmd, args); err != nil {
				return err
			}
			if !slices.Contains(shells, args[0]) {
				return usage(cmd, "there is no completion for %.40q", args[0]).
					WithHint("shells: %s", strings.Join(shells, ", "))
			}
			return nil
		},
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			return writeCompletion(cmd.Root(), args[0], f.Streams.Out)
		},
	}
}

func writeCompletion(root *cobra.Command, shell string, w io.Writer) error {
	switch shell {
	case "bash":
		return writeBash(root, w)
	case "zsh":
		return root.GenZshCompletion(w)
	case "fish":
		return root.GenFishCompletion(w, true)
	}
	return root.GenPowerShellCompletionWithDesc(w)
}

// wordsByHand stands before the call of what the package bash-completion brings and a
// small machine does not have: there every Tab would print an error.
const wordsByHand = `    if ! declare -F _get_comp_words_by_ref >/dev/null 2>&1; then
        read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
        [[ ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] && words+=("")
        cword=$((${#words[@]} - 1)) cur=${words[cword]}
        prev=${words[cword > 0 ? cword - 1 : 0]}
        return
    fi
`

func writeBash(root *cobra.Command, w io.Writer) error {
	var b bytes.Buffer
	if err := root.GenBashCompletionV2(&b, true); err != nil {
		return err
	}
	const call = "    _get_comp_words_by_ref "
	_, err := io.WriteString(w, strings.Replace(b.String(), call, wordsByHand+call, 1))
	return err
}
