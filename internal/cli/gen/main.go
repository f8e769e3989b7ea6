// Command gen writes what is derived from wsctl's commands: the reference in
// docs/cli, the manual pages in docs/cli/man and the completion scripts.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/wsctl/wsctl/internal/cli"
)

func main() {
	root := flag.String("root", ".", "top of the source tree")
	flag.Parse()
	steps := []struct {
		dir   string
		write func(string) error
	}{
		{"docs/cli", cli.WriteDocs},
		{"docs/cli/man", cli.WriteMan},
		{"completions", cli.WriteCompletions},
	}
	for _, s := range steps {
		if err := s.write(filepath.Join(*root, s.dir)); err != nil {
			fmt.Fprintln(os.Stderr, "gen:", err)
			os.Exit(1)
		}
	}
}
