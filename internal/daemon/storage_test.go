package daemon_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/wstest"
)

// wantRefusal checks what a script sees of a command that wsd refused.
func wantRefusal(t *testing.T, p *wstest.Process, kind fault.Kind, code string, args ...string) {
	t.Helper()
	out, errs, status := p.Wsctl(append(args, "--json")...)
	var body struct{ Error api.Problem }
	if err := json.Unmarshal([]byte(out), &body); err != nil {
		t.Fatalf("%s: %v: %s%s", args, err, out, errs)
	}
	if class := fault.ClassOf(kind); status != class.Exit || body.Error.Code != code || body.Error.Status != class.HTTP {
		t.Errorf("%s ends with %d, %d %s; want %d, %d %s", args, status, body.Error.Status, body.Error.Code, class.Exit, class.HTTP, code)
	}
}

func wantWsctl(t *testing.T, p *wstest.Process, args ...string) string {
	t.Helper()
	out, errs, status := p.Wsctl(args...)
	if status != 0 {
		t.Fatalf("wsctl %s ends with %d: %s%s", strings.Join(args, " "), status, out, errs)
	}
	return out
}

// facts are everything that a refused command must leave as it is.
func facts(t *testing.T, p *wstest.Process) any {
	t.Helper()
	list, err := p.Workspaces(t.Context(), api.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	events, err := p.Events(t.Context(), 0, 1000, "")
	if err != nil {
		t.Fatal(err)
	}
	ports, err := p.Ports(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return []any{list, events, ports}
}

func TestFullDiskRefusesNewWorkspacesAndLetsTheRestGoOn(t *testing.T) {
	d := newDisk(t, "")
	p := d.daemon()
	p.Start()
	create(t, p, "kept")
	create(t, p, "doomed")
	d.fill()
	before := facts(t, p)
	wantRefusal(t, p, fault.StorageFull, "storage_full", "create", "more")
	if after := facts(t, p); !reflect.DeepEqual(before, after) {
		t.Errorf("the refused create left %+v", after)
	}
	wantWsctl(t, p, "stop", "kept")
	wantWsctl(t, p, "delete", "doomed", "--force")
	if out := wantWsctl(t, p, "list"); !strings.Contains(out, "kept") || strings.Contains(out, "doomed") {
		t.Errorf("the list is\n%s", out)
	}
	d.free()
	wantWsctl(t, p, "create", "more")
	if p.Dead() {
		t.Error("the daemon has ended")
	}
}

func TestFileSystemThatTurnsReadOnlyStopsWritingAndNotReading(t *testing.T) {
	d := newDisk(t, "errors=remount-ro")
	p := d.daemon()
	p.Start()
	create(t, p, "kept")
	d.fail()
	begin := time.Now()
	wantRefusal(t, p, fault.Unavailable, "storage_readonly", "create", "more")
	wantRefusal(t, p, fault.Unavailable, "storage_readonly", "delete", "kept", "--force")
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("the refusals took %s", took)
	}
	if out := wantWsctl(t, p, "list"); !strings.Contains(out, "kept") {
		t.Errorf("the list is\n%s", out)
	}
	p.Kill()
	if out, status := serveToItsEnd(p); status != fault.ClassOf(fault.Unavailable).Exit || !strings.Contains(out, "cannot be written") {
		t.Errorf("a start ends with %d: %s", status, out)
	}
	d.again(true)
	p.Start()
	if _, err := p.Workspace(t.Context(), "kept"); err != nil {
		t.Errorf("after the repair: %v", err)
	}
	wantWsctl(t, p, "create", "more")
}

// writers change one workspace each as fast as they are answered, and remember the
// last change that was.
type writers struct {
	acked []atomic.Int64
	group sync.WaitGroup
}

func startWriters(ctx context.Context, t *testing.T, p *wstest.Process, n int) *writers {
	t.Helper()
	w := &writers{acked: make([]atomic.Int64, n)}
	for i := range n {
		name := fmt.Sprintf("w%d", i)
		if _, err := p.Create(ctx, api.Create{Name: name, Limits: small(), Stopped: true}, ""); err != nil {
			t.Fatal(err)
		}
		w.group.Go(func() {
			for n := int64(1); ctx.Err() == nil; n++ {
				text := strconv.FormatInt(n, 10)
				if _, err := p.Update(ctx, name, 0, api.Update{Labels: map[string]*string{"n": &text}}); err != nil {
					return
				}
				w.acked[i].Store(n)
			}
		})
	}
	return w
}

// await waits until every writer was answered n times.
func (w *writers) await(t *testing.T, n int64) {
	t.Helper()
	wstest.Until(t, time.Minute, "every writer is answered", func(context.Context) bool {
		for i := range w.acked {
			if w.acked[i].Load() < n {
				return false
			}
		}
		return true
	})
}

// wantAll checks that each change that was answered is there, and at most the one
// after it that was not.
func (w *writers) wantAll(t *testing.T, p *wstest.Process) {
	t.Helper()
	for i := range w.acked {
		got, err := p.Workspace(t.Context(), fmt.Sprintf("w%d", i))
		if err != nil {
			t.Errorf("a create that was answered is lost: %v", err)
			continue
		}
		n, _ := strconv.ParseInt(got.Labels["n"], 10, 64)
		if acked := w.acked[i].Load(); n < acked || n > acked+1 {
			t.Errorf("change %d of %s was answered, change %d is there", acked, got.Name, n)
		}
	}
}

func TestPowerCutLosesNothingThatWasAnswered(t *testing.T) {
	t.Parallel()
	d := newDisk(t, "commit=1000")
	p := d.daemon()
	for cut := range 2 {
		p.Start()
		instance := wstest.InstanceOf(p)
		ctx, stop := context.WithCancel(t.Context())
		w := startWriters(ctx, t, p, 6)
		w.await(t, int64(10*(cut+1)))
		d.cutPower()
		w.group.Wait()
		stop()
		p.Kill()
		d.again(false)
		p.Start()
		w.wantAll(t, p)
		if got := wstest.InstanceOf(p); got != instance || instance == "" {
			t.Errorf("instance %q became %q", instance, got)
		}
		for i := range w.acked {
			wantWsctl(t, p, "delete", fmt.Sprintf("w%d", i), "--force")
		}
		p.Kill()
	}
}

// A failed sync may have dropped what it could not write, whatever later ones say.
func TestNothingIsAnsweredAfterAFailedSyncUntilTheDaemonIsStartedAgain(t *testing.T) {
	t.Parallel()
	needs(t, "strace")
	for what, n := range map[string]int{"of the data": 23, "of the head": 24} {
		t.Run(what, func(t *testing.T) {
			p := onMemory(t)
			create(t, p, "first")
			p.Kill()
			p.Start("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync",
				"-e", "inject=fdatasync:error=EIO:when="+strconv.Itoa(n))
			w := startWriters(t.Context(), t, p, 3)
			w.group.Wait() // until the first refusal of each
			for range 3 {
				wantRefusal(t, p, fault.Unavailable, "store_failed", "create", "late", "--no-wait")
			}
			wantWsctl(t, p, "list")
			wantWsctl(t, p, "daemon", "stop")
			p.Kill()
			p.Start()
			w.wantAll(t, p)
			if _, err := p.Workspace(t.Context(), "late"); !fault.Is(err, fault.NotFound) {
				t.Errorf("a create that was refused is there: %v", err)
			}
			wantWsctl(t, p, "create", "late")
		})
	}
}

func TestStoreOfANewerVersionIsRefusedUntouched(t *testing.T) {
	p := onMemory(t)
	create(t, p, "demo")
	p.Kill()
	path := filepath.Join(p.StateDir, "wsd.db")
	newer := withSchema(t, path, 4, 9)
	if err := os.WriteFile(path, newer, 0o600); err != nil {
		t.Fatal(err)
	}
	out, status := serveToItsEnd(p)
	if status != fault.ClassOf(fault.Unsupported).Exit || !strings.Contains(out, "newer wsd (schema 9") || !strings.Contains(out, "hint: install the newer version") {
		t.Errorf("it ends with %d: %s", status, out)
	}
	_, errs, status := p.Wsctl("list")
	if status != fault.ClassOf(fault.Unavailable).Exit || !strings.Contains(errs, "newer wsd (schema 9") {
		t.Errorf("wsctl ends with %d: %s", status, errs)
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != string(newer) {
		t.Errorf("the file was changed, %v", err)
	}
}
