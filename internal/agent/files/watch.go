package files

import (
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/wsctl/wsctl/internal/agentapi"
)

// Bounds of watching. The kernel counts instances (128 for each user of the machine, and
// many workspaces may be one user) and folders (some ten thousands), so there is an
// instance only while somebody watches.
const (
	maxWatchers = 4    // who watch at a time
	maxFolders  = 8192 // of one who watches; what is in further ones is not seen

	quiet   = 50 * time.Millisecond  // without a change before what has changed is told
	longest = 500 * time.Millisecond // that a change waits for quiet
)

// watching gives places to who watch.
type watching struct{ places chan struct{} }

func (s watching) watch(w http.ResponseWriter, r *http.Request) {
	select {
	case s.places <- struct{}{}:
		defer func() {
			<-s.places
			debug.FreeOSMemory() // many agents run at a time, and most of them idle
		}()
	default:
		refuseWatch(w, "too many watch files of this workspace")
		return
	}
	root, err := filepath.Abs(r.URL.Query().Get("path"))
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		refuseWatch(w, "the machine watches as many files as it can: "+err.Error())
		return
	}
	defer notify.Close()
	t := newWatched(root, maxFolders, r.URL.Query()["ignore"], notify)
	if err := t.begin(); err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines, flush := json.NewEncoder(w), http.NewResponseController(w)
	_ = t.follow(r.Context().Done(), func(c agentapi.Changes) error {
		return errors.Join(lines.Encode(c), flush.Flush())
	})
}

func refuseWatch(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusServiceUnavailable)
	_ = json.NewEncoder(w).Encode(agentapi.Error{Code: "watch_limit", Text: text})
}
