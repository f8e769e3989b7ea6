package files

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/wsctl/wsctl/internal/agentapi"
)

// soon bounds every wait for the kernel.
const soon = 20 * time.Second

// watching of a folder, over HTTP as wsd does it.
type view struct {
	t     *testing.T
	dir   string
	lines chan agentapi.Changes // closed at the end of the stream
	told  []string              // "+path", "-path", with a / behind folders
	last  agentapi.Changes
}

func serve(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	Register(mux)
	server := httptest.NewServer(mux)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server.URL
}

func watch(t *testing.T, server, dir string, ignore ...string) *view {
	t.Helper()
	resp, err := http.Get(server + agentapi.PathWatch + "?" + url.Values{"path": {dir}, "ignore": ignore}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d", resp.StatusCode)
	}
	v := &view{t: t, dir: dir, lines: make(chan agentapi.Changes, 1000)}
	go func() {
		defer close(v.lines)
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			var c agentapi.Changes
			if json.Unmarshal(lines.Bytes(), &c) == nil {
				v.lines <- c
			}
		}
	}()
	if c := v.next(); len(c.Changed) > 0 || c.More {
		t.Errorf("told before anything changed: %+v", c)
	}
	return v
}

func (v *view) next() agentapi.Changes {
	v.t.Helper()
	select {
	case c, ok := <-v.lines:
		if !ok {
			v.t.Fatalf("the stream has ended; told: %q", v.told)
		}
		for _, c := range c.Changed {
			text := "+" + c.Path
			if c.Removed {
				text = "-" + c.Path
			}
			if c.Dir {
				text += "/"
			}
			v.told = append(v.told, text)
		}
		v.last = c
		return c
	case <-time.After(soon):
		v.t.Fatalf("nothing more in time; told: %q", v.told)
	}
	return agentapi.Changes{}
}

// until waits for a change and returns all that was told since the last call.
func (v *view) until(want string) []string {
	v.t.Helper()
	for !slices.Contains(v.told, want) {
		v.next()
	}
	told := v.told
	v.told = nil
	return told
}

func (v *view) do(steps ...error) {
	v.t.Helper()
	for _, err := range steps {
		if err != nil {
			v.t.Fatal(err)
		}
	}
}

func (v *view) path(name string) string { return filepath.Join(v.dir, name) }

func (v *view) write(name string) error { return os.WriteFile(v.path(name), []byte(name), 0o600) }

func (v *view) mkdir(name string) error { return os.MkdirAll(v.path(name), 0o700) }

func TestChangesBelowAFolderAreTold(t *testing.T) {
	server := serve(t)
	tests := []struct {
		name   string
		before func(v *view) error // it is watched
		change func(v *view)
		want   string // the last that is told
		also   []string
		never  string // is in nothing that is told
	}{
		{
			name: "a file that is written", before: func(v *view) error { return v.write("f") },
			change: func(v *view) { v.do(v.write("f")) }, want: "+f",
		},
		{
			name: "a file that is replaced", before: func(v *view) error { return v.write("f") },
			change: func(v *view) { v.do(v.write("f.tmp"), os.Rename(v.path("f.tmp"), v.path("f"))) }, want: "+f", also: []string{"-f.tmp"},
		},
		{
			name: "a file that is removed", before: func(v *view) error { return v.write("f") },
			change: func(v *view) { v.do(os.Remove(v.path("f"))) }, want: "-f",
		},
		{
			name:   "what is in a folder that has just come",
			change: func(v *view) { v.do(v.mkdir("a/b/c"), v.write("a/b/c/f")) }, want: "+a/b/c/f", also: []string{"+a/", "+a/b/", "+a/b/c/"},
		},
		{
			name: "a folder that came in whole", before: func(v *view) error { return os.MkdirAll(v.dir+".out/x", 0o700) },
			change: func(v *view) {
				v.do(os.WriteFile(v.dir+".out/x/f", nil, 0o600), os.Rename(v.dir+".out", v.path("in")))
			}, want: "+in/x/f",
		},
		{
			name: "what happens in a folder under its new name", before: func(v *view) error { return v.mkdir("old/deep") },
			change: func(v *view) {
				v.do(os.Rename(v.path("old"), v.path("new")))
				v.until("+new/deep/")
				v.do(v.write("new/deep/f"))
			}, want: "+new/deep/f", never: "old/deep/f",
		},
		{
			name: "a folder that is removed", before: func(v *view) error { return v.mkdir("a/b") },
			change: func(v *view) { v.do(os.RemoveAll(v.path("a"))) }, want: "-a/", also: []string{"-a/b/"},
		},
		{
			name: "not what tools fill", before: func(v *view) error { return v.mkdir("p/node_modules/x") },
			change: func(v *view) {
				v.do(v.mkdir(".git"), v.write(".git/index"), v.write("p/node_modules/x/f"), v.write("p/.f.swp"), v.write("p/skip.log"), v.write("p/last"))
			}, want: "+p/last", never: "ignored",
		},
		{
			name: "not through a link", before: func(v *view) error { return os.MkdirAll(v.dir+".far", 0o700) },
			change: func(v *view) {
				v.do(os.Symlink(v.dir+".far", v.path("link")))
				v.until("+link")
				v.do(os.WriteFile(v.dir+".far/f", nil, 0o600), v.write("last"))
			}, want: "+last", never: "link/",
		},
		{
			name:   "hostile names as they are",
			change: func(v *view) { v.do(v.write("a\nb\x1b[2J"), v.write("-rf")) }, want: "+a\nb\x1b[2J", also: []string{"+-rf"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := &view{t: t, dir: filepath.Join(t.TempDir(), "w")}
			v.do(v.mkdir("."))
			if tt.before != nil {
				v.do(tt.before(v))
			}
			v = watch(t, server, v.dir, "*.log")
			tt.change(v)
			told := v.until(tt.want)
			for _, also := range tt.also {
				if !slices.Contains(told, also) {
					t.Errorf("%q is missing in %q", also, told)
				}
			}
			never := func(s string) bool {
				if tt.never == "ignored" {
					return strings.Contains(s, ".git") || strings.Contains(s, "node_modules") || strings.Contains(s, ".swp") || strings.Contains(s, ".log")
				}
				return tt.never != "" && strings.Contains(s, tt.never)
			}
			if slices.ContainsFunc(told, never) {
				t.Errorf("told too: %q", told)
			}
		})
	}
}

