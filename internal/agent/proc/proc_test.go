package proc

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"
)

// oneTable is the one that there may be in a program, however often a test runs.
var oneTable = sync.OnceValue(NewTable)

// patience bounds every wait for a real process.
const patience = 30 * time.Second

// TestMain lets this program be the process that is started: it waits for a signal, or ends
// at once.
func TestMain(m *testing.M) {
	switch os.Args[0] {
	case "wait":
		signal.Ignore(syscall.SIGINT)
		for {
			time.Sleep(time.Hour)
		}
	case "end":
		os.Exit(3)
	}
	os.Exit(m.Run())
}

// A workspace that is stopped is asked to end, and given time as long as anything runs: that
// nothing ran some time before is no reason to end it at once.
func TestNobodyIsAloneBecauseOfWhatWasBefore(t *testing.T) {
	table := oneTable()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	start := func(what string) *Process {
		p, err := table.Start(Spec{Path: self, Args: []string{what}, Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Signal(syscall.SIGKILL) })
		return p
	}
	await := func(what string, done <-chan struct{}) {
		t.Helper()
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatal("not in time: " + what)
		}
	}
	first := start("end")
	await("the first one ends", first.Ended())
	if first.Status() != 3 {
		t.Errorf("its status is %d", first.Status())
	}
	table.mu.Lock() // the reap that found it has found nothing else, and is over
	if len(table.alone) != 1 {
		t.Error("nobody was told that no child is left")
	}
	table.mu.Unlock()
	second := start("wait")
	alone := table.Alone()
	table.reap()
	select {
	case <-alone:
		t.Error("no child is left, it says, while one runs")
	default:
	}
	second.Signal(syscall.SIGKILL)
	await("the second one ends", second.Ended())
	await("no child is left", alone)
	if second.Status() != 128+int(syscall.SIGKILL) {
		t.Errorf("its status is %d", second.Status())
	}
	await("no child is left still", table.Alone())
}
