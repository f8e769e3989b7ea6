package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
)

// The test binary runs itself again for what kills processes, or needs several.
const childEnv = "WSD_STORE_CHILD"

// Exit statuses of a child. A panic of Go is 2.
const (
	childOK      = 0
	childRefused = 3 // with the code of the error on stdout
	childWrong   = 4 // something that must not happen
)

// runChild does what the environment says: "OP PATH".
func runChild(what string) int {
	op, path, _ := strings.Cut(what, " ")
	switch op {
	case "verify":
		return childVerify(path)
	case "read":
		return childRead(path)
	case "write":
		return childWrite(path)
	case "lock":
		return childLock(path)
	}
	return childWrong
}

// child prepares a run; the caller starts it.
func child(t testing.TB, op, path string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+op+" "+path)
	return cmd
}

// childVerify prints a digest of what a sound file holds.
func childVerify(path string) int {
	r, err := Verify(path)
	if err == nil && len(r.Problems) > 0 {
		err = fault.New(fault.Internal, "problems", "%s", r.Problems[0])
	}
	if err != nil {
		fmt.Println(fault.From(err).Code, err)
		return childRefused
	}
	sum, err := digest(path)
	if err != nil {
		fmt.Println("sound, but cannot be read:", err)
		return childWrong
	}
	fmt.Println(sum)
	return childOK
}

// digest is a sum over every key and value.
func digest(path string) (string, error) {
	h := sha256.New()
	err := viewFile(path, func(t *Tx) error {
		for _, bucket := range buckets {
			for _, k := range t.keys(bucket, nil) {
				fmt.Fprintf(h, "%s %x %x\n", bucket, k, t.bucket(bucket).Get(k))
			}
		}
		return nil
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// childRead uses a file as the daemon does, and tells of a refusal by its code.
func childRead(path string) int {
	s, err := Open(path)
	if err != nil {
		fmt.Println(fault.From(err).Code)
		return childRefused
	}
	if s.Fresh() {
		fmt.Println("started empty")
		return childWrong
	}
	err = s.View(func(t *Tx) error {
		for _, err := range t.Workspaces() {
			if err != nil && !isDamagedRecord(err) {
				return err
			}
		}
		_, err1 := t.Events(0, 0, nil)
		_, err2 := t.Jobs(nil, "")
		_, err3 := t.DueDeadlines(epoch, 0)
		for _, err := range []error{err1, err2, err3} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = s.Update(func(t *Tx) error { return t.PutWorkspace(sample(9999)) })
	}
	if err != nil {
		fmt.Println(fault.From(err).Code)
		return childRefused
	}
	return childOK
}

// childLock holds the lock until its stdin ends.
func childLock(path string) int {
	begin := time.Now()
	l, err := Lock(path, "child")
	if took := time.Since(begin); took > 10*time.Second { // half a second, on a machine that does nothing else
		fmt.Println("waited", took)
		return childWrong
	}
	if err != nil {
		fmt.Println(fault.From(err).Code, err)
		return childRefused
	}
	fmt.Println("held")
	_, _ = os.Stdin.Read(make([]byte, 1))
	if err := l.Release(); err != nil {
		return childWrong
	}
	return childOK
}

// childWrite makes a store and tells of each workspace once it is kept, until it
// is killed.
func childWrite(path string) int {
	s, err := Open(path)
	if err != nil {
		fmt.Println(fault.From(err).Code)
		return childRefused
	}
	for n := 1; ; n++ {
		err := s.Update(func(t *Tx) error {
			if _, err := t.Append(event.Event{Time: epoch, Kind: event.WorkspaceCreated, Actor: "wsd"}); err != nil {
				return err
			}
			return t.PutWorkspace(sample(n))
		})
		if err != nil {
			fmt.Println(fault.From(err).Code)
			return childRefused
		}
		fmt.Println(n)
	}
}
