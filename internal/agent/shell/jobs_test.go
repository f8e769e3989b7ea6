package shell

import (
	"os/exec"
	"syscall"
	"testing"
)

// A kill may come when a command of the job is looked up and is no process yet.
func TestAProcessThatBeginsAfterTheKillIsKilled(t *testing.T) {
	var table jobs
	j := table.numbered(table.add("", ""))
	table.await("g1", "0")
	if _, ok := table.signal("", "g1", syscall.SIGTERM); !ok {
		t.Fatal("the job is not found")
	}
	cmd := exec.Command("sleep", "20")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	table.began(j, cmd.Process.Pid)
	_ = cmd.Wait()
	if ws, _ := cmd.ProcessState.Sys().(syscall.WaitStatus); ws.Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %s", cmd.ProcessState)
	}
}
