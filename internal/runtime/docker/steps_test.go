package docker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"

	"github.com/wsctl/wsctl/internal/runtime"
)

// recorder is a builder that keeps records of its builds in folder.
func recorder(t testing.TB) (d *Driver, folder string) {
	t.Helper()
	agent, err := buildWsd()
	if err != nil {
		t.Fatal(err)
	}
	folder = filepath.Join(t.TempDir(), "builds")
	return newDriver(t, func(c *Config) { c.Agent, c.Builds = agent, folder }), folder
}

// stepImages are the ids of images without a name that a step with this mark has made.
func stepImages(t testing.TB, mark string) (ids []string) {
	t.Helper()
	all, err := engine(t).ImageList(t.Context(), image.ListOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if !isNamed(i) && strings.Contains(history(t, i.ID), mark) {
			ids = append(ids, i.ID)
		}
	}
	return ids
}

func TestABuildKeepsARecordOfItsStepsWhileItGoesOn(t *testing.T) {
	d, folder := recorder(t)
	recorded := func() (made []string) {
		files, err := filepath.Glob(filepath.Join(folder, "*"))
		if err != nil {
			t.Error(err)
		}
		for _, f := range files {
			ids, err := readSteps(f)
			if err != nil {
				t.Error(err)
			}
			made = append(made, ids...)
		}
		return made
	}
	for what, last := range map[string]string{"that ends well": "echo second", "that fails": "echo second && false"} {
		t.Run(what, func(t *testing.T) {
			foreign, seen := nameless(t), -1
			file := "FROM wsd:base\nRUN echo ' ---> " + strings.TrimPrefix(foreign, "sha256:")[:12] + "'\nRUN " + last + "\n"
			ref := testRef()
			err := unlessInterrupted(func() error {
				_, err := d.Build(t.Context(), runtime.Build{
					Ref: ref, Dockerfile: "Dockerfile", Context: buildContext(t, map[string]string{"Dockerfile": file}),
				}, func(line string) {
					if line == "second" {
						seen = len(recorded())
					}
				})
				return err
			})
			if (err != nil) != strings.Contains(last, "false") {
				t.Fatal(err)
			}
			if seen != 1 {
				t.Errorf("in the second step %d steps are recorded, want 1", seen)
			}
			if left, _ := os.ReadDir(folder); len(left) > 0 {
				t.Errorf("after the build a record is left: %v", left)
			}
		})
	}
}

func TestWhatABuildOfAnEarlierLifeHasLeftIsRemoved(t *testing.T) {
	folder := t.TempDir()
	d := newDriver(t, func(c *Config) { c.Builds = folder })
	short := func(id string) string { return strings.TrimPrefix(id, "sha256:")[:12] }
	left, other, going := nameless(t), nameless(t), nameless(t)
	named, _, err := builds(t.Context(), t, d, testRef(), "FROM scratch\nCOPY hello.txt /\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"0123abcd-1":  short(left) + "\nno id\n" + short(named.Digest) + "\n",
		d.life + "-1": short(going) + "\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.warmOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{left: false, other: true, going: true, named.Digest: true} {
		if exists(t, engine(t), id) != want {
			t.Errorf("%s is there: %t", id, !want)
		}
	}
	if _, err := os.Lstat(filepath.Join(folder, "0123abcd-1")); err == nil {
		t.Error("the record is still there")
	}
	if _, err := os.Lstat(filepath.Join(folder, d.life+"-1")); err != nil {
		t.Error("the record of a build that goes on was removed")
	}
}

