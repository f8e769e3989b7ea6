package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime"
)

// buildContext is an archive of files.
func buildContext(t testing.TB, files map[string]string) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// builds builds a Dockerfile whose image is removed with the test.
func builds(ctx context.Context, t testing.TB, d *Driver, ref, dockerfile string, args map[string]string) (runtime.Image, []string, error) {
	t.Helper()
	e := engine(t)
	t.Cleanup(func() {
		_, _ = e.ImageRemove(context.Background(), ref, image.RemoveOptions{Force: true, PruneChildren: true})
	})
	var img runtime.Image
	var lines []string
	err := unlessInterrupted(func() (err error) {
		lines = nil
		img, err = d.Build(ctx, runtime.Build{
			Ref: ref, Context: buildContext(t, map[string]string{"Dockerfile": dockerfile, "hello.txt": "hello\n"}),
			Dockerfile: "Dockerfile", Args: args,
		}, func(l string) { lines = append(lines, l) })
		return err
	})
	return img, lines, err
}

// unlessInterrupted builds again what tests beside this one have interrupted: they remove images.
func unlessInterrupted(build func() error) error {
	for {
		if err := build(); !interrupted(err) {
			return err
		}
	}
}

func interrupted(err error) bool {
	var f *fault.Error
	return errors.As(err, &f) && f.Code == "build_interrupted"
}

// builder is a driver whose agent is the real one: its shell runs the steps.
func builder(t testing.TB) *Driver {
	t.Helper()
	agent, err := buildWsd()
	if err != nil {
		t.Fatal(err)
	}
	return newDriver(t, func(c *Config) { c.Agent = agent })
}

func testRef() string { return "wsd-test:" + randomHex(6) }

func TestAnImageIsBuiltFromADockerfile(t *testing.T) {
	d := builder(t)
	for what, row := range map[string]struct {
		dockerfile string
		args       map[string]string
		path, want string
		line       string
	}{
		"from nothing": {"FROM scratch\nCOPY hello.txt /hello.txt\n", nil, "/hello.txt", "hello\n", "COPY hello.txt"},
		"from the base that wsd makes": {
			"FROM wsd:base\nARG WORD=none\nRUN echo out-of-a-step && echo $WORD > /made.txt\n",
			map[string]string{"WORD": "given"},
			"/made.txt", "given\n", "out-of-a-step",
		},
	} {
		t.Run(what, func(t *testing.T) {
			ref := testRef()
			img, lines, err := builds(t.Context(), t, d, ref, row.dockerfile, row.args)
			if err != nil || img.Ref != ref || !strings.HasPrefix(img.Digest, "sha256:") {
				t.Fatalf("%+v, %v\n%s", img, err, strings.Join(lines, "\n"))
			}
			if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, row.line) }) {
				t.Errorf("%q is not among the lines %q", row.line, lines)
			}
			again, lines, err := builds(t.Context(), t, d, ref, row.dockerfile, row.args)
			if err != nil || again != img {
				t.Errorf("again: %+v, %v, want the same image", again, err)
			}
			if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, "Using cache") }) {
				t.Errorf("nothing was taken over from the first build: %q", lines)
			}
			c := testContainer("built")
			c.Spec.Image, c.Spec.Digest = ref, img.Digest
			up(t, d, c)
			out, errs, _ := inside(t, d, c.Ref, "", "agent-applet", "cat", row.path)
			if out != row.want {
				t.Errorf("the file holds %q, want %q (%s)", out, row.want, errs)
			}
		})
	}
}

func TestABuiltImageIsAnObjectThatIsUsedAndCanBeRemoved(t *testing.T) {
	d := builder(t)
	ref := testRef()
	img, _, err := builds(t.Context(), t, d, ref, "FROM scratch\nCOPY hello.txt /\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	find := func() (o runtime.Object, ok bool) {
		all, err := d.Objects(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(o runtime.Object) bool { return o.Kind == kindImage && o.ID == img.Digest })
		if i < 0 {
			return o, false
		}
		return all[i], true
	}
	if o, ok := find(); !ok || o.InUse || o.Name != ref || o.CreatedAt.IsZero() {
		t.Errorf("the object is %+v (%t)", o, ok)
	}
	c := testContainer("user", "wait")
	c.Spec.Image, c.Spec.Digest = ref, img.Digest
	if _, err := d.Ensure(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	o, _ := find()
	if !o.InUse {
		t.Error("an image with a container is said to be free")
	}
	if err := d.RemoveObject(t.Context(), o); err == nil {
		t.Error("an image with a container was removed")
	}
	if err := d.Remove(t.Context(), c.Workspace); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.RemoveObject(t.Context(), o); err != nil {
			t.Errorf("cannot remove it: %v", err)
		}
	}
	if _, ok := find(); ok {
		t.Error("it is still there")
	}
}

