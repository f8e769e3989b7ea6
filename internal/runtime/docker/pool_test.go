package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestAListDoesNotGiveAwayWhatWasClaimedMeanwhile(t *testing.T) {
	found := map[string]unnamed{"a": {name: "na", runs: true}, "b": {name: "nb", runs: true}, "c": {name: "nc", runs: false}}
	for name, tc := range map[string]struct {
		before, during func(*pool)
		free           []string
	}{
		"nothing happened":                       {free: []string{"a", "b"}},
		"claimed before the list":                {before: func(p *pool) { p.claim("a") }, free: []string{"b"}},
		"claimed while the list was made":        {during: func(p *pool) { p.claim("a") }, free: []string{"b"}},
		"claimed and used while it was made":     {during: func(p *pool) { p.claim("a"); p.release("a", false) }, free: []string{"b"}},
		"removed while it was made":              {during: func(p *pool) { p.forget("b") }, free: []string{"a"}},
		"still being made":                       {before: func(p *pool) { p.working("nb") }, free: []string{"a"}},
		"a lost request may use it":              {before: func(p *pool) { p.doubt("b") }, free: []string{"a"}},
		"freed while it was made":                {during: func(p *pool) { p.claim("d"); p.release("d", true) }, free: []string{"a", "b", "d"}},
		"thought free before, not on the list":   {before: func(p *pool) { p.claim("x"); p.release("x", true) }, free: []string{"a", "b"}},
		"claimed and given back before the list": {before: func(p *pool) { p.claim("a"); p.release("a", true) }, free: []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPool()
			if tc.before != nil {
				tc.before(p)
			}
			seq := p.begin()
			if tc.during != nil {
				tc.during(p)
			}
			p.fold(seq, found)
			got := slices.Sorted(slices.Values(p.free))
			if !slices.Equal(got, tc.free) {
				t.Errorf("free %v, want %v", got, tc.free)
			}
		})
	}
}

// TestALateContainerSharesNoSandbox is of a wsd that was killed while the engine made a
// container for it: the next one, which has found the sandbox free, may know of it late.
func TestALateContainerSharesNoSandbox(t *testing.T) {
	for name, after := range map[string]func(t *testing.T, d *Driver, late, other runtime.Container){
		"the other is there already": func(t *testing.T, d *Driver, late, other runtime.Container) { up(t, d, other); up(t, d, late) },
		"the other comes after it":   func(t *testing.T, d *Driver, late, other runtime.Container) { up(t, d, late); up(t, d, other) },
	} {
		t.Run(name, func(t *testing.T) {
			earlier := newDriver(t)
			if err := earlier.makeSpare(t.Context()); err != nil {
				t.Fatal(err)
			}
			d, err := New(earlier.cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = d.Close() })
			if running, _, _, err := d.discover(t.Context()); err != nil || len(running) != 1 {
				t.Fatalf("it finds the sandboxes %v free: %v", running, err)
			}
			late, other := testContainer("late", "serve", "8080"), testContainer("other", "serve", "8080")
			if _, err := earlier.Ensure(t.Context(), late); err != nil {
				t.Fatal(err)
			}
			after(t, d, late, other)
			boxes := map[string]bool{}
			for _, c := range []runtime.Container{late, other} {
				in, err := d.inspect(t.Context(), c.Ref)
				if err != nil {
					t.Fatal(err)
				}
				boxes[sandboxOf(string(in.HostConfig.NetworkMode))] = true
			}
			if len(boxes) != 2 {
				t.Errorf("both are in %v", boxes)
			}
			answers(t, d, late)
			answers(t, d, other)
		})
	}
}

