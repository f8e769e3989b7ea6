package docker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
)

// steps are the images that the steps of one build have made. They carry no label by which they
// could be found, so a file names them as long as the build goes on: the next life removes what
// a wsd that was killed has left.
type steps struct {
	before map[string]bool // ids of images that were there before the build
	made   []string        // short ids, in order
	file   *os.File        // nil: none is kept
	lines  int             // of file
}

// maxSteps bounds the images that one build is taken to have made: the newest count, for what
// the engine says of a step comes after what the step has printed.
const maxSteps = 1000

func (d *Driver) newSteps(before []image.Summary) (*steps, error) {
	s := &steps{before: make(map[string]bool, len(before))}
	for _, i := range before {
		s.before[i.ID] = true
	}
	if d.cfg.Builds == "" {
		return s, nil
	}
	err := os.MkdirAll(d.cfg.Builds, 0o700)
	if err == nil {
		s.file, err = os.OpenFile(filepath.Join(d.cfg.Builds, d.life+"-"+randomHex(6)), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot keep a record of the build: %w", err)
	}
	return s, nil
}

// add notes an image that the build has made, or says so: a step can print anything. What was
// there before is never taken for its work.
func (s *steps) add(id string) {
	for old := range s.before {
		if isShort(id, old) {
			return
		}
	}
	s.made = append(s.made, id)
	if len(s.made) > maxSteps {
		s.made = slices.Delete(s.made, 0, 1)
	}
	if s.file != nil && s.lines < maxSteps {
		s.lines++
		_, _ = fmt.Fprintln(s.file, id) // without it a kill leaves the image, no more
	}
}

// drop removes what nothing is built on, and the record. Where that cannot be done now the record
// stays, for clearSteps.
func (s *steps) drop(ctx context.Context, d *Driver) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), slow)
	defer cancel()
	err := d.dropSteps(ctx, s.made)
	if s.file == nil {
		return
	}
	_ = s.file.Close()
	if err == nil {
		_ = os.Remove(s.file.Name())
		return
	}
	d.log.Warn("cannot remove what a build has left; it is tried again", "err", err)
	dir, name := filepath.Split(s.file.Name())
	_ = os.Rename(s.file.Name(), dir+overLife+strings.TrimPrefix(name, d.life)) // else it is for the next life
	d.cleaned.Store(false)
}

// overLife stands in the name of a record, in place of the life that keeps it, once its build is over.
const overLife = "over"

// clearSteps removes what builds have left that are over: those of earlier lives, and those of
// this one whose drop did not succeed.
func (d *Driver) clearSteps(ctx context.Context) (err error) {
	if d.cfg.Builds == "" || d.cleaned.Swap(true) { // before it looks: a drop that fails meanwhile is seen the next time
		return nil
	}
	defer func() {
		if err != nil {
			d.cleaned.Store(false)
		}
	}()
	entries, err := os.ReadDir(d.cfg.Builds)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot look for builds that were cut off: %w", err)
	}
	err = nil
	for _, e := range entries {
		if life, _, _ := strings.Cut(e.Name(), "-"); life == d.life || !e.Type().IsRegular() {
			continue // its build goes on
		}
		err = errors.Join(err, d.clearRecord(ctx, filepath.Join(d.cfg.Builds, e.Name())))
	}
	return err
}

// clearRecord removes the steps that a record names, and then the record.
func (d *Driver) clearRecord(ctx context.Context, path string) error {
	made, err := readSteps(path)
	if err != nil {
		return err
	}
	if err := d.dropSteps(ctx, made); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("cannot remove the record of a build: %w", err)
	}
	return nil
}

// shortID is how the engine names an image in the output of a build.
var shortID = regexp.MustCompile(`^[0-9a-f]{12,64}$`)

func readSteps(path string) (made []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the record of a build: %w", err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if shortID.MatchString(lines.Text()) {
			made = append(made, lines.Text())
		}
	}
	return made, lines.Err()
}

// dropSteps removes those images, the newest first, that have no name and nothing else is built on.
// No later build would take them over. The engine goes on with the container of a step for a moment
// after its build was cut off, and refuses to remove the step's image until then (409).
func (d *Driver) dropSteps(ctx context.Context, made []string) error {
	if len(made) == 0 {
		return nil
	}
	return retry(ctx, func() error {
		all, err := d.everyImage(ctx)
		if err != nil {
			return err
		}
		for _, id := range freeSteps(all, made) {
			// Not by force: the engine refuses what a container or another image needs.
			err := do(ctx, d.link, slow, "remove a step", func(ctx context.Context, s *session) error {
				_, err := s.ImageRemove(ctx, id, image.RemoveOptions{PruneChildren: true})
				return err
			})
			if ignoreMissing(err) != nil { // it may be gone with a later step
				return err
			}
		}
		return nil
	}, cerrdefs.IsConflict)
}

// freeSteps are the ids of those images made, the newest first, that are there, have no name, and
// that no other image is built on.
func freeSteps(all []image.Summary, made []string) (free []string) {
	parents, needed := map[string]string{}, map[string]bool{}
	for _, i := range all {
		parents[i.ID] = i.ParentID
	}
	for _, i := range all {
		ofBuild := slices.ContainsFunc(made, func(short string) bool { return isShort(short, i.ID) })
		for id := i.ID; (isNamed(i) || !ofBuild) && id != "" && !needed[id]; id = parents[id] {
			needed[id] = true
		}
	}
	for _, short := range slices.Backward(made) {
		for id := range parents {
			if isShort(short, id) && !needed[id] {
				free = append(free, id)
			}
		}
	}
	return free
}

// isNamed tells whether an image has a name; Docker API < 1.43 lists a stand-in where it has none.
func isNamed(i image.Summary) bool {
	return slices.ContainsFunc(slices.Concat(i.RepoTags, i.RepoDigests), func(name string) bool { return !strings.HasPrefix(name, "<none>") })
}

// isShort tells whether the engine calls the image id by the name short in the output of a build.
func isShort(short, id string) bool {
	return strings.HasPrefix(strings.TrimPrefix(id, "sha256:"), short)
}
