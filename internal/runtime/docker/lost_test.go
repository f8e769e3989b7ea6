package docker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime"
)

// tamper stands between a driver and the engine and loses the replies of requests
// that lose says yes to: the engine carries them out, the driver never learns. While
// one of away says yes, nothing gets through at all.
func tamper(t *testing.T, lose func(*http.Request) bool, away ...func() bool) (host string) {
	t.Helper()
	return tamperWith(t, func(http.ResponseWriter, *http.Request) bool {
		for _, gone := range away {
			if gone() {
				panic(http.ErrAbortHandler)
			}
		}
		return false
	}, lose)
}

// tamperWith is tamper that shows each request to before, which may answer in the engine's place.
func tamperWith(t *testing.T, before func(http.ResponseWriter, *http.Request) (answered bool), lose func(*http.Request) bool) (host string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "wsd") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	c := engine(t)
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return c.Dialer()(ctx) }}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before(w, r) {
			return
		}
		body, _ := io.ReadAll(r.Body)
		out, _ := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, "http://docker"+r.URL.RequestURI(), bytes.NewReader(body))
		out.Header = r.Header.Clone()
		if r.Header.Get("Upgrade") != "" {
			relay(w, out, c)
			return
		}
		resp, err := tr.RoundTrip(out)
		if err != nil || lose(r) {
			if err == nil {
				_ = resp.Body.Close()
			}
			panic(http.ErrAbortHandler)
		}
		defer func() { _ = resp.Body.Close() }()
		for k, v := range resp.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(resp.StatusCode)
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(flusher{w}, resp.Body)
	})}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return "unix://" + l.Addr().String()
}

// tamperBefore stands between a driver and the engine like tamper, and calls do before the first
// request whose URI has part in it goes on.
func tamperBefore(t *testing.T, part string, do func()) (host string) {
	t.Helper()
	var once sync.Once
	return tamperWith(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.RequestURI(), part) {
			once.Do(do)
		}
		return false
	}, func(*http.Request) bool { return false })
}

// tamperOnce answers the first request whose URI has part in it with what the engine is known to
// say, and never asks it.
func tamperOnce(t *testing.T, part string, status int, says string) (host string) {
	t.Helper()
	var said atomic.Bool
	return tamperWith(t, func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.RequestURI(), part) || said.Swap(true) {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, says)
		return true
	}, func(*http.Request) bool { return false })
}

// flusher passes each write on at once: the answer may be a stream.
type flusher struct{ http.ResponseWriter }

func (f flusher) Write(b []byte) (int, error) {
	n, err := f.ResponseWriter.Write(b)
	_ = http.NewResponseController(f.ResponseWriter).Flush()
	return n, err
}

// relay joins a connection that is about to be hijacked with one to the engine.
func relay(w http.ResponseWriter, r *http.Request, c *client.Client) {
	up, err := c.Dialer()(r.Context())
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer func() { _ = up.Close() }()
	down, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer func() { _ = down.Close() }()
	_ = r.Write(up) // before the hijacking its body was read
	go func() {
		_, _ = io.Copy(up, buf)
		_ = up.(interface{ CloseWrite() error }).CloseWrite()
	}()
	_, _ = io.Copy(down, up)
}

func TestALostReplyIsFoundAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		path  string
		heals bool // within the same call; else the caller's next try has to
	}{
		"of the container's create": {"/containers/create?name=wsd-w", true},
		"of the sandbox's create":   {"/containers/create?name=wsd-net-", false},
		"of the network's create":   {"/networks/create", true},
		"of the volume's create":    {"/volumes/create", false},
		"of a start":                {"/start", false}, // of the sandbox: the first one
	} {
		t.Run(name, func(t *testing.T) {
			var lost atomic.Int32
			d := newDriver(t, func(c *Config) {
				c.Host = tamper(t, func(r *http.Request) bool {
					return strings.Contains(r.URL.RequestURI(), tc.path) && lost.Add(1) == 1
				})
			})
			c := testContainer("lost", "serve", "8080")
			bring := func() error {
				if _, err := d.Ensure(t.Context(), c); err != nil {
					return err
				}
				return d.Start(t.Context(), c.Ref)
			}
			if err := bring(); err != nil {
				if tc.heals || !errors.Is(err, runtime.ErrUnreachable) {
					t.Fatalf("a lost reply: %v, want it found (%t) or ErrUnreachable", err, tc.heals)
				}
				if err := bring(); err != nil {
					t.Fatalf("the second try: %v", err)
				}
			}
			if lost.Load() == 0 {
				t.Fatal("no reply was lost")
			}
			answers(t, d, c)
			if err := d.Remove(t.Context(), c.Workspace); err != nil {
				t.Fatal(err)
			}
			d.pool = newPool() // after a crash, too, all is found by its labels
			if err := d.warmOnce(t.Context()); err != nil {
				t.Fatal(err)
			}
			if left := residue(t, engine(t), d.cfg.Instance); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// foreignLabel marks what a test makes under a name of ours, so that a census does not take it
// for a leak.
func foreignLabel() map[string]string { return map[string]string{"wsd-test": "foreign"} }

func TestForeignObjectsAreLeftAlone(t *testing.T) {
	d := newDriver(t)
	c := testContainer("foreign", "wait")
	img, err := d.EnsureImage(t.Context(), "wsd:base", nil)
	if err != nil {
		t.Fatal(err)
	}
	e := engine(t)
	res, err := e.ContainerCreate(t.Context(), &container.Config{Image: img.Digest, Cmd: []string{"x"}}, nil, nil, nil, containerName(c.Ref))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.ContainerRemove(context.Background(), res.ID, container.RemoveOptions{Force: true}) })
	if _, err := d.Ensure(t.Context(), c); !hasCode(err, "foreign_object") {
		t.Errorf("Ensure over a foreign container: %v", err)
	}
	if err := d.Remove(t.Context(), c.Workspace); err != nil {
		t.Errorf("Remove: %v", err)
	}
	if err := d.RemoveObject(t.Context(), runtime.Object{Kind: "container", ID: res.ID}); !hasCode(err, "foreign_object") {
		t.Errorf("RemoveObject of a foreign container: %v", err)
	}
	if _, err := e.ContainerInspect(t.Context(), res.ID); err != nil {
		t.Errorf("the foreign container is gone: %v", err)
	}
	objects, err := d.Objects(t.Context()) // it inherits the labels of our image
	if err != nil || slices.ContainsFunc(objects, func(o runtime.Object) bool { return o.ID == res.ID }) {
		t.Errorf("the foreign container is told as ours: %+v, %v", objects, err)
	}
	other := testContainer("foreignvolume", "wait")
	if _, err := e.VolumeCreate(t.Context(), volume.CreateOptions{Name: volumeName(other.Workspace), Labels: foreignLabel()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.VolumeRemove(context.Background(), volumeName(other.Workspace), true) })
	if _, err := d.Ensure(t.Context(), other); !hasCode(err, "foreign_object") {
		t.Errorf("Ensure over a foreign volume: %v", err)
	}
	if err := d.Remove(t.Context(), other.Workspace); err != nil {
		t.Errorf("Remove: %v", err)
	}
	if _, err := e.VolumeInspect(t.Context(), volumeName(other.Workspace)); err != nil {
		t.Errorf("the foreign volume is gone: %v", err)
	}
}

// silent returns the address of a socket that accepts and never answers.
func silent(t *testing.T) string {
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
	t.Cleanup(func() { _ = l.Close() })
	return "unix://" + l.Addr().String() // the kernel accepts for it
}

func TestAnEngineThatIsNotThereIsUnreachable(t *testing.T) {
	for name, host := range map[string]string{"dead": "unix:///nonexistent/docker.sock", "silent": silent(t)} {
		cfg := Config{Host: host, Instance: "x", Agent: "/x", Subnets: mustPrefix(testSubnets)}
		d, err := New(cfg)
		if err != nil {
			t.Fatalf("New needs no engine: %v", err)
		}
		c := testContainer("nowhere", "wait")
		for what, f := range map[string]func(context.Context) error{
			"Info":        func(ctx context.Context) error { _, err := d.Info(ctx); return err },
			"EnsureImage": func(ctx context.Context) error { _, err := d.EnsureImage(ctx, "debian:12", nil); return err },
			"Ensure":      func(ctx context.Context) error { _, err := d.Ensure(ctx, c); return err },
			"Start":       func(ctx context.Context) error { return d.Start(ctx, c.Ref) },
			"Stop":        func(ctx context.Context) error { return d.Stop(ctx, c.Ref, time.Second) },
			"Remove":      func(ctx context.Context) error { return d.Remove(ctx, c.Workspace) },
			"List":        func(ctx context.Context) error { _, err := d.List(ctx); return err },
			"Dial":        func(ctx context.Context) error { _, err := d.Dial(ctx, c.Ref, 80); return err },
			"Stats":       func(ctx context.Context) error { _, err := d.Stats(ctx, c.Ref); return err },
			"Objects":     func(ctx context.Context) error { _, err := d.Objects(ctx); return err },
			"Watch":       func(ctx context.Context) error { return d.Watch(ctx, time.Time{}, nil, nil) },
			"Exec":        func(ctx context.Context) error { _, err := d.Exec(ctx, c.Ref, runtime.ExecSpec{}); return err },
		} {
			t.Run(name+" "+what, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				defer cancel()
				began := time.Now()
				err := f(ctx)
				if !errors.Is(err, runtime.ErrUnreachable) || errors.Is(err, runtime.ErrNotFound) {
					t.Errorf("got %v, want ErrUnreachable", err)
				}
				if took := time.Since(began); took >= quick {
					t.Errorf("not its context has ended it, but the driver's own budget, after %s", took)
				}
			})
		}
	}
}

func TestOurOwnBudgetEndsACallWithoutADeadline(t *testing.T) {
	l, err := newLink(silent(t))
	if err != nil {
		t.Fatal(err)
	}
	err = do(t.Context(), l, 100*time.Millisecond, "wait", func(context.Context, *session) error { return nil })
	if !errors.Is(err, runtime.ErrUnreachable) {
		t.Errorf("got %v, want ErrUnreachable", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = do(ctx, l, time.Minute, "wait", func(context.Context, *session) error { return nil })
	if !errors.Is(err, context.Canceled) || errors.Is(err, runtime.ErrUnreachable) {
		t.Errorf("a caller who gives up got %v, want Canceled alone", err)
	}
}

// A create that a killed wsd had asked for may be under way: its name is given away, and the
// container is not there yet. That ends by itself.
func TestANameThatIsGivenAwayIsTriedAgain(t *testing.T) {
	const says = `{"message":"Conflict. The container name is already in use by container \"12c2\"."}`
	c := testContainer("taken")
	host := tamperOnce(t, "name="+containerName(c.Ref), http.StatusConflict, says)
	d := newDriver(t, func(cfg *Config) { cfg.Host = host })
	_, err := d.Ensure(t.Context(), c)
	if f, ok := errors.AsType[*fault.Error](err); !ok || f.Code != "engine_busy" || !fault.ClassOf(f.Kind).Retryable {
		t.Fatalf("got %v", err)
	}
	up(t, d, c)
}
