package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/image"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime"
)

var _ runtime.Builder = (*Driver)(nil)

// Bounds of one build.
const (
	buildMemory  = 2 << 30 // bytes for each step, swap included
	buildPeriod  = 100_000 // microseconds
	buildCores   = 2
	maxBuildLine = 4 << 10 // bytes of one line of output
)

// Build makes an image from a Dockerfile by the engine's classic builder (Docker API
// 1.40), which needs no further program. Its steps run as the engine's own defaults
// say, on its default bridge, bounded in memory and cores; they are not as locked down
// as a workspace. Steps are taken over from earlier builds of ours only; those of a build
// that fails, and of stages that are not in the image, are removed.
//
// output gets every line as it comes, at most maxBuildLine bytes of valid UTF-8, in order
// and from one goroutine; it may hold control characters. A failed step is a fault with
// code build_failed that names it; unavailable is a build that another attempt may finish. When ctx ends the engine ends the step that runs.
func (d *Driver) Build(ctx context.Context, b runtime.Build, output func(line string)) (runtime.Image, error) {
	if err := d.offerBase(ctx); err != nil {
		return runtime.Image{}, err
	}
	earlier, err := d.builtImages(ctx)
	if err != nil {
		return runtime.Image{}, err
	}
	before, err := d.everyImage(ctx)
	if err != nil {
		return runtime.Image{}, err
	}
	steps, err := d.newSteps(before)
	if err != nil {
		return runtime.Image{}, err
	}
	defer steps.drop(ctx, d)
	s, err := call(ctx, d.link, quick, "build the image", func(_ context.Context, s *session) (*session, error) { return s, nil })
	if err != nil {
		return runtime.Image{}, err
	}
	inner, cancel := context.WithCancel(ctx) // ends the upload when the answer has ended
	defer cancel()
	resp, err := s.ImageBuild(inner, b.Context, d.buildOptions(b, earlier))
	if cerrdefs.IsInvalidArgument(err) && ctx.Err() == nil {
		return runtime.Image{}, badBuild(err)
	}
	if err != nil {
		return runtime.Image{}, d.link.fail(ctx, s, "build the image", err)
	}
	defer func() { _ = resp.Body.Close() }()
	log := buildLog{tell: output, made: steps.add}
	err = log.read(resp.Body)
	if err != nil {
		return runtime.Image{}, d.buildFault(ctx, s, &log, err)
	}
	f, err := d.inspectImage(ctx, b.Ref)
	if errors.Is(err, runtime.ErrNotFound) {
		return runtime.Image{}, noImage(b.Ref, err)
	}
	return runtime.Image{Ref: b.Ref, Digest: f.id}, err
}

func (d *Driver) buildOptions(b runtime.Build, earlier []image.Summary) build.ImageBuildOptions {
	cache := make([]string, 0, len(earlier))
	for _, i := range earlier {
		cache = append(cache, i.ID)
	}
	args := map[string]*string{}
	for k, v := range b.Args {
		args[k] = &v
	}
	return build.ImageBuildOptions{
		Version: build.BuilderV1, Tags: []string{b.Ref}, Dockerfile: b.Dockerfile, Target: b.Target, BuildArgs: args,
		Labels: map[string]string{labelInstance: d.cfg.Instance, labelRole: roleImage, labelName: b.Ref},
		Memory: buildMemory, MemorySwap: buildMemory, CPUPeriod: buildPeriod, CPUQuota: buildCores * buildPeriod,
		NetworkMode: "default", Remove: true, ForceRemove: true,
		CacheFrom: cache, NoCache: len(cache) == 0,
	}
}

// builtImages lists the images that were built here before.
func (d *Driver) builtImages(ctx context.Context) ([]image.Summary, error) {
	return call(ctx, d.link, quick, "list built images", func(ctx context.Context, s *session) ([]image.Summary, error) {
		return s.ImageList(ctx, image.ListOptions{Filters: d.filter(labelRole + "=" + roleImage)})
	})
}

// everyImage lists all images of the engine, those without a name too.
func (d *Driver) everyImage(ctx context.Context) ([]image.Summary, error) {
	return call(ctx, d.link, quick, "list images", func(ctx context.Context, s *session) ([]image.Summary, error) {
		return s.ImageList(ctx, image.ListOptions{All: true})
	})
}

// offeredBase is the name that Dockerfiles begin with.
const offeredBase = "wsd:base"

