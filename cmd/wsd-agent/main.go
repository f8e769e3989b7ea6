// Command wsd-agent is the agent alone: what wsd puts into workspaces, a fifth of the
// size of wsd and quicker to start. It is not for people to run.
package main

import (
	"fmt"
	"os"

	"github.com/wsctl/wsctl/internal/agent"
)

func main() {
	if code, handled := agent.Main(os.Args); handled {
		os.Exit(code)
	}
	fmt.Fprintln(os.Stderr, "wsd-agent: this program runs inside workspaces; the daemon is wsd, the command line wsctl")
	os.Exit(2)
}
