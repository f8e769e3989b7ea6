package e2e_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wsctl/wsctl/internal/wstest"
)

func TestExecPassesBytesAndStatusesExactly(t *testing.T) {
	h := newHouse(t)
	h.ordinary("t")
	sent := make([]byte, 50<<20)
	_, _ = rand.Read(sent)
	cmd := h.Command("wsctl", "exec", "t", "--", "cat")
	var got bytes.Buffer
	cmd.Stdin, cmd.Stdout = bytes.NewReader(sent), &got
	if _, errs, status := wstest.Output(t, cmd); status != 0 || sha256.Sum256(got.Bytes()) != sha256.Sum256(sent) {
		t.Errorf("of %d bytes %d came back, status %d: %s", len(sent), got.Len(), status, errs)
	}
	var all errgroup.Group
	all.SetLimit(4)
	for code := range 256 {
		all.Go(func() error {
			if _, errs, status := h.Wsctl("exec", "t", "--", "sh", "-c", "exit "+strconv.Itoa(code)); status != code {
				t.Errorf("exit %d became %d: %s", code, status, errs)
			}
			return nil
		})
	}
	_ = all.Wait()
	out, errs, status := h.Wsctl("exec", "t", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
	if out != "out\n" || errs != "err\n" || status != 3 {
		t.Errorf("got %q, %q, %d", out, errs, status)
	}
}

func TestAnInterruptReachesTheCommand(t *testing.T) {
	h := newHouse(t)
	h.ordinary("t")
	cmd := h.Command("wsctl", "exec", "t", "--", "sh", "-c", `trap 'echo caught; exit 42' INT; echo ready; while :; do sleep 0.1; done`)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	defer cmd.Process.Kill() //nolint:errcheck // it may have ended
	buf := make([]byte, 64)
	_ = r.SetReadDeadline(time.Now().Add(patience))
	if n, err := r.Read(buf); string(buf[:n]) != "ready\n" {
		t.Fatalf("it wrote %q, %v", buf[:n], err)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	n, _ := r.Read(buf)
	_ = cmd.Wait()
	if string(buf[:n]) != "caught\n" || cmd.ProcessState.ExitCode() != 42 {
		t.Errorf("it wrote %q and ended with %d", buf[:n], cmd.ProcessState.ExitCode())
	}
}

func TestACommandIsStartedInTheFolderThatIsAskedFor(t *testing.T) {
	h := newHouse(t)
	h.ordinary("t")
	h.ok("exec", "t", "--", "sh", "-c", `mkdir -p sub; printf '#!/bin/sh\npwd\n' >sub/run; chmod +x sub/run; touch file`)
	if out := h.ok("exec", "-w", "/workspace/sub", "t", "--", "./run"); out != "/workspace/sub\n" {
		t.Errorf("it runs in %q", out)
	}
	for dir, want := range map[string]string{"/workspace/nope": "no such file", "/workspace/file": "not a directory"} {
		_, errs, status := h.Wsctl("exec", "-w", dir, "t", "--", "ls")
		if status != 3 || !strings.Contains(errs, `in the folder "`+dir+`": `+want) {
			t.Errorf("%s: status %d: %s", dir, status, errs)
		}
	}
}
