package files

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/wsctl/wsctl/internal/agentapi"
)

// errGone says that what was watched is not there any more.
var errGone = errors.New("the folder that was watched is gone")

// watched is a folder with everything below it, as one client watches it. inotify knows
// single folders only: each one below is added here, and what came into it before it was
// added is found by looking. One goroutine owns it; while a slow client is written to, the
// kernel queues, and says when that was too much.
type watched struct {
	root   string
	ignore []string // patterns of names
	notify *fsnotify.Watcher

	folders map[string]struct{} // that are watched, relative to root
	room    int                 // for so many of them
	partial bool                // there are more folders than that
	changes map[string]agentapi.Change
	more    bool // changes are not all
}

func newWatched(root string, room int, ignore []string, notify *fsnotify.Watcher) *watched {
	return &watched{
		root: root, room: room, ignore: slices.Concat(agentapi.Unwatched(), ignore), notify: notify,
		folders: map[string]struct{}{}, changes: map[string]agentapi.Change{},
	}
}

// begin watches every folder that is there. What cannot be read is left out, unless it is
// the root.
func (t *watched) begin() error {
	info, err := os.Stat(t.root)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return &fs.PathError{Op: "watch", Path: t.root, Err: syscall.ENOTDIR}
	}
	t.walk(".")
	if len(t.folders) == 0 {
		return &fs.PathError{Op: "watch", Path: t.root, Err: fs.ErrPermission}
	}
	clear(t.changes) // what was there before is no change
	t.more = false
	return nil
}

// follow tells once that it watches, and then what changes, until done is closed, tell
// fails or the root is gone.
func (t *watched) follow(done <-chan struct{}, tell func(agentapi.Changes) error) error {
	if err := tell(t.take()); err != nil {
		return err
	}
	due := time.NewTimer(0)
	due.Stop()
	var first time.Time // when the oldest change came that was not told
	for {
		select {
		case <-done:
			return nil
		case <-due.C:
			first = time.Time{}
			if err := tell(t.take()); err != nil {
				return err
			}
			continue
		case e, ok := <-t.notify.Events:
			if !ok {
				return errGone
			}
			if !t.note(e) {
				return errors.Join(errGone, tell(t.take()))
			}
		case err, ok := <-t.notify.Errors:
			if !ok {
				return errGone
			}
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				t.again()
			}
		}
		if len(t.changes) == 0 && !t.more {
			continue
		}
		if first.IsZero() {
			first = time.Now()
		}
		due.Reset(min(quiet, time.Until(first.Add(longest))))
	}
}

// note takes one event; false: the root is gone.
func (t *watched) note(e fsnotify.Event) bool {
	gone := e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename)
	name, err := filepath.Rel(t.root, e.Name)
	switch {
	case err != nil || name != "." && t.ignored(name):
		return true
	case name == "." && gone:
		t.put(agentapi.Change{Path: ".", Dir: true, Removed: true})
		return false
	case name == ".":
		return true
	case gone:
		t.put(agentapi.Change{Path: name, Dir: t.forget(name), Removed: true})
	case e.Has(fsnotify.Create):
		if info, err := os.Lstat(e.Name); err == nil && info.IsDir() {
			t.walk(name)
			return true
		}
		t.put(agentapi.Change{Path: name})
	default:
		_, dir := t.folders[name]
		t.put(agentapi.Change{Path: name, Dir: dir})
	}
	return true
}

// walk watches the folder name and all below it, and notes all that it finds: it may have
// come before the folder was watched.
func (t *watched) walk(name string) {
	_ = filepath.WalkDir(filepath.Join(t.root, name), func(file string, d fs.DirEntry, err error) error {
		found, rerr := filepath.Rel(t.root, file)
		switch {
		case err != nil || rerr != nil:
			return nil // it is gone, or may not be read
		case found != "." && t.ignored(found) && d.IsDir():
			return fs.SkipDir
		case found != "." && t.ignored(found):
			return nil
		}
		t.put(agentapi.Change{Path: found, Dir: d.IsDir()})
		if !d.IsDir() {
			return nil
		}
		if _, known := t.folders[found]; known {
			return nil
		}
		if len(t.folders) >= t.room {
			t.partial = true
			return fs.SkipDir
		}
		switch err := t.notify.Add(file); {
		case errors.Is(err, syscall.ENOSPC): // the machine's own bound
			t.partial = true
			return fs.SkipDir
		case err == nil:
			t.folders[found] = struct{}{}
		}
		return nil
	})
}

// forget drops the folder name and all below it, and reports whether it was one.
func (t *watched) forget(name string) bool {
	if _, dir := t.folders[name]; !dir {
		return false
	}
	for f := range t.folders {
		if f == name || strings.HasPrefix(f, name+"/") {
			delete(t.folders, f)
			_ = t.notify.Remove(filepath.Join(t.root, f)) // it may be gone already
		}
	}
	return true
}

// again looks at everything, because the kernel has dropped events. What has changed is
// not known, and not told one by one.
func (t *watched) again() {
	for f := range t.folders {
		if info, err := os.Lstat(filepath.Join(t.root, f)); f != "." && (err != nil || !info.IsDir()) {
			t.forget(f)
		}
	}
	t.partial = false
	t.walk(".")
	clear(t.changes)
	t.more = true
}

// ignored reports whether name is not told of. What is below such a folder is never seen.
func (t *watched) ignored(name string) bool {
	base := path.Base(name)
	return slices.ContainsFunc(t.ignore, func(pattern string) bool {
		ok, err := path.Match(pattern, base)
		return ok && err == nil
	})
}

func (t *watched) put(c agentapi.Change) {
	if _, known := t.changes[c.Path]; !known && len(t.changes) == agentapi.MaxChanges {
		t.more = true
		return
	}
	t.changes[c.Path] = c
}

// take returns what has changed since the last time, in order of path.
func (t *watched) take() agentapi.Changes {
	out := agentapi.Changes{Changed: make([]agentapi.Change, 0, len(t.changes)), More: t.more, Partial: t.partial}
	for _, c := range t.changes {
		out.Changed = append(out.Changed, c)
	}
	slices.SortFunc(out.Changed, func(a, b agentapi.Change) int { return strings.Compare(a.Path, b.Path) })
	clear(t.changes)
	t.more = false
	return out
}
