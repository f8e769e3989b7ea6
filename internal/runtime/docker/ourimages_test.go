package docker

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"github.com/wsctl/wsctl/internal/runtime"
)

// imagesOf lists the images among the driver's objects, by name.
func imagesOf(t testing.TB, d *Driver) map[string]runtime.Object {
	t.Helper()
	all, err := d.Objects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]runtime.Object{}
	for _, o := range all {
		if o.Kind == kindImage {
			out[o.Name] = o
		}
	}
	return out
}

// madeName is the name of the image of its own that a driver makes.
func madeName(t testing.TB, d *Driver, name string) string {
	t.Helper()
	if _, err := d.madeImage(t.Context(), name, func(runtime.Progress) {}); err != nil {
		t.Fatal(err)
	}
	m, err := d.buildImage(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return m.tag
}

// upon builds somebody's image upon another, past the driver.
func upon(t testing.TB, c *client.Client, from, ref string) {
	t.Helper()
	resp, err := c.ImageBuild(t.Context(), buildContext(t, map[string]string{"Dockerfile": "FROM " + from + "\nLABEL of=somebody\n"}),
		build.ImageBuildOptions{Version: build.BuilderV1, Tags: []string{ref}, Remove: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = c.ImageRemove(context.Background(), ref, image.RemoveOptions{Force: true, PruneChildren: true})
	})
	defer func() { _ = resp.Body.Close() }()
	log := buildLog{}
	if err := log.read(resp.Body); err != nil {
		t.Fatal(err)
	}
}

func exists(t testing.TB, c *client.Client, ref string) bool {
	t.Helper()
	_, err := c.ImageInspect(t.Context(), ref)
	if err != nil && !cerrdefs.IsNotFound(err) {
		t.Fatal(err)
	}
	return err == nil
}

// upgraded returns a driver of an earlier version, and one of today with the same instance.
func upgraded(t testing.TB) (before, now *Driver) {
	t.Helper()
	before = newDriver(t, func(c *Config) { c.Applets = []string{"sh"} })
	return before, newDriver(t, func(c *Config) { c.Instance = before.cfg.Instance })
}

func TestImagesOfAnEarlierVersionAreFreeAndThoseOfTodayAreNot(t *testing.T) {
	begin := time.Now()
	before, now := upgraded(t)
	old, pause, base := madeName(t, before, "base"), madeName(t, before, "pause"), madeName(t, now, "base")
	if old == base {
		t.Fatalf("both versions make %s", old)
	}
	list := imagesOf(t, now)
	for name, used := range map[string]bool{old: false, pause: true, base: true} {
		o := list[name]
		if o.InUse != used || o.ID == "" || o.Size == 0 || o.CreatedAt.Before(begin.Add(-time.Second)) {
			t.Errorf("%s is told as %+v, want it in use: %t", name, o, used)
		}
	}
	c := testContainer("old", "wait")
	if _, err := before.Ensure(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if o := imagesOf(t, now)[old]; !o.InUse {
		t.Error("an old image that a workspace is made from counts as free")
	}
	if err := now.RemoveObject(t.Context(), list[old]); err == nil {
		t.Error("an image with a container was removed")
	}
	if err := before.Remove(t.Context(), c.Workspace); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := now.RemoveObject(t.Context(), list[old]); err != nil {
			t.Errorf("cannot remove it: %v", err)
		}
	}
	after := imagesOf(t, now)
	if _, still := after[old]; still || len(after) != 2 {
		t.Errorf("left are %+v", after)
	}
}

func TestTheImageForDockerfilesIsFreeOnceTheAgentIsAnother(t *testing.T) {
	agent := filepath.Join(t.TempDir(), "agent")
	write := func(text string) {
		if err := os.WriteFile(agent, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("the first")
	before := newDriver(t, func(c *Config) { c.Agent = agent })
	if err := before.offerBase(t.Context()); err != nil {
		t.Fatal(err)
	}
	old := before.made.offered
	if o := imagesOf(t, before)[old]; o.ID == "" || !o.InUse {
		t.Errorf("today's is told as %+v", o)
	}
	write("the second")
	now := newDriver(t, func(c *Config) { c.Agent, c.Instance = agent, before.cfg.Instance })
	o := imagesOf(t, now)[old]
	if o.ID == "" || o.InUse {
		t.Errorf("the earlier one is told as %+v", o)
	}
	if err := now.RemoveObject(t.Context(), o); err != nil || exists(t, engine(t), o.ID) {
		t.Errorf("it is still there, under the name for Dockerfiles perhaps: %v", err)
	}
}

// Labels are inherited by what is built upon an image.
func TestAnImageThatSomebodyBuiltUponOursIsTheirs(t *testing.T) {
	before, now := upgraded(t)
	c := engine(t)
	old := madeName(t, before, "base")
	built, _, err := builds(t.Context(), t, now, testRef(), "FROM scratch\nCOPY hello.txt /\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{old, built.Ref} {
		theirs := "theirs:" + randomHex(6)
		upon(t, c, from, theirs)
		list := imagesOf(t, now)
		if o, ok := list[theirs]; ok {
			t.Errorf("the image that somebody built upon %s is told as ours: %+v", from, o)
		}
		if !list[from].InUse {
			t.Errorf("%s counts as free although something is built upon it", from)
		}
		in, err := c.ImageInspect(t.Context(), theirs)
		if err != nil {
			t.Fatal(err)
		}
		if err := now.RemoveObject(t.Context(), runtime.Object{Kind: kindImage, ID: in.ID}); !hasCode(err, "foreign_object") {
			t.Errorf("removal of it: %v", err)
		}
	}
	kept := "theirs:" + randomHex(6)
	if err := c.ImageTag(t.Context(), built.Ref, kept); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = c.ImageRemove(context.Background(), kept, image.RemoveOptions{Force: true}) })
	if err := now.RemoveObject(t.Context(), runtime.Object{Kind: kindImage, ID: built.Digest}); err != nil {
		t.Fatal(err)
	}
	if exists(t, c, built.Ref) || !exists(t, c, kept) {
		t.Error("of an image with a name of somebody's, something else than our name was removed")
	}
}

func TestImagesOfAnotherInstanceAreNotTouched(t *testing.T) {
	one, other := newDriver(t), newDriver(t)
	name := madeName(t, one, "base")
	if madeName(t, other, "base") == name {
		t.Fatal("two instances share an image")
	}
	o := imagesOf(t, one)[name]
	if seen := imagesOf(t, other); len(seen) != 1 {
		t.Errorf("the other instance sees %+v", seen)
	}
	if err := other.RemoveObject(t.Context(), o); !hasCode(err, "foreign_object") {
		t.Errorf("removal by the other: %v", err)
	}
	if !exists(t, engine(t), name) {
		t.Error("the other removed it")
	}
}

// A build begins while the image that had the name wsd:base before is removed.
func TestTheNameForDockerfilesIsNotTakenFromItsNewImage(t *testing.T) {
	old := builder(t)
	var now *Driver
	var offered chan error // nil: the name was not about to be removed yet
	var removed, early atomic.Bool
	agent := filepath.Join(t.TempDir(), "agent")
	if err := os.WriteFile(agent, []byte("another"), 0o755); err != nil {
		t.Fatal(err)
	}
	isRemoval := func(r *http.Request) bool {
		return r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, "/images/"+offeredBase)
	}
	now = newDriver(t, func(c *Config) {
		c.Agent, c.Instance = agent, old.cfg.Instance
		c.Host = tamperWith(t, func(_ http.ResponseWriter, r *http.Request) bool {
			switch {
			case isRemoval(r) && offered == nil:
				offered = make(chan error, 1)
				offer := func() { offered <- now.offerBase(t.Context()) }
				if !now.made.naming.TryLock() {
					go offer() // it waits for who removes
					return false
				}
				now.made.naming.Unlock()
				offer()
			case strings.HasSuffix(r.URL.Path, "/tag") && !removed.Load():
				early.Store(true)
			}
			return false
		}, func(r *http.Request) bool {
			if isRemoval(r) {
				removed.Store(true)
			}
			return false
		})
	})
	for offered == nil { // tests of other packages move the name too
		if err := old.offerBase(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := now.RemoveObject(t.Context(), imagesOf(t, now)[old.made.offered]); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-offered; err != nil || early.Load() {
		t.Errorf("the name goes to another image before it is taken from the one that is removed (%t), %v", early.Load(), err)
	}
}

func TestANameThatHasGoneDoesNotKeepTheOthers(t *testing.T) {
	var instance string
	one, other := testRef(), testRef()
	d := newDriver(t, func(c *Config) {
		instance = c.Instance
		c.Host = tamperOnce(t, "/images/wsd-test:", http.StatusNotFound, `{"message":"No such image"}`)
	})
	e := engine(t)
	resp, err := e.ImageBuild(t.Context(), buildContext(t, map[string]string{"Dockerfile": "FROM scratch\nLABEL of=" + one + "\n"}), build.ImageBuildOptions{
		Version: build.BuilderV1, Tags: []string{one, other}, Remove: true, Labels: map[string]string{labelInstance: instance, labelRole: roleImage},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	t.Cleanup(func() {
		for _, ref := range []string{one, other} {
			_, _ = e.ImageRemove(context.Background(), ref, image.RemoveOptions{Force: true, PruneChildren: true})
		}
	})
	log := buildLog{}
	if err := log.read(resp.Body); err != nil {
		t.Fatal(err)
	}
	in, err := e.ImageInspect(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.RemoveObject(t.Context(), runtime.Object{Kind: kindImage, ID: in.ID}); err != nil {
		t.Error(err)
	}
	if exists(t, e, one) == exists(t, e, other) { // of the first it was said that it has gone
		t.Errorf("of two names both are there (%t), or none", exists(t, e, one))
	}
}

func TestAnImageWithoutANameInItsLabelIsOfAnEarlierVersion(t *testing.T) {
	d := &Driver{cfg: Config{Instance: "one"}}
	built := map[string]string{labelInstance: "one", labelRole: roleImage}
	for what, row := range map[string]struct {
		labels map[string]string
		tags   []string
		names  []string
		ok     bool
	}{
		"built by an earlier version":      {built, []string{"wsd-build:a", "x:1"}, []string{"wsd-build:a", "x:1"}, true},
		"without any label":                {nil, []string{"wsd:base-0123456789ab"}, nil, false},
		"made by a version without labels": {map[string]string{labelContent: "0123"}, []string{"wsd:base-0123"}, nil, false},
		"a step upon the base":             {map[string]string{labelInstance: "one", labelRole: roleBase, labelName: "wsd:base-a"}, []string{"<none>:<none>"}, nil, false},
	} {
		if names, ok := d.ourNames(row.labels, row.tags); ok != row.ok || !slices.Equal(names, row.names) {
			t.Errorf("%s: %v, %t", what, names, ok)
		}
	}
}
