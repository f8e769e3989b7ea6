package e2e_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Outside its hours a workspace stops as soon as nobody has used it for the idle time,
// though somebody looks and something works; who types and who holds it is left alone.
func TestOutsideItsHoursAWorkspaceRunsOnlyForPeopleAndHolds(t *testing.T) {
	t.Parallel() // it mostly waits
	h, _ := lived(t)
	far := time.Now().UTC().Add(12 * time.Hour).Hour()
	hours := fmt.Sprintf("%02d:00-%02d:30 UTC", far, far)
	h.create("typed", "--template", "static")
	m := h.terminal()
	m.types("wsctl shell typed")
	m.types("echo here-$((40+2))")
	m.shows("here-42")
	for _, name := range []string{"looked", "held"} {
		h.create(name, "--template", "static", "--hours", hours)
	}
	h.ok("hold", "held", "--for", (background + 5*time.Second).String())
	held := h.why("held").StopAt
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	go func() {
		work := api.ExecStart{Command: []string{"sh", "-c", "while sleep 0.2; do echo line; done"}, TTY: true}
		_, _ = client.New(client.Options{Socket: h.Socket}).AttachTerminal(ctx, "looked", "main", api.TerminalStart{View: true, ExecStart: work},
			client.ExecStreams{Out: io.Discard, Err: io.Discard})
	}()
	types := func() { m.do("send-keys", "-t", "x", "-l", "x") }
	types()
	h.ok("policy", "typed", "--hours", hours)

	got, why := h.ends(t, "looked", types)
	t.Logf("looked stopped %v after its last use: %s", got, why)
	if got < idle-100*time.Millisecond || got > idle+late || !strings.HasPrefix(why, "hours: outside its running hours ("+hours+"), and nobody has used it for 6 s") {
		t.Errorf("it stopped %v after its last use, want %v: %s", got, idle, why)
	}
	h.every(t, "typed", 500*time.Millisecond, background, types)
	if y := h.why("typed"); y.Cause != activity.ByHours || y.StopAt.Sub(y.Facts.Engaged) != idle {
		t.Errorf("it is to stop at %s by %s, last used at %s", y.StopAt, y.Cause, y.Facts.Engaged)
	}
	h.ends(t, "held")
	if w := h.why("held").Workspace; w.StoppedAt.Before(held) || w.Stop.Reason != workspace.StoppedHours {
		t.Errorf("held until %s, it stopped at %s: %+v", held, w.StoppedAt, w.Stop)
	}

	h.ok("start", "looked")
	h.ok("policy", "looked", "--hours", "always")
	if y := h.why("looked"); y.Cause == activity.ByHours || y.StopAt.Sub(y.Facts.Engaged) != background {
		t.Errorf("without hours it is to stop at %s by %s, last used at %s", y.StopAt, y.Cause, y.Facts.Engaged)
	}
}
