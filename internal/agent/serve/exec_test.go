package serve

import (
	"slices"
	"testing"

	"github.com/wsctl/wsctl/internal/agent/proc"
	"github.com/wsctl/wsctl/internal/agentapi"
)

func TestAnImageWithoutProgramsHasTheAgents(t *testing.T) {
	s := &Server{o: Options{Applet: func(name string) bool { return name == "no-such-program" }}}
	for name, want := range map[string]bool{
		"no-such-program": true, "/bin/no-such-program": true, "/usr/bin/no-such-program": true,
		"./no-such-program": false, "/workspace/no-such-program": false, "/no-such-program": false, "bin/no-such-program": false,
		"no-such-program/": false, "another": false, "/bin/another": false, "": false,
	} {
		argv, _, _, err := s.resolve(agentapi.ExecStart{Command: []string{name, "-c", "word"}})
		if (err == nil) != want || !want && !proc.Missing(err) {
			t.Errorf("%q: %v, want it to be the agent's: %t", name, err, want)
		}
		if want && !slices.Equal(argv, []string{"wsd", "agent-applet", "no-such-program", "-c", "word"}) {
			t.Errorf("%q becomes %q", name, argv)
		}
	}
}