func TestAFailedBuildNamesItsStep(t *testing.T) {
	d := builder(t)
	for what, row := range map[string]struct{ dockerfile, text, hint string }{
		"a command that fails":     {"FROM wsd:base\nRUN echo before\nRUN false\n", "RUN false", "returned a non-zero code: 1"},
		"a file that is not there": {"FROM scratch\nCOPY nowhere /\n", "COPY nowhere", "nowhere"},
		"an image that nobody has": {"FROM 127.0.0.1:1/none:1\n", "FROM 127.0.0.1:1/none:1", ""},
		"an unknown instruction":   {"FROM scratch\nGRAB x\n", "unknown instruction", ""},
		"an empty Dockerfile":      {"\n", "could not be built", ""},
	} {
		_, lines, err := builds(t.Context(), t, d, testRef(), row.dockerfile, nil)
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != "build_failed" || !strings.Contains(f.Text, row.text) || !strings.Contains(f.Hint, row.hint) {
			t.Errorf("%s: %v (lines %q)", what, err, lines)
		}
	}
}

// The engine ends a build when somebody removes any image that it just looks at: that is no
// fault of the Dockerfile.
func TestABuildThatOthersInterruptIsWorthAnotherTry(t *testing.T) {
	d := newDriver(t, func(c *Config) {
		c.Host = tamperOnce(t, "/build", http.StatusOK, `{"stream":"Step 1/1 : FROM scratch\n"}{"stream":" ---> \n"}`+
			`{"error":"unable to find image \"sha256:5411b7d933f16a164c4e580c062efe2d3278d5a44e61dda9d8471194d4d28242\""}`)
	})
	build := runtime.Build{Ref: testRef(), Context: buildContext(t, map[string]string{"Dockerfile": "FROM scratch\n"}), Dockerfile: "Dockerfile"}
	_, err := d.Build(t.Context(), build, nil)
	if !interrupted(err) || !fault.ClassOf(fault.From(err).Kind).Retryable {
		t.Errorf("got %v, want what is worth another try", err)
	}
}

func TestACancelledBuildEndsItsStep(t *testing.T) {
	d := builder(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ref, mark := testRef(), fmt.Sprintf("sleep %d", 70_000+rand.IntN(10_000)) // found by its words among the processes
	done := make(chan error, 1)
	running := make(chan struct{})
	begun := sync.OnceFunc(func() { close(running) })
	go func() {
		done <- unlessInterrupted(func() error {
			_, err := d.Build(ctx, runtime.Build{
				Ref: ref, Dockerfile: "Dockerfile",
				Context: buildContext(t, map[string]string{"Dockerfile": "FROM wsd:base\nRUN echo begun && " + mark + "\n"}),
			}, func(l string) {
				if l == "begun" {
					begun()
				}
			})
			return err
		})
	}()
	select {
	case <-running:
	case err := <-done:
		t.Fatalf("it ended with %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("the step does not begin")
	}
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that it was cancelled", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Build does not return")
	}
	eventually(t, 30*time.Second, func() error {
		all, err := d.everyContainer(t.Context())
		if err != nil {
			return err
		}
		for _, c := range all {
			if strings.Contains(c.Command, mark) {
				return errors.New("the step's container is " + c.State)
			}
		}
		return nil
	})
}

