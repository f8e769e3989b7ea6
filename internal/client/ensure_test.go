package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
)

// The test program is also the daemon that it starts and the clients that race:
// the variable says which.
const roleVariable = "WSD_CLIENT_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "client":
		started, err := EnsureDaemon(context.Background(), DaemonOptions{
			Socket: os.Getenv("SOCKET"), StateDir: os.Getenv("STATE"), Binary: os.Args[0],
			OnStart: func(string) { _ = os.Setenv(roleVariable, "wsd") },
		})
		fmt.Println(started, err)
		os.Exit(0)
	case "wsd":
		os.Exit(serveStatus())
	}
	os.Exit(m.Run())
}

// serveStatus is a daemon that answers after a while and leaves its process id.
func serveStatus() int {
	pids, err := os.OpenFile(filepath.Join(os.Getenv("WSD_STATE_DIR"), "pids"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 1
	}
	_, _ = fmt.Fprintln(pids, os.Getpid())
	time.Sleep(200 * time.Millisecond)
	l, err := net.Listen("unix", os.Getenv("WSD_SOCKET"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot listen:", err)
		return 1
	}
	err = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { //nolint:gosec // a test
		_ = json.NewEncoder(w).Encode(api.Status{PID: os.Getpid()})
	}))
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// place returns a socket and a state folder in a short path.
func place(t *testing.T) (socket, state string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "wsd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "run", "wsd.sock"), dir
}

func TestEightClientsStartOneDaemon(t *testing.T) {
	socket, state := place(t)
	outputs := make([]string, 8)
	var group sync.WaitGroup
	for i := range outputs {
		group.Go(func() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), roleVariable+"=client", "SOCKET="+socket, "STATE="+state)
			out, err := cmd.CombinedOutput()
			outputs[i] = fmt.Sprint(strings.TrimSpace(string(out)), err)
		})
	}
	group.Wait()
	raw, err := os.ReadFile(filepath.Join(state, "pids"))
	if err != nil {
		t.Fatal(err)
	}
	pids := strings.Fields(string(raw))
	for _, pid := range pids {
		var n int
		_, _ = fmt.Sscan(pid, &n)
		t.Cleanup(func() { _ = syscall.Kill(n, syscall.SIGKILL) })
	}
	if len(pids) != 1 {
		t.Errorf("%d daemons were started: %v", len(pids), pids)
	}
	starters := 0
	for _, o := range outputs {
		if o == "true <nil><nil>" {
			starters++
		} else if o != "false <nil><nil>" {
			t.Errorf("a client ended with %s", o)
		}
	}
	if starters != 1 {
		t.Errorf("%d clients say that they started it: %q", starters, outputs)
	}
	c := New(Options{Socket: socket})
	defer c.Close()
	st, err := c.Status(t.Context())
	if err != nil || fmt.Sprint(st.PID) != pids[0] {
		t.Errorf("process %d answers, %v was started, %v", st.PID, pids, err)
	}
	if sid, err := sessionOf(st.PID); err != nil || sid != st.PID {
		t.Errorf("the daemon is in session %d, want one of its own (%d), %v", sid, st.PID, err)
	}
}

// sessionOf returns the session of a process (proc(5), stat).
func sessionOf(pid int) (int, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	var sid int
	_, err = fmt.Sscan(fields[3], &sid)
	return sid, err
}

func TestEnsureDaemonSaysWhyNot(t *testing.T) {
	script := func(t *testing.T, text string) string {
		path := filepath.Join(t.TempDir(), "wsd")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
		return path
	}
	tests := []struct {
		name   string
		binary func(t *testing.T) string
		within time.Duration // 0: EnsureTimeout
		code   string
		text   string
	}{
		{"a daemon that ends tells its last words", func(t *testing.T) string {
			return script(t, "for i in 1 2 3 4 5 6 7; do echo line $i >&2; done; echo another wsd holds the store; exit 4")
		}, 0, "daemon_start_failed", "line 7\nanother wsd holds the store"},
		{"a daemon that never answers is given up", func(t *testing.T) string {
			return script(t, "echo $$ > \"$WSD_STATE_DIR/pids\"; echo thinking; exec sleep 60")
		}, 5 * time.Second, "daemon_start_timeout", "thinking"},
		{"a program that is none cannot be started", func(t *testing.T) string {
			return filepath.Join(t.TempDir(), "missing")
		}, 0, "daemon_start_failed", "cannot be started"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			socket, state := place(t)
			t.Cleanup(func() {
				var pid int
				raw, _ := os.ReadFile(filepath.Join(state, "pids"))
				if n, _ := fmt.Sscan(string(raw), &pid); n == 1 {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			})
			_, err := EnsureDaemon(t.Context(), DaemonOptions{Socket: socket, StateDir: state, Binary: tt.binary(t), Timeout: tt.within})
			f := fault.From(err)
			if err == nil || f.Code != tt.code || f.Kind != fault.Unavailable || !strings.Contains(f.Text, tt.text) {
				t.Errorf("got %v, want %s with %q", err, tt.code, tt.text)
			}
			if strings.Contains(f.Text, "line 2") {
				t.Errorf("the whole log is told: %s", f.Text)
			}
		})
	}
}

func TestEnsureDaemonWithoutAFolder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := EnsureDaemon(t.Context(), DaemonOptions{Socket: filepath.Join(file, "wsd.sock"), Binary: "/bin/true"})
	if !fault.Is(err, fault.Unavailable) || !fault.HasCode(err, "socket_folder") || !strings.Contains(fault.From(err).Hint, "WSD_SOCKET") {
		t.Errorf("got %v", err)
	}
	_, err = EnsureDaemon(t.Context(), DaemonOptions{Socket: filepath.Join(dir, "wsd.sock"), StateDir: filepath.Join(file, "state"), Binary: "/bin/true"})
	if !fault.HasCode(err, "state_folder") || !strings.Contains(fault.From(err).Hint, "WSD_STATE_DIR") {
		t.Errorf("a state folder that cannot be: %v", err)
	}
	_, err = EnsureDaemon(t.Context(), DaemonOptions{Socket: filepath.Join(dir, strings.Repeat("x", 120)), Binary: "/bin/true"})
	if !fault.HasCode(err, "socket_too_long") {
		t.Errorf("got %v, want socket_too_long", err)
	}
}

func TestEnsureDaemonStopsWaitingWithItsContext(t *testing.T) {
	socket, state := place(t)
	unlock, err := lockStart(t.Context(), socket) // another client is at it
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = EnsureDaemon(ctx, DaemonOptions{Socket: socket, StateDir: state, Binary: "/bin/true"})
	if !errors.Is(err, context.Canceled) && !fault.Is(err, fault.Interrupted) {
		t.Errorf("got %v, want interrupted", err)
	}
}

func TestALongLogIsPutAsideAtAStart(t *testing.T) {
	_, state := place(t)
	path := filepath.Join(state, "wsd.log")
	for _, size := range []int64{maxLog, maxLog + 1} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		f, begin, err := openLog(path)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		kept, err := os.Stat(path + ".1")
		if long := size > maxLog; long != (begin == 0) || long != (err == nil && kept.Size() == size) {
			t.Errorf("after %d bytes it begins at %d, and %v, %v is kept", size, begin, kept, err)
		}
	}
}
