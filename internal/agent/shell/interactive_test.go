package shell

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"mvdan.cc/sh/v3/syntax"
)

// A command may have ended by Ctrl-C before the signal comes to the shell, which must not end
// the next command by it.
func TestALateInterruptIsOfTheCommandThatItEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		var out bytes.Buffer
		s, err := newShell(invocation{name: "sh"}, in, &out, &out)
		if err != nil {
			t.Fatal(err)
		}
		s.runner.Reset()
		interrupts := make(chan os.Signal)
		run := func(text string) int {
			file, err := syntax.NewParser().Parse(strings.NewReader(text), "")
			if err != nil {
				t.Fatal(err)
			}
			return s.runForeground(file.Stmts[0], interrupts)
		}
		ended := make(chan int, 1)
		go func() { ended <- run("(exit 130)") }()
		synctest.Wait()
		select {
		case interrupts <- os.Interrupt:
		default:
			t.Error("the command is over, and nobody takes its interrupt")
		}
		if got := <-ended; got != statusInterrupted {
			t.Errorf("status %d", got)
		}
		if got := run("(exit 130)"); got != statusInterrupted {
			t.Errorf("without an interrupt: status %d", got)
		}
		if got := run("(exit 3)"); got != 3 {
			t.Errorf("the next command: status %d", got)
		}
	})
}
