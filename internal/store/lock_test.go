package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
)

func TestTheSecondHolderIsToldWhoTheFirstIs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	l, err := Lock(dir, "wsd serve")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Lock(dir, "wsd") // flock holds between descriptors of one process too
	f := wantCode(t, err, fault.Conflict, "already_running")
	if want := fmt.Sprintf("wsd serve is already running on %s with pid %d", dir, os.Getpid()); f.Text != want {
		t.Errorf("text is %q, want %q", f.Text, want)
	}
	if got := Holder(dir); got != "wsd serve" {
		t.Errorf("the holder is %q", got)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if got := Holder(dir); got != "" {
		t.Errorf("after its end the holder is %q", got)
	}
	again, err := Lock(dir, "wsd")
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Release(); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNoDirectoryOrNoLockFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Lock(file, "wsd")
	wantCode(t, err, fault.Invalid, "state_dir_invalid")
	if err := os.Symlink(file, filepath.Join(dir, LockName)); err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(dir, "wsd"); err == nil {
		t.Error("a lock that is a link was followed")
	}
}

// starter is a process that tries to hold the lock.
type starter struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	first string // its first line
}

func startAll(t *testing.T, dir string, n int) []*starter {
	t.Helper()
	list := make([]*starter, n)
	outs := make([]*bufio.Reader, n)
	for i := range list {
		cmd := child(t, "lock", dir)
		in, err1 := cmd.StdinPipe()
		out, err2 := cmd.StdoutPipe()
		if err := errors.Join(err1, err2, cmd.Start()); err != nil {
			t.Fatal(err)
		}
		list[i], outs[i] = &starter{cmd: cmd, stdin: in}, bufio.NewReader(out)
	}
	for i, s := range list {
		line, err := outs[i].ReadString('\n')
		if err != nil {
			t.Fatalf("starter %d: %v", i, err)
		}
		s.first = strings.TrimSpace(line)
	}
	return list
}

func TestOfManyStartersOneWinsAndTheOthersNameIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	for round := range rounds {
		all := startAll(t, dir, 6)
		var winner *starter
		for _, s := range all {
			if s.first == "held" {
				if winner != nil {
					t.Fatalf("round %d: two winners", round)
				}
				winner = s
			}
		}
		if winner == nil {
			t.Fatalf("round %d: nobody won", round)
		}
		want := fmt.Sprintf("child is already running on %s with pid %d", dir, winner.cmd.Process.Pid)
		for _, s := range all {
			if s != winner && s.first != "already_running "+want {
				t.Errorf("round %d: a loser says %q, want %q", round, s.first, want)
			}
		}
		// Every other round the winner is killed: a dead holder holds nothing.
		if round%2 == 0 {
			_ = winner.cmd.Process.Kill()
		}
		for _, s := range all {
			_ = s.stdin.Close()
			_ = s.cmd.Wait()
		}
	}
	l, err := Lock(dir, "wsd")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Release()
}
