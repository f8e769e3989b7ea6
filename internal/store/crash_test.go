package store

import (
	"bufio"
	"path/filepath"
	"strconv"
	"testing"
)

func TestWhatWasToldAsKeptSurvivesAKill(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	for round := range rounds {
		path := filepath.Join(t.TempDir(), "state.db")
		told := writeUntilKilled(t, path, round*7)
		s, err := Open(path)
		if err != nil {
			t.Fatalf("killed after %d: %v", told, err)
		}
		mustView(t, s, func(tx *Tx) error {
			for n := 1; n <= told; n++ {
				if _, err := tx.Workspace(sample(n).ID); err != nil {
					t.Errorf("%d was told, %d is lost: %v", told, n, err)
				}
			}
			if kept := sum(tx.CountByState("")); kept > told+1 || uint64(kept) != tx.LastSeq() {
				t.Errorf("%d told, %d kept, %d events", told, kept, tx.LastSeq())
			}
			return nil
		})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		mustBeSound(t, path)
	}
}

// writeUntilKilled kills a writer once it has told of enough, or at once, which is
// while it makes the file. It returns the last one told of.
func writeUntilKilled(t *testing.T, path string, enough int) (told int) {
	t.Helper()
	cmd := child(t, "write", path)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for told < enough && lines.Scan() {
		if told, err = strconv.Atoi(lines.Text()); err != nil {
			t.Fatalf("the writer says %q", lines.Text())
		}
	}
	_ = cmd.Process.Kill()
	for lines.Scan() { // what was in the pipe was told too
		if n, err := strconv.Atoi(lines.Text()); err == nil {
			told = n
		}
	}
	_ = cmd.Wait()
	return told
}