func TestParallelEnsuresGetASandboxEach(t *testing.T) {
	d := newDriver(t, func(c *Config) { c.Spare = 3 })
	if err := d.warmOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := d.pool.count(); n != 3 {
		t.Fatalf("%d spares, want 3", n)
	}
	var wg sync.WaitGroup
	refs := make([]runtime.Ref, 8)
	for i := range refs {
		c := testContainer(fmt.Sprintf("p%d", i), "wait")
		refs[i] = c.Ref
		wg.Go(func() {
			if _, err := d.Ensure(t.Context(), c); err != nil {
				t.Errorf("Ensure: %v", err)
				return
			}
			if err := d.Start(t.Context(), c.Ref); err != nil {
				t.Errorf("Start: %v", err)
			}
		})
	}
	wg.Wait()
	seen := map[string]runtime.Ref{}
	for _, r := range refs {
		in, err := d.inspect(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		box := sandboxOf(string(in.HostConfig.NetworkMode))
		if other, twice := seen[box]; twice || box == "" {
			t.Errorf("%v and %v share sandbox %q", r, other, box)
		}
		seen[box] = r
	}
	if err := d.warmOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := d.pool.count(); n != 3 {
		t.Errorf("%d spares after a refill, want 3", n)
	}
}

// boxRuns reports whether the sandbox of r's container runs.
func boxRuns(t *testing.T, d *Driver, r runtime.Ref) bool {
	t.Helper()
	in, err := d.inspect(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	box, err := d.inspectSandbox(t.Context(), sandboxOf(string(in.HostConfig.NetworkMode)))
	if err != nil {
		t.Fatal(err)
	}
	return box.State.Running
}

func TestARunningWorkspaceWithoutItsNetworkIsListedAsCut(t *testing.T) {
	d, e := newDriver(t), engine(t)
	for what, cut := range map[string]func(box container.InspectResponse) error{
		"the sandbox is killed": func(box container.InspectResponse) error { return e.ContainerKill(t.Context(), box.ID, "KILL") },
		"the sandbox is removed": func(box container.InspectResponse) error {
			return e.ContainerRemove(t.Context(), box.ID, container.RemoveOptions{Force: true})
		},
		"the network is disconnected": func(box container.InspectResponse) error {
			return e.NetworkDisconnect(t.Context(), string(box.HostConfig.NetworkMode), box.ID, true)
		},
	} {
		t.Run(what, func(t *testing.T) {
			c := testContainer("cut", "serve", "8080")
			up(t, d, c)
			listed := func() (st runtime.Status) {
				t.Helper()
				all, err := d.List(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range all {
					if s.Ref == c.Ref {
						st = s
					}
				}
				return st
			}
			if st := listed(); st.Cut || st.State != runtime.ObservedRunning {
				t.Fatalf("before: %+v", st)
			}
			in, err := d.inspect(t.Context(), c.Ref)
			if err != nil {
				t.Fatal(err)
			}
			box, err := d.inspectSandbox(t.Context(), sandboxOf(string(in.HostConfig.NetworkMode)))
			if err != nil {
				t.Fatal(err)
			}
			if err := cut(box); err != nil {
				t.Fatal(err)
			}
			if st := listed(); !st.Cut || st.State != runtime.ObservedRunning {
				t.Errorf("after: %+v", st)
			}
			if err := d.Remove(t.Context(), c.Workspace); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestSandboxesOfLongStoppedWorkspacesStopAndComeBack(t *testing.T) {
	d := newDriver(t, func(c *Config) { c.Keep = 1 })
	old, recent := testContainer("old", "serve", "8080"), testContainer("recent", "serve", "8080")
	old.Spec.Profile = workspace.Admin
	for _, c := range []runtime.Container{old, recent} {
		up(t, d, c)
		answers(t, d, c)
	}
	if _, e, code := inside(t, d, old.Ref, "", "write", "/etc/kept", "yes"); code != 0 {
		t.Fatalf("cannot write to the root of an admin one: %s", e)
	}
	before, err := d.Inspect(t.Context(), old.Ref)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []runtime.Container{old, recent} {
		if err := d.Stop(t.Context(), c.Ref, time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.warmOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if boxRuns(t, d, old.Ref) || !boxRuns(t, d, recent.Ref) {
		t.Errorf("with Keep 1 the last used sandbox has to stay and the other to stop")
	}
	if err := d.Start(t.Context(), old.Ref); err != nil {
		t.Fatalf("Start with a stopped sandbox: %v", err)
	}
	answers(t, d, old)
	after, err := d.Inspect(t.Context(), old.Ref)
	if err != nil || after.ID != before.ID {
		t.Errorf("the container was made anew: %v, %v", after, err)
	}
	if out, _, _ := inside(t, d, old.Ref, "", "read", "/etc/kept"); out != "yes" {
		t.Errorf("its writable layer is gone: %q", out)
	}
}

func TestARemovedSandboxMeansALostContainer(t *testing.T) {
	d := newDriver(t)
	ran, fresh := testContainer("ran", "wait"), testContainer("fresh", "wait")
	up(t, d, ran)
	if _, err := d.Ensure(t.Context(), fresh); err != nil {
		t.Fatal(err)
	}
	if err := d.Stop(t.Context(), ran.Ref, 0); err != nil {
		t.Fatal(err)
	}
	for _, c := range []runtime.Container{ran, fresh} {
		in, err := d.inspect(t.Context(), c.Ref)
		if err != nil {
			t.Fatal(err)
		}
		if err := engine(t).ContainerRemove(t.Context(), sandboxOf(string(in.HostConfig.NetworkMode)), container.RemoveOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Start(t.Context(), ran.Ref); !errors.Is(err, runtime.ErrNotFound) {
		t.Errorf("Start without a sandbox: %v, want ErrNotFound", err)
	}
	if _, err := d.Ensure(t.Context(), ran); !errors.Is(err, runtime.ErrNotFound) {
		t.Errorf("Ensure without a sandbox: %v, want ErrNotFound", err)
	}
	up(t, d, fresh) // never ran: replaced
	ran.Generation++
	up(t, d, ran)
}

func TestWarmRemovesWhatACrashLeft(t *testing.T) {
	d := newDriver(t, func(c *Config) { c.Spare = 1 })
	for range 2 {
		id, err := d.makeSandbox(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := d.killSandbox(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	d.pool = newPool() // a new process
	if err := d.warmOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, err := d.containers(t.Context())
	if err != nil || len(all) != 1 || all[0].State != container.StateRunning {
		t.Errorf("%d sandboxes are left, want one that runs: %+v, %v", len(all), all, err)
	}
	nets, err := d.networks(t.Context())
	if err != nil || len(nets) != 1 {
		t.Errorf("%d networks are left, want 1: %v", len(nets), err)
	}
}

// TestAnEndInTheMiddleOfASpareLeavesNothing: the engine carries out what is cut off, and Cool
// comes before it has.
func TestAnEndInTheMiddleOfASpareLeavesNothing(t *testing.T) {
	for _, part := range []string{"/networks/create", "/containers/create?name=wsd-net-", "/start"} {
		t.Run(part, func(t *testing.T) {
			ctx, end := context.WithCancel(t.Context())
			done := make(chan struct{})
			var begun, over sync.Once
			is := func(r *http.Request) bool { return strings.Contains(r.URL.RequestURI(), part) }
			d := newDriver(t, func(c *Config) {
				c.Spare = 1
				c.Host = tamperWith(t, func(_ http.ResponseWriter, r *http.Request) bool {
					if is(r) {
						begun.Do(end)
					}
					return false
				}, func(r *http.Request) bool {
					if is(r) {
						over.Do(func() { close(done) })
					}
					return false
				})
			})
			d.warmEnd = time.Minute // however busy the machine
			if err := d.Warm(ctx); !errors.Is(err, context.Canceled) {
				t.Fatalf("Warm ended with %v", err)
			}
			if err := d.Cool(t.Context()); err != nil {
				t.Fatal(err)
			}
			<-done
			if objects, err := d.Objects(t.Context()); err != nil || !slices.Equal(kindsOf(objects), []string{kindImage}) {
				t.Errorf("left are %+v, %v", objects, err)
			}
		})
	}
}

// cutBox takes the network from under a sandbox that runs, as `docker network rm` wants it.
func cutBox(t *testing.T, d *Driver, id string) {
	t.Helper()
	box, err := d.inspectSandbox(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	e, net := engine(t), string(box.HostConfig.NetworkMode)
	if err := e.NetworkDisconnect(t.Context(), net, id, true); err != nil {
		t.Fatal(err)
	}
	if err := e.NetworkRemove(t.Context(), net); err != nil {
		t.Fatal(err)
	}
}

func TestASandboxWhoseNetworkWasRemovedIsNotStartedIn(t *testing.T) {
	d := newDriver(t)
	for _, runs := range []bool{true, false} {
		t.Run(fmt.Sprintf("the sandbox runs: %t", runs), func(t *testing.T) {
			c := testContainer("cut", "serve", "8080")
			up(t, d, c)
			in, err := d.inspect(t.Context(), c.Ref)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Stop(t.Context(), c.Ref, 0); err != nil {
				t.Fatal(err)
			}
			box := sandboxOf(string(in.HostConfig.NetworkMode))
			if !runs {
				if err := d.killSandbox(t.Context(), box); err != nil {
					t.Fatal(err)
				}
			}
			cutBox(t, d, box)
			if err := d.Start(t.Context(), c.Ref); !errors.Is(err, runtime.ErrNotFound) {
				t.Errorf("a start gives %v", err)
			}
			if _, err := d.Ensure(t.Context(), c); runs && !errors.Is(err, runtime.ErrNotFound) {
				t.Errorf("ensure gives %v", err)
			}
			c.Generation++
			up(t, d, c)
			answers(t, d, c)
			if err := d.Remove(t.Context(), c.Workspace); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestASpareWhoseNetworkWasRemovedIsNotGivenAway(t *testing.T) {
	d := newDriver(t, func(c *Config) { c.Spare = 1 })
	if err := d.warmOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	id := d.pool.pop()
	d.pool.release(id, true)
	cutBox(t, d, id)
	c := testContainer("new", "serve", "8080")
	up(t, d, c)
	answers(t, d, c)
	if err := d.warmOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.inspectSandbox(t.Context(), id); !errors.Is(err, runtime.ErrNotFound) {
		t.Errorf("the sandbox without a network stays: %v", err)
	}
}