func TestACancelledBuildLeavesNoSteps(t *testing.T) {
	d, folder := recorder(t)
	mark, pause := randomHex(6), 70_000+rand.IntN(10_000)
	file := fmt.Sprintf("FROM wsd:base\nRUN echo %s > /one\nRUN echo two > /two\nRUN echo begun && sleep %d\n", mark, pause)
	made := 0
	err := unlessInterrupted(func() error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, err := d.Build(ctx, runtime.Build{
			Ref: testRef(), Dockerfile: "Dockerfile", Context: buildContext(t, map[string]string{"Dockerfile": file}),
		}, func(line string) {
			if line == "begun" {
				made = len(stepImages(t, mark))
				cancel()
			}
		})
		return err
	})
	if !errors.Is(err, context.Canceled) || made < 2 {
		t.Fatalf("%v after %d steps", err, made)
	}
	eventually(t, time.Minute, func() error {
		if err := d.clearSteps(t.Context()); err != nil { // as Warm does, where the engine was slow
			return err
		}
		if left := stepImages(t, mark); len(left) > 0 {
			t.Fatalf("nobody knows any more of %v", left)
		}
		return nil
	})
	if left, _ := os.ReadDir(folder); len(left) > 0 {
		t.Errorf("a record is left: %v", left)
	}
}

func TestStepsThatAContainerNeedsAreRemovedAfterIt(t *testing.T) {
	d, folder := recorder(t)
	e, mark, user := engine(t), randomHex(6), ""
	file := fmt.Sprintf("FROM wsd:base\nRUN echo %s > /one\nRUN echo second && false\n", mark)
	err := unlessInterrupted(func() error {
		_, err := d.Build(t.Context(), runtime.Build{
			Ref: testRef(), Dockerfile: "Dockerfile", Context: buildContext(t, map[string]string{"Dockerfile": file}),
		}, func(line string) {
			if steps := stepImages(t, mark); line == "second" && len(steps) == 1 {
				made, err := e.ContainerCreate(t.Context(), &container.Config{Image: steps[0], Cmd: []string{"x"}}, nil, nil, nil, "")
				if err != nil {
					t.Error(err)
				}
				user = made.ID
				t.Cleanup(func() { _ = e.ContainerRemove(context.Background(), made.ID, container.RemoveOptions{Force: true}) })
			}
		})
		return err
	})
	if err == nil || user == "" {
		t.Fatalf("%v, and the step's image is used by %q", err, user)
	}
	if left, _ := os.ReadDir(folder); len(left) != 1 {
		t.Errorf("the record of what could not be removed is not there: %v", left)
	}
	if err := e.ContainerRemove(t.Context(), user, container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if err := d.clearSteps(t.Context()); err != nil {
		t.Error(err)
	}
	if left := stepImages(t, mark); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if left, _ := os.ReadDir(folder); len(left) > 0 {
		t.Errorf("a record is left: %v", left)
	}
}

func TestStepsThatAreNamedOrBuiltUponStay(t *testing.T) {
	all := []image.Summary{
		{ID: "sha256:a0", RepoTags: []string{"wsd:base"}},
		{ID: "sha256:b0", ParentID: "sha256:a0"},
		{ID: "sha256:b1", ParentID: "sha256:b0"},
		{ID: "sha256:b2", ParentID: "sha256:b1", RepoTags: []string{"built:1"}},
		{ID: "sha256:c0", ParentID: "sha256:a0", RepoTags: []string{"<none>:<none>"}, RepoDigests: []string{"<none>@<none>"}},
		{ID: "sha256:c1", ParentID: "sha256:c0"},
		{ID: "sha256:d0", ParentID: "sha256:a0"},
		{ID: "sha256:d1", ParentID: "sha256:d0"},
	}
	got := freeSteps(all, []string{"c0", "c1", "b0", "b1", "b2", "d0", "gone"})
	if want := []string{"sha256:c1", "sha256:c0"}; !slices.Equal(got, want) {
		t.Errorf("free are %v, want %v", got, want)
	}
}

func TestAStepThatPrintsForEverFillsNothing(t *testing.T) {
	d := &Driver{cfg: Config{Builds: t.TempDir()}, life: "life"}
	s, err := d.newSteps(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.file.Close()
	for range 5 {
		for i := range maxSteps {
			s.add(fmt.Sprintf("%012x", i))
		}
	}
	s.add("aaaaaaaaaaaa")
	if n := len(s.made); n > maxSteps || s.made[n-1] != "aaaaaaaaaaaa" {
		t.Errorf("%d are kept, the last is %s", n, s.made[n-1])
	}
	if info, err := s.file.Stat(); err != nil || info.Size() > maxSteps*100 {
		t.Errorf("the record has %d bytes, %v", info.Size(), err)
	}
}