func TestABuildLeavesNoStepsBehind(t *testing.T) {
	d := builder(t)
	for what, row := range map[string]struct {
		dockerfile string
		fails      bool
	}{
		"a step that fails": {"FROM wsd:base\nRUN echo MARK > /one\nRUN echo two > /two\nRUN false\n", true},
		"a stage that is not in the image": {
			"FROM wsd:base AS tools\nRUN echo MARK > /one\nRUN echo two > /two\nFROM scratch\nCOPY --from=tools /two /two\n", false,
		},
		"a step that names somebody's image": {"FROM wsd:base\nRUN echo MARK && echo ' ---> FOREIGN'\nRUN false\n", true},
	} {
		t.Run(what, func(t *testing.T) {
			mark, foreign := randomHex(6), nameless(t)
			file := strings.NewReplacer("MARK", mark, "FOREIGN", strings.TrimPrefix(foreign, "sha256:")[:12]).Replace(row.dockerfile)
			_, lines, err := builds(t.Context(), t, d, testRef(), file, nil)
			if (err != nil) != row.fails {
				t.Fatalf("%v\n%s", err, strings.Join(lines, "\n"))
			}
			left := map[string]string{} // nameless images with nothing built on them, by id
			all, err := engine(t).ImageList(t.Context(), image.ListOptions{Filters: filters.NewArgs(filters.Arg("dangling", "true"))})
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range all {
				left[i.ID] = history(t, i.ID)
			}
			if _, ok := left[foreign]; !ok {
				t.Error("somebody's image was removed")
			}
			for id, steps := range left {
				if strings.Contains(steps, mark) {
					t.Errorf("left: %s, made by\n%s", id, steps)
				}
			}
		})
	}
}

// nameless makes an image without a name that nobody but the test knows.
func nameless(t testing.TB) string {
	t.Helper()
	e := engine(t)
	r, err := e.ImageBuild(t.Context(), buildContext(t, map[string]string{"Dockerfile": "FROM scratch\nLABEL of=" + randomHex(6) + "\n"}), build.ImageBuildOptions{SuppressOutput: true, Remove: true, ForceRemove: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	var m buildMessage
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		t.Fatal(err)
	}
	id := strings.TrimSpace(m.Stream)
	t.Cleanup(func() { _, _ = e.ImageRemove(context.Background(), id, image.RemoveOptions{}) })
	return id
}

// history is what the layers of an image were made by, nothing where it is gone by now.
func history(t testing.TB, id string) string {
	t.Helper()
	layers, err := engine(t).ImageHistory(t.Context(), id)
	if err != nil && !cerrdefs.IsNotFound(err) {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, l := range layers {
		out.WriteString(l.CreatedBy + "\n")
	}
	return out.String()
}

func TestBuildOutputIsLinesOfBoundedValidText(t *testing.T) {
	long := strings.Repeat("x", maxBuildLine-1) + "é" + strings.Repeat("y", 5000)
	for in, want := range map[string][]string{
		`{"stream":"a\nb"}{"stream":"c\n"}`:                          {"a", "bc"},
		`{"stream":"10%\r20%\r\n"}`:                                  {"10%", "20%"},
		`{"stream":"no end"}`:                                        {"no end"},
		"{\"stream\":\"bad \xff byte\\n\"}":                          {"bad \uFFFD byte"},
		`{"stream":"` + long + `"}{"stream":"zz\nnext\n"}`:           {strings.Repeat("x", maxBuildLine-1), "next"},
		`{"status":"Pulling","id":"a"}{"status":"Pulling","id":"a"}`: {"a: Pulling"},
		`{"aux":{"ID":"sha256:1"}}`:                                  nil,
	} {
		var got []string
		l := buildLog{tell: func(s string) { got = append(got, s) }}
		if err := l.read(strings.NewReader(in)); err != nil {
			t.Errorf("%.60q: %v", in, err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%.60q gives %.80q, want %.80q", in, got, want)
		}
	}
}

func FuzzBuildOutputIsBounded(f *testing.F) {
	f.Add([]byte(`{"stream":"Step 1/1 : FROM scratch\n"}{"error":"no"}`))
	f.Add([]byte(`{"stream":"\r\n\r"}{"status":"x","id":"y"}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l := buildLog{tell: func(s string) {
			if len(s) > maxBuildLine || !utf8.ValidString(s) || strings.ContainsAny(s, "\r\n") || s == "" {
				t.Errorf("line %.100q of %d bytes", s, len(s))
			}
		}}
		_ = l.read(bytes.NewReader(b))
	})
}
