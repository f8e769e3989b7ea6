package client

import (
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

// tagged serves one workspace and its revision as the ETag.
type tagged struct {
	revision uint64
	full     int // answers with a body
}

func (s *tagged) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	tag := `"` + strconv.FormatUint(s.revision, 10) + `"`
	w.Header().Set("ETag", tag)
	w.Header().Set(api.HeaderStale, strconv.FormatBool(s.full > 0))
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	s.full++
	answer(w, workspace.Workspace{ID: "w1", Revision: s.revision, State: workspace.Running})
}

func TestETagCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &tagged{revision: 7}
		c, _ := serve(t, server)
		read := func(want uint64, full int) {
			t.Helper()
			w, err := c.Workspace(t.Context(), "demo")
			if err != nil || w.Revision != want || server.full != full {
				t.Errorf("revision %d after %d full answers, %v; want %d after %d", w.Revision, server.full, err, want, full)
			}
		}
		read(7, 1)
		read(7, 1) // from memory
		server.revision = 8
		read(8, 2)
		read(8, 2)
	})
}

func TestETagCacheIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &tagged{revision: 1}
		c, _ := serve(t, server)
		for i := range cacheEntries + 1 {
			if _, err := c.Workspace(t.Context(), "w"+strconv.Itoa(i)); err != nil {
				t.Fatal(err)
			}
		}
		before := server.full
		_, _ = c.Workspace(t.Context(), "w0") // the oldest is gone
		_, _ = c.Workspace(t.Context(), "w"+strconv.Itoa(cacheEntries))
		if server.full != before+1 {
			t.Errorf("%d full answers, want 1", server.full-before)
		}
	})
}
