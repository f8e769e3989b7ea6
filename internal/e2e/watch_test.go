package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/wstest"
)

// watchFiles asks wsd itself for what happens in a workspace, its files too, and returns
// how to get the next signal of changed files, and to end that.
func (h *house) watchFiles(name string) (next func() event.Signal, over func()) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	h.t.Cleanup(cancel)
	socket := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", h.Socket)
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://wsd/v1/watch?files=true&workspace="+name, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	res, err := (&http.Client{Transport: socket}).Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		h.t.Fatalf("%+v, %v", res, err)
	}
	h.t.Cleanup(func() { _ = res.Body.Close() })
	lines := bufio.NewReader(res.Body)
	next = func() event.Signal {
		h.t.Helper()
		for {
			line, err := lines.ReadBytes('\n')
			var m api.Message
			if err != nil || json.Unmarshal(line, &m) != nil {
				h.t.Fatalf("instead of a change: %q, %v", line, err)
			}
			if m.Signal != nil && m.Signal.Kind == event.FileChanged {
				return *m.Signal
			}
		}
	}
	return next, cancel
}

func TestFilesInsideAreWatched(t *testing.T) {
	h := newHouse(t)
	h.ordinary("t")
	next, _ := h.watchFiles("t")
	if s := next(); s.Detail["more"] != "true" {
		t.Errorf("the first: %+v", s)
	}
	h.ok("exec", "t", "--", "sh", "-ec", "mkdir -p .git/x src/deep; echo 1 >.git/x/f; echo 1 >src/deep/f")
	want := event.FileChange{Path: "src/deep/f"}
	var all []event.FileChange
	for !slices.Contains(all, want) {
		all = append(all, next().Files...)
	}
	if slices.ContainsFunc(all, func(c event.FileChange) bool { return strings.HasPrefix(c.Path, ".git") }) {
		t.Errorf("told of %v", all)
	}
	h.ok("restart", "t")
	if s := next(); s.Detail["more"] != "true" {
		t.Errorf("after a restart: %+v", s)
	}
	h.ok("exec", "t", "--", "rm", "-r", "src")
	for all = nil; !slices.Contains(all, event.FileChange{Path: "src", Dir: true, Removed: true}); {
		all = append(all, next().Files...)
	}
}

// Hundreds of agents run at a time: each has to stay small.
func TestTheAgentStaysSmall(t *testing.T) {
	const most = 12 << 10 // KiB that are resident
	h := newHouse(t)
	h.ordinary("t")
	resident := func(when string) int {
		rss := map[string]int{}
		for line := range strings.Lines(h.ok("exec", "t", "--", "cat", "/proc/1/status")) {
			if key, v, ok := strings.Cut(line, ":"); ok && strings.Contains(key, "Rss") || strings.HasPrefix(key, "VmRSS") {
				rss[key], _ = strconv.Atoi(strings.Fields(v)[0])
			}
		}
		t.Logf("%s: %v KiB", when, rss)
		if rss["VmRSS"] == 0 {
			t.Fatal("no VmRSS")
		}
		return rss["VmRSS"]
	}
	if n := resident("at first"); n > most {
		t.Errorf("%d KiB are resident when it has begun", n)
	}
	next, over := h.watchFiles("t")
	next()
	h.ok("exec", "t", "--", "sh", "-ec", "for i in $(seq 300); do mkdir -p d$i/e; echo x >d$i/e/f; done")
	next()
	h.ok("cp", "t:.", t.TempDir())
	over()
	wstest.Until(t, patience, "it is small again", func(context.Context) bool { return resident("after some work") <= most })
}