func TestAFileThatIsWrittenOftenIsToldSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events, done := make(chan fsnotify.Event), make(chan struct{})
		w := newWatched("/w", maxFolders, nil, &fsnotify.Watcher{Events: events, Errors: make(chan error)})
		began := time.Now()
		var told []time.Duration
		go func() {
			_ = w.follow(done, func(c agentapi.Changes) error {
				if len(c.Changed) > 0 {
					told = append(told, time.Since(began))
				}
				return nil
			})
		}()
		defer close(done)
		const step = quiet / 5
		for range 60 { // longer than a change waits, and never quiet
			events <- fsnotify.Event{Name: "/w/f", Op: fsnotify.Write}
			time.Sleep(step)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		last := 59*step + quiet
		if want := []time.Duration{longest, last}; !slices.Equal(told, want) {
			t.Errorf("told at %v, want %v", told, want)
		}
	})
}

func TestTooManyChangesAreToldAsMore(t *testing.T) {
	v := watch(t, serve(t), t.TempDir())
	out := t.TempDir()
	for i := range agentapi.MaxChanges + 100 {
		v.do(os.WriteFile(filepath.Join(out, fmt.Sprint(i)), nil, 0o600))
	}
	v.do(os.Rename(out, v.path("in"))) // found by one look
	if c := v.next(); !c.More || len(c.Changed) != agentapi.MaxChanges {
		t.Errorf("%d are told, more: %v", len(c.Changed), c.More)
	}
}

func TestWatchingEndsWithTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "w")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	v := watch(t, serve(t), dir)
	v.do(os.Remove(dir))
	v.until("-./")
	if _, open := <-v.lines; open {
		t.Error("it goes on")
	}
}

func TestWatchingIsRefused(t *testing.T) {
	server, dir := serve(t), t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ask := func(path string) (int, string) {
		resp, err := http.Get(server + agentapi.PathWatch + "?path=" + url.QueryEscape(path))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var e agentapi.Error
		_ = json.NewDecoder(resp.Body).Decode(&e)
		return resp.StatusCode, e.Code
	}
	for _, path := range []string{filepath.Join(dir, "none"), file} {
		if status, code := ask(path); status != http.StatusNotFound || code != "not_found" {
			t.Errorf("%s: %d %s", path, status, code)
		}
	}
	for range maxWatchers {
		watch(t, server, dir)
	}
	if status, code := ask(dir); status != http.StatusServiceUnavailable || code != "watch_limit" {
		t.Errorf("one too many: %d %s", status, code)
	}
}

// direct is the watched folder itself, without HTTP.
func direct(t *testing.T, dir string, room int) (*watched, *view) {
	t.Helper()
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	w := newWatched(dir, room, nil, notify)
	if err := w.begin(); err != nil {
		t.Fatal(err)
	}
	return w, &view{t: t, dir: dir, lines: make(chan agentapi.Changes, 1000)}
}

// start follows; w is the goroutine's own from now on.
func (v *view) start(w *watched) {
	done, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		_ = w.follow(done, func(c agentapi.Changes) error { v.lines <- c; return nil })
	}()
	v.t.Cleanup(func() { close(done); <-over; _ = w.notify.Close() })
}

// The kernel drops events when it has queued too many.
func TestAfterAnOverflowEverythingIsWatchedAgain(t *testing.T) {
	dir := t.TempDir()
	w, v := direct(t, dir, maxFolders)
	v.do(w.notify.Remove(dir), v.mkdir("missed/deep"), w.notify.Add(dir)) // nobody told of it
	v.start(w)
	w.notify.Errors <- fsnotify.ErrEventOverflow
	for !v.last.More {
		v.next()
	}
	v.do(v.write("missed/deep/f"))
	v.until("+missed/deep/f")
}

func TestTooManyFoldersAreWatchedInPart(t *testing.T) {
	dir := t.TempDir()
	v := &view{t: t, dir: dir}
	v.do(v.mkdir("a"), v.mkdir("b"), v.mkdir("c"))
	w, v := direct(t, dir, 3)
	v.start(w)
	if c := v.next(); !c.Partial {
		t.Errorf("told %+v", c)
	}
	v.do(v.write("c/unseen"), v.write("b/seen"))
	if told := v.until("+b/seen"); slices.Contains(told, "+c/unseen") {
		t.Errorf("told %q", told)
	}
	v.do(os.RemoveAll(v.path("b")), v.mkdir("d"), v.write("d/f"))
	v.until("+d/f")
}
