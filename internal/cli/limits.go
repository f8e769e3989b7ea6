package cli

import (
	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
)

// addLimitFlags lets a command set limits; what is not given stays unset.
func addLimitFlags(cmd *cobra.Command, l *api.PartialLimits) {
	flags := cmd.Flags()
	flags.Var(&coresValue{&l.CPUs}, "cpus", "cores, 0.01 to 1024, such as 0.5")
	flags.Var(&sizeValue{bytes: &l.Memory}, "memory", "memory with its unit, 16MiB to 4TiB, such as 512MiB")
	flags.Var(&pidsValue{&l.Pids}, "pids", "processes and threads, 16 to 32768")
}
