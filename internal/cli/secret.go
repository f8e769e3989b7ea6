package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

func newSecretCmd(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret",
		Short: "Keep values that workspaces get as files",
		Long: `A secret is a value that is kept encrypted and given to workspaces that ask for it (by
--secret, their template or devcontainer.json) as the file /run/secrets/NAME, in memory.
It is never an argument or a variable, and nothing prints it again.`,
		Example: `  wsctl secret set NPM_TOKEN
  wsctl secret set deploy-key --file ~/.ssh/deploy
  wsctl create app --image node:22 --secret NPM_TOKEN`,
		RunE: groupRun,
	}
	cmd.AddCommand(newSecretSetCmd(f), newSecretListCmd(f), newSecretRemoveCmd(f))
	return cmd
}

func newSecretSetCmd(f *Factory) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Set a secret",
		Long: `Sets a secret to what comes from standard input, byte by byte, or from a file. On a
terminal the value is asked for and not shown. Workspaces get it at their next start.`,
		Example: `  wsctl secret set NPM_TOKEN
  printf %s "$TOKEN" | wsctl secret set NPM_TOKEN
  wsctl secret set deploy-key --file ~/.ssh/deploy`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := takes(1, 1, "one NAME; the value comes from standard input or --file")(cmd, args); err != nil {
				return err
			}
			return workspace.ValidateSecret(args[0], 0)
		},
		ValidArgsFunction: completeSecrets(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			value, err := f.secretValue(cmd.Context(), args[0], file)
			if err != nil {
				return err
			}
			c, err := f.Client(cmd.Context())
			if err != nil {
				return err
			}
			s, err := c.SetSecret(cmd.Context(), args[0], value)
			if err != nil {
				return err
			}
			return f.result(s, func(out io.Writer) error {
				_, err := fmt.Fprintf(out, "secret %s is set\n", args[0])
				return err
			})
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "read the value from `FILE`")
	return cmd
}

// secretValue reads the value from where the person gives it.
func (f *Factory) secretValue(ctx context.Context, name, file string) ([]byte, error) {
	var value []byte
	var err error
	switch {
	case file != "":
		value, err = os.ReadFile(file)
	case f.Streams.InTTY:
		value, err = f.hiddenAnswer(ctx, fmt.Sprintf("Value of %s (not shown): ", name), f.Streams.inFile)
	default:
		value, err = io.ReadAll(io.LimitReader(f.Streams.In, workspace.MaxSecret+1))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, here(err)
	}
	if len(value) == 0 {
		return nil, fault.New(fault.Usage, "secret_empty", "the value is empty")
	}
	return value, workspace.ValidateSecret(name, len(value))
}

func newSecretListCmd(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List secrets, without their values",
		Long:    "Lists your secrets: name, size and when each was last set.",
		Example: "  wsctl secret ls\n  wsctl secret ls --json | jq -r '.secrets[].name'",
		Args:    takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.Client(cmd.Context())
			if err != nil {
				return err
			}
			list, err := c.Secrets(cmd.Context())
			if err != nil {
				return err
			}
			if list.Secrets == nil {
				list.Secrets = []api.Secret{}
			}
			return f.result(list, func(out io.Writer) error {
				if len(list.Secrets) == 0 {
					f.note("there is no secret; set one with wsctl secret set NAME")
					return nil
				}
				t := f.table("NAME", "SIZE", "SET")
				for _, s := range list.Secrets {
					t.Row(s.Name, render.Bytes(int64(s.Size)), render.Ago(f.Now(), s.ChangedAt))
				}
				return t.Write(out)
			})
		},
	}
}

func newSecretRemoveCmd(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME...", Aliases: []string{"delete"}, Short: "Forget secrets",
		Long:    "Forgets secrets. Workspaces that run keep the file until they stop.",
		Example: "  wsctl secret rm NPM_TOKEN",
		Args:    takes(1, -1, "at least one NAME"), ValidArgsFunction: completeSecrets(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.Client(cmd.Context())
			if err != nil {
				return err
			}
			for _, name := range args {
				if err := c.DeleteSecret(cmd.Context(), name); err != nil {
					return err
				}
			}
			return f.result(map[string][]string{"removed": args}, func(out io.Writer) error {
				_, err := fmt.Fprintf(out, "forgotten: %d\n", len(args))
				return err
			})
		},
	}
}

// completeSecrets offers the names of secrets.
func completeSecrets(f *Factory) completionFunc {
	return live(f, func(ctx context.Context, c *client.Client, _ []string) ([]string, error) {
		list, err := c.Secrets(ctx)
		var words []string
		for _, s := range list.Secrets {
			words = append(words, s.Name)
		}
		return words, err
	})
}