// offerBase gives the name wsd:base to an image that Dockerfiles can begin with. Unlike
// the one that workspaces run it holds the agent's program: while an image is built
// nothing is mounted, and the shell is the agent.
func (d *Driver) offerBase(ctx context.Context) error {
	m, err := d.baseForBuilds(ctx)
	if err != nil {
		return err
	}
	if _, err := d.ensureMade(ctx, m, func(runtime.Progress) {}); err != nil {
		return err
	}
	d.made.naming.Lock()
	defer d.made.naming.Unlock()
	return do(ctx, d.link, quick, "name the base image", func(ctx context.Context, s *session) error {
		return s.ImageTag(ctx, m.tag, offeredBase)
	})
}

// buildFault turns the end of a build into an error.
func (d *Driver) buildFault(ctx context.Context, s *session, log *buildLog, err error) error {
	var said errEngineSaid
	if !errors.As(err, &said) {
		return d.link.fail(ctx, s, "build the image", err)
	}
	switch text := string(said); {
	case errors.Is(ctx.Err(), context.Canceled), errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("cannot build the image: %w", ctx.Err())
	case strings.Contains(text, "no space left on device"):
		return refused("build the image", said)
	case otherGone(text):
		return fault.New(fault.Unavailable, "build_interrupted", "other images were removed while the image was built").
			WithHint("try again").WithCause(said)
	case log.step == "":
		return badBuild(said)
	}
	return fault.New(fault.Invalid, "build_failed", "the image could not be built; this failed: %.200q", log.step).
		WithHint("the engine said: %.300q", string(said)).WithCause(said)
}

// badBuild is the fault for a build that the engine does not even begin.
func badBuild(err error) error {
	return fault.New(fault.Invalid, "build_failed", "the image could not be built: %.300q", err.Error()).
		WithHint("see to the Dockerfile").WithCause(err)
}

// buildLog reads the engine's answer to a build.
type buildLog struct {
	tell func(string)
	step string          // the one that runs: "Step 2/3 : RUN make"
	part string          // of a line that has not ended, as far as it is told
	made func(id string) // is told the short id of what a step has made; nil: nobody
}

// madeLine is how the engine tells what a step has made.
var madeLine = regexp.MustCompile(`^ ---> ([0-9a-f]{12,64})$`)

// note keeps what the engine, and not a step, says in a line. A step could print the same: so an
// id is only a hint; what was there before the build is never removed.
func (l *buildLog) note(line string) {
	if strings.HasPrefix(line, "Step ") && strings.Contains(line, " : ") {
		l.step = line
		return
	}
	_, instruction, _ := strings.Cut(l.step, " : ")
	// FROM makes nothing: its image was there before.
	if m := madeLine.FindStringSubmatch(line); l.made != nil && m != nil && !strings.HasPrefix(strings.ToUpper(instruction), "FROM ") {
		l.made(m[1])
	}
}

// buildMessage is one JSON value of that answer.
type buildMessage struct {
	Stream string `json:"stream"`
	Status string `json:"status"` // of a pull
	ID     string `json:"id"`
	Error  string `json:"error"`
}

// read reads until the end; an error of the engine ends it with errEngineSaid.
func (l *buildLog) read(r io.Reader) error {
	dec := json.NewDecoder(r)
	last := map[string]string{} // status of each layer: progress of one is told once
	for {
		var m buildMessage
		err := dec.Decode(&m)
		switch {
		case errors.Is(err, io.EOF):
			l.flush()
			return nil
		case err != nil:
			return err
		case m.Error != "":
			l.flush()
			return errEngineSaid(m.Error)
		case m.Stream != "":
			l.write(m.Stream)
		case m.Status != "" && last[m.ID] != m.Status && len(last) < 1024:
			last[m.ID] = m.Status
			l.write(strings.TrimPrefix(m.ID+": ", ": ") + m.Status + "\n")
		}
	}
}

// write takes text that may hold parts of lines. A carriage return ends a line too: it is
// how programs draw progress.
func (l *buildLog) write(text string) {
	for text != "" {
		line, rest, ended := text, "", false
		if i := strings.IndexAny(text, "\r\n"); i >= 0 {
			line, rest, ended = text[:i], text[i+1:], true
		}
		l.part += line[:min(len(line), maxBuildLine-len(l.part))]
		if text = rest; ended {
			l.flush()
		}
	}
}

// flush tells the line that has come so far.
func (l *buildLog) flush() {
	line := strings.ToValidUTF8(l.part, "") // invalid bytes were replaced by encoding/json: only a cut character is left
	l.part = ""
	if line == "" {
		return
	}
	l.note(line)
	if l.tell != nil {
		l.tell(line)
	}
}
