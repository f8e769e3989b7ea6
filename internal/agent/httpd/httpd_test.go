package httpd

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// running starts the server on a free port and returns its address and its end.
func running(t *testing.T, dir string) (addr string, stop context.CancelFunc, ended <-chan int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan int, 1)
	go func() { done <- Run(ctx, []string{"httpd", "--dir", dir, "--port", "0"}, io.Discard, w) }()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	_, addr, _ = strings.Cut(strings.TrimSpace(line), " on ")
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatalf("the first line is %q: %v", line, err)
	}
	return "127.0.0.1:" + port, stop, done
}

func TestTheServerEndsAtOnce(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.bin")
	if err := os.WriteFile(large, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 1<<30); err != nil {
		t.Fatal(err)
	}
	best := time.Hour
	for range 5 { // a busy machine may be slow once
		if best = min(best, timeToEnd(t, dir)); best <= 5*stopBudget {
			return
		}
	}
	t.Errorf("it took %v to end", best)
}

// timeToEnd is how long a server takes to end to which an idle client and one that does not
// read are connected.
func timeToEnd(t *testing.T, dir string) time.Duration {
	t.Helper()
	addr, stop, ended := running(t, dir)
	idle, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	resp, err := http.Get("http://" + addr + "/large.bin") // nobody reads on: it never ends by itself
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	began := time.Now()
	stop()
	select {
	case code := <-ended:
		if code != 0 {
			t.Errorf("status %d, want 0", code)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the server does not end")
	}
	return time.Since(began)
}

func TestCommandLine(t *testing.T) {
	taken, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	tests := []struct {
		name   string
		args   []string
		status int
		says   string
	}{
		{"an unknown option", []string{"--nothing"}, 2, "nothing"},
		{"a port that is none", []string{"--port", "70000"}, 2, "usage"},
		{"an operand", []string{"dir"}, 2, "usage"},
		{"a port in use", []string{"--port", port}, 1, "address already in use"},
		{"help", []string{"-h"}, 0, "-dir"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var errw bytes.Buffer
			if got := Run(t.Context(), append([]string{"httpd"}, test.args...), io.Discard, &errw); got != test.status {
				t.Errorf("status %d, want %d", got, test.status)
			}
			if !strings.Contains(errw.String(), test.says) {
				t.Errorf("stderr is %q, want %q in it", errw.String(), test.says)
			}
		})
	}
}
