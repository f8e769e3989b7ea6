package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// imageFacts is what a container needs to know of its image.
type imageFacts struct {
	id      string
	command []string // entry point and command
	dir     string
	volumes []string // places that it declares to be volumes, sorted
	own     bool     // of ours, or made from one
}

// pullStall is how long a pull may be silent before it counts as stuck.
const pullStall = 2 * time.Minute

// EnsureImage makes ref present. wsd:NAME is made here, without a registry. The
// returned Digest is the engine's image id; whether it may differ from one pinned
// earlier is for the caller to decide.
func (d *Driver) EnsureImage(ctx context.Context, ref string, report func(runtime.Progress)) (runtime.Image, error) {
	if report == nil {
		report = func(runtime.Progress) {}
	}
	if name, ok := strings.CutPrefix(ref, "wsd:"); ok {
		f, err := d.madeImage(ctx, name, report)
		return runtime.Image{Ref: ref, Digest: f.id}, err
	}
	f, err := d.inspectImage(ctx, ref)
	if errors.Is(err, runtime.ErrNotFound) {
		if err = d.pull(ctx, ref, report); err == nil {
			f, err = d.inspectImage(ctx, ref)
		}
	}
	if errors.Is(err, runtime.ErrNotFound) {
		return runtime.Image{}, noImage(ref, err)
	}
	return runtime.Image{Ref: ref, Digest: f.id}, err
}

// image returns the image that a spec names, which has to be there already. Images
// of our own are made where they are missing.
func (d *Driver) image(ctx context.Context, s workspace.Spec) (imageFacts, error) {
	name, made := strings.CutPrefix(s.Image, "wsd:")
	if s.Digest == "" && made {
		return d.madeImage(ctx, name, func(runtime.Progress) {})
	}
	ref := s.Digest
	if ref == "" {
		ref = s.Image
	}
	if f, ok := d.images.get(ref); ok { // an id names its content; one that was removed is missed at the create
		return f, nil
	}
	f, err := d.inspectImage(ctx, ref)
	if errors.Is(err, runtime.ErrNotFound) {
		return f, noImage(s.Image, err)
	}
	if err == nil {
		d.images.set(f.id, f)
	}
	return f, err
}

// noImage hides ErrNotFound: for callers of Ensure that would mean a lost container.
func noImage(ref string, err error) error {
	return fault.New(fault.NotFound, "image_not_found", "the image %s does not exist", ref).
		WithHint("check its name and tag; an image that needs a login has to be pulled with the engine's own tool first").
		WithCause(errors.New(err.Error()))
}

func (d *Driver) inspectImage(ctx context.Context, ref string) (imageFacts, error) {
	in, err := d.rawImage(ctx, ref)
	if err != nil {
		return imageFacts{}, err
	}
	f := imageFacts{id: in.ID}
	if in.Config != nil {
		f.command, f.dir = slices.Concat(in.Config.Entrypoint, in.Config.Cmd), in.Config.WorkingDir
		f.volumes = slices.Sorted(maps.Keys(in.Config.Volumes))
		f.own = in.Config.Labels[labelContent] != ""
	}
	return f, nil
}

func (d *Driver) rawImage(ctx context.Context, ref string) (image.InspectResponse, error) {
	return call(ctx, d.link, quick, "look at the image", func(ctx context.Context, s *session) (image.InspectResponse, error) {
		return s.ImageInspect(ctx, ref)
	})
}

// madeImage makes sure of an image of our own and returns it. Its tag names its
// content, and its label proves that the tag was not moved.
func (d *Driver) madeImage(ctx context.Context, name string, report func(runtime.Progress)) (imageFacts, error) {
	m, err := d.buildImage(ctx, name)
	if err != nil {
		return imageFacts{}, err
	}
	return d.ensureMade(ctx, m, report)
}

func (d *Driver) ensureMade(ctx context.Context, m madeImage, report func(runtime.Progress)) (imageFacts, error) {
	in, err := d.rawImage(ctx, m.tag)
	if errors.Is(err, runtime.ErrNotFound) {
		report(runtime.Progress{Stage: "load", Total: int64(len(m.archive))})
		if err = d.load(ctx, m); err == nil {
			in, err = d.rawImage(ctx, m.tag)
		}
		report(runtime.Progress{Stage: "load", Current: int64(len(m.archive)), Total: int64(len(m.archive))})
	}
	if err != nil {
		return imageFacts{}, err
	}
	if in.Config == nil || in.Config.Labels[labelContent] != m.content {
		return imageFacts{}, foreign("image", m.tag)
	}
	return imageFacts{id: in.ID, own: true}, nil // its own entry point is not for workspaces
}

// madeImages keeps what was built, by name: an engine does not change its
// architecture.
type madeImages struct {
	mu      sync.Mutex
	built   map[string]madeImage
	offered string // name of the one for Dockerfiles, once known; its archive is too large to keep

	naming sync.Mutex // held while wsd:base goes to another image, and from the look at an image's names to their removal
}

func (m *madeImages) offers(tag string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.offered = tag
}

func (d *Driver) maker(arch string) maker { return maker{arch: arch, instance: d.cfg.Instance} }

// buildImage returns the archive of an image of our own.
func (d *Driver) buildImage(ctx context.Context, name string) (madeImage, error) {
	d.made.mu.Lock()
	m, ok := d.made.built[name]
	d.made.mu.Unlock()
	if ok {
		return m, nil
	}
	arch, err := d.arch(ctx)
	if err != nil {
		return madeImage{}, err
	}
	switch name {
	case "base":
		m, err = baseImage(d.maker(arch), d.cfg.Applets)
	case "pause":
		m, err = pauseImage(d.maker(arch))
	default:
		err = noImage("wsd:"+name, errors.New("wsd makes no such image"))
	}
	if err != nil {
		return madeImage{}, err
	}
	d.made.mu.Lock()
	defer d.made.mu.Unlock()
	if d.made.built == nil {
		d.made.built = map[string]madeImage{}
	}
	d.made.built[name] = m
	return m, nil
}

