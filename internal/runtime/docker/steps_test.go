package docker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/runtime"
)

func TestABuildKeepsARecordOfItsStepsWhileItGoesOn(t *testing.T) {
	agent, err := buildWsd()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "builds")
	d := newDriver(t, func(c *Config) { c.Agent, c.Builds = agent, folder })
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
			_, err := d.Build(t.Context(), runtime.Build{
				Ref: ref, Dockerfile: "Dockerfile", Context: buildContext(t, map[string]string{"Dockerfile": file}),
			}, func(line string) {
				if line == "second" {
					seen = len(recorded())
				}
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
