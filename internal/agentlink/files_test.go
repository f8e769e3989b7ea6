package agentlink

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/wsctl/wsctl/internal/fault"
)

// answering is a link to an agent that answers by h.
func answering(t *testing.T, h http.HandlerFunc) *Link {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: patience}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return New(func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", l.Addr().String())
	})
}

func TestAnArchiveThatBreaksOffIsToldToWhoSendsIt(t *testing.T) {
	broken := errors.New("the disk is broken")
	got := make(chan error, 1)
	link := answering(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		got <- err
		w.WriteHeader(http.StatusNoContent)
	})
	ended := make(chan error, 1)
	go func() {
		ended <- link.PutTree(t.Context(), "/", io.MultiReader(strings.NewReader(strings.Repeat("x", 100_000)), iotest.ErrReader(broken)))
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, broken) {
			t.Errorf("it is told %v", err)
		}
	case <-time.After(patience):
		t.Fatal("it waits for an answer to half an archive")
	}
	if err := <-got; err == nil {
		t.Error("the agent takes the half for the whole")
	}
}

func TestARefusalIsHeardBeforeTheWholeArchiveIsSent(t *testing.T) {
	link := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"code":"denied","text":"not here"}`)
	})
	endless := io.LimitReader(zeros{}, 1<<40)
	if err := link.PutTree(t.Context(), "/", endless); !fault.Is(err, fault.Denied) {
		t.Errorf("it is told %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
