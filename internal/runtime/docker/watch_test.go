package docker

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/runtime"
)

// pretend answers like an engine of this API version; events is the body of its
// stream, after which the connection breaks.
func pretend(t *testing.T, version func() string, events string) (host string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "wsd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/_ping"):
			w.Header().Set("Api-Version", version())
		case strings.HasSuffix(r.URL.Path, "/events"):
			_, _ = w.Write([]byte(events))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case strings.HasSuffix(r.URL.Path, "/info"):
			if !strings.HasPrefix(r.URL.Path, "/v"+version()+"/") {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			_, _ = w.Write([]byte("{}"))
		}
	})}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return "unix://" + l.Addr().String()
}

func pretendDriver(t *testing.T, version func() string, events string) *Driver {
	t.Helper()
	d, err := New(Config{Host: pretend(t, version, events), Instance: "me", Agent: "/x", Subnets: mustPrefix(testSubnets)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestABrokenStreamOfEventsIsUnreachable(t *testing.T) {
	message := func(instance, role, workspace string) string {
		b, _ := json.Marshal(map[string]any{
			"Type": "container", "Action": "die", "timeNano": 1_700_000_000_000_000_001,
			"Actor": map[string]any{"ID": "x", "Attributes": map[string]string{
				labelInstance: instance, labelRole: role, labelWorkspace: workspace, labelGeneration: "3",
			}},
		})
		return string(b) + "\n"
	}
	events := message("other", roleWorkspace, "wa") + message("me", roleSandbox, "") + message("me", roleWorkspace, "wb") + `{"Type": "conta`
	d := pretendDriver(t, func() string { return "1.41" }, events)
	connected, seen := 0, []runtime.Change{}
	err := d.Watch(t.Context(), time.Time{}, func() { connected++ }, func(c runtime.Change) { seen = append(seen, c) })
	if !errors.Is(err, runtime.ErrUnreachable) {
		t.Errorf("got %v, want ErrUnreachable", err)
	}
	want := runtime.Change{Ref: runtime.Ref{Workspace: "wb", Generation: 3}, Action: "die", Time: time.Unix(1_700_000_000, 1)}
	if connected != 1 || len(seen) != 1 || seen[0] != want {
		t.Errorf("connected %d times, saw %+v, want %+v", connected, seen, want)
	}
}

func TestAnEngineThatComesBackInAnotherVersionIsAskedAgain(t *testing.T) {
	var older atomic.Bool
	d := pretendDriver(t, func() string {
		if older.Load() {
			return "1.40"
		}
		return "1.41"
	}, "")
	for _, want := range []string{"1.41", "1.40"} {
		in, err := d.Info(t.Context())
		if err != nil || in.API != want {
			t.Errorf("API %s, %v, want %s", in.API, err, want)
		}
		older.Store(true)
		if want == "1.41" {
			if _, err := d.Info(t.Context()); !errors.Is(err, runtime.ErrUnreachable) {
				t.Errorf("while it changes: %v, want ErrUnreachable", err)
			}
		}
	}
}

// TestNoNetworkIsCalledLeftOverWhileSparesComeAndGo asks again and again while one sandbox after
// the other is made and removed: whoever looks just then must not be told of a fault.
func TestNoNetworkIsCalledLeftOverWhileSparesComeAndGo(t *testing.T) {
	d := newDriver(t)
	ended := make(chan error, 1)
	go func() {
		var err error
		for range 3 {
			err = errors.Join(err, d.makeSpare(t.Context()), d.removeSpare(t.Context()))
		}
		ended <- err
	}()
	for looks := 0; ; looks++ {
		select {
		case err := <-ended:
			if err != nil || looks == 0 {
				t.Errorf("after %d looks: %v", looks, err)
			}
			return
		default:
		}
		objects, err := d.Objects(t.Context())
		if err != nil {
			t.Error(err)
		}
		for _, o := range objects {
			if o.Kind == kindNetwork && !o.InUse {
				t.Errorf("look %d: network %s counts as left over", looks, o.Name)
			}
		}
	}
}

func TestWarmKeepsSparesReady(t *testing.T) {
	d := newDriver(t, func(c *Config) { c.Spare = 1 })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Warm(ctx) }()
	ready := func() error {
		if n := d.pool.count(); n != 1 {
			return errors.New("spares: " + itoa(n))
		}
		return nil
	}
	eventually(t, time.Minute, ready)
	c := testContainer("warm", "wait")
	up(t, d, c)
	eventually(t, time.Minute, ready)
	objects, err := d.Objects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if !o.InUse {
			t.Errorf("%s %s counts as left over", o.Kind, o.Name)
		}
		if o.Kind == kindSandbox && o.Workspace != "" {
			if err := d.RemoveObject(t.Context(), o); !hasCode(err, "object_in_use") {
				t.Errorf("removal of a workspace's sandbox: %v", err)
			}
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Warm ended with %v", err)
	}
	if err := d.Cool(t.Context()); err != nil {
		t.Fatal(err)
	}
	if objects, err = d.Objects(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, o := range objects { // the network of a workspace has no label of it
		if o.Kind == kindSandbox && o.Workspace == "" || !o.InUse {
			t.Errorf("%s %s stays", o.Kind, o.Name)
		}
	}
	if _, err := d.Stats(t.Context(), c.Ref); err != nil {
		t.Errorf("the workspace, which goes on running: %v", err)
	}
}
