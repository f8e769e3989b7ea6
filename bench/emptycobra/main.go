// Command emptycobra is the least that a program with cobra can be: the measure of
// how fast a command line can start.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	root := &cobra.Command{Use: "emptycobra", SilenceUsage: true}
	root.AddCommand(&cobra.Command{Use: "version", Run: func(cmd *cobra.Command, _ []string) {
		fmt.Fprintln(cmd.OutOrStdout(), "emptycobra 1")
	}})
	if err := root.Execute(); err != nil {
		os.Exit(1)
	}
}