func (d *Driver) arch(ctx context.Context) (string, error) {
	return call(ctx, d.link, quick, "ask the engine for its architecture", func(ctx context.Context, s *session) (string, error) {
		v, err := s.ServerVersion(ctx)
		return v.Arch, err
	})
}

// load loads an image of our own and names it once more: the engine keeps the time of that, by which
// one sees for how long the image has been there.
func (d *Driver) load(ctx context.Context, m madeImage) error {
	return do(ctx, d.link, slow, "load an image of its own", func(ctx context.Context, s *session) error {
		resp, err := s.ImageLoad(ctx, bytes.NewReader(m.archive), client.ImageLoadWithQuiet(true))
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		if err := readMessages(resp.Body, func(message) {}); err != nil {
			return err
		}
		return s.ImageTag(ctx, m.tag, m.tag)
	})
}

// message is one line of the engine's answer to a pull or load.
type message struct {
	Status   string `json:"status"`
	ID       string `json:"id"`
	Progress struct {
		Current int64 `json:"current"`
		Total   int64 `json:"total"`
	} `json:"progressDetail"`
	Error string `json:"error"`
}

// readMessages reads until the end; an error line ends it with errEngineSaid.
func readMessages(r io.Reader, tell func(message)) error {
	dec := json.NewDecoder(r)
	for {
		var m message
		err := dec.Decode(&m)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case m.Error != "":
			return errEngineSaid(m.Error)
		}
		tell(m)
	}
}

// errEngineSaid is an error that came as text inside a successful answer.
type errEngineSaid string

func (e errEngineSaid) Error() string { return string(e) }

// pull pulls ref and reports the sum of all layers, at most every 100 ms.
func (d *Driver) pull(ctx context.Context, ref string, report func(runtime.Progress)) error {
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(pullStall, func() { cancel(errStalled) })
	defer stall.Stop()
	s, err := call(ctx, d.link, quick, "pull the image", func(_ context.Context, s *session) (*session, error) { return s, nil })
	if err != nil {
		return err
	}
	body, err := s.ImagePull(inner, ref, image.PullOptions{})
	if err == nil {
		report(runtime.Progress{Stage: "pull"})
		sum := newPullSum(report)
		err = readMessages(body, func(m message) {
			stall.Reset(pullStall)
			sum.add(m)
		})
		_ = body.Close()
	}
	if errors.Is(context.Cause(inner), errStalled) {
		return registryUnreachable(ref, errStalled)
	}
	return d.pullFault(ctx, s, ref, err)
}

var errStalled = errors.New("the pull made no progress")

func registryUnreachable(ref string, err error) error {
	return fault.New(fault.Unavailable, "registry_unreachable", "the registry of the image %s did not answer", ref).
		WithHint("check the network of the engine's host, or use an image that is there already").WithCause(err)
}

// pullFault names the reason of a failed pull. Within the answer's stream the
// engine gives text only, so the text decides there.
func (d *Driver) pullFault(ctx context.Context, s *session, ref string, err error) error {
	var said errEngineSaid
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded): // the caller's: pulls may be slow, the engine is not gone
		return registryUnreachable(ref, ctx.Err())
	case cerrdefs.IsNotFound(err):
		return noImage(ref, err)
	case cerrdefs.IsUnauthorized(err), cerrdefs.IsPermissionDenied(err):
		return pullDenied(ref, err)
	case errors.As(err, &said):
		return saidFault(ref, said)
	case broken(err):
		return d.link.fail(ctx, s, "pull the image", err)
	case cerrdefs.IsInternal(err), cerrdefs.IsUnknown(err):
		return saidFault(ref, errEngineSaid(err.Error()))
	}
	return d.link.fail(ctx, s, "pull the image", err)
}

func pullDenied(ref string, err error) error {
	return fault.New(fault.Denied, "image_denied", "the registry refuses the image %s", ref).
		WithHint("pull it with the engine's own tool after a login").WithCause(err)
}

func saidFault(ref string, said errEngineSaid) error {
	text := string(said)
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(text, p) })
	}
	switch {
	case has("no space left on device"):
		return refused("pull the image", said)
	case has("manifest unknown", "not found", "no matching manifest"):
		return noImage(ref, said)
	case has("denied", "unauthorized"):
		return pullDenied(ref, said)
	}
	return registryUnreachable(ref, said)
}

// pullSum adds up the layers of a pull.
type pullSum struct {
	report func(runtime.Progress)
	layers map[string]message
	last   time.Time
}

func newPullSum(report func(runtime.Progress)) *pullSum {
	return &pullSum{report: report, layers: map[string]message{}}
}

func (p *pullSum) add(m message) {
	if m.ID == "" {
		return
	}
	switch old := p.layers[m.ID]; {
	case m.Status == "Downloading":
		p.layers[m.ID] = m
	case m.Status == "Download complete" && old.ID != "":
		old.Progress.Current = max(old.Progress.Current, old.Progress.Total)
		p.layers[m.ID] = old
	default:
		return
	}
	if now := time.Now(); now.Sub(p.last) >= 100*time.Millisecond {
		p.last = now
		sum := runtime.Progress{Stage: "pull"}
		known := true
		for _, l := range p.layers {
			sum.Current += l.Progress.Current
			sum.Total += l.Progress.Total
			known = known && l.Progress.Total > 0
		}
		if !known {
			sum.Total = 0
		}
		p.report(sum)
	}
}
