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

	"github.com/docker/docker/api/types/image"

	"github.com/wsctl/wsctl/internal/runtime"
)

// steps are the images that the steps of one build have made. They carry no label by which they
// could be found, so a file names them as long as the build goes on: the next life removes what
// a wsd that was killed has left.
type steps struct {
	before map[string]bool // ids of images that were there before the build
	made   []string        // short ids, in order
	file   *os.File        // nil: none is kept
}

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
		if strings.HasPrefix(strings.TrimPrefix(old, "sha256:"), id) {
			return
		}
	}
	s.made = append(s.made, id)
	if s.file != nil {
		_, _ = fmt.Fprintln(s.file, id) // without it a kill leaves the image, no more
	}
}

// drop removes what nothing is built on, and the record. Where the engine cannot be reached the
// record stays, for the next life.
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
	}
}

// clearSteps removes what builds of earlier lives have left.
func (d *Driver) clearSteps(ctx context.Context) error {
	if d.cfg.Builds == "" || d.cleaned.Load() {
		return nil
	}
	entries, err := os.ReadDir(d.cfg.Builds)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot look for builds that were cut off: %w", err)
	}
	for _, e := range entries {
		if life, _, _ := strings.Cut(e.Name(), "-"); life == d.life || !e.Type().IsRegular() {
			continue // its build goes on
		}
		path := filepath.Join(d.cfg.Builds, e.Name())
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
	}
	d.cleaned.Store(true)
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

// dropSteps removes those images, the newest first, that have no name and nothing is built on. No
// later build would take them over.
func (d *Driver) dropSteps(ctx context.Context, made []string) error {
	for _, id := range slices.Backward(made) {
		in, err := d.rawImage(ctx, id)
		if errors.Is(err, runtime.ErrUnreachable) {
			return err
		}
		if err != nil || len(in.RepoTags)+len(in.RepoDigests) > 0 {
			continue // gone with a later step, or named: the image itself is
		}
		// Not by force: the engine refuses what a container or another image needs.
		_ = do(ctx, d.link, slow, "remove a step", func(ctx context.Context, s *session) error {
			_, err := s.ImageRemove(ctx, in.ID, image.RemoveOptions{PruneChildren: true})
			return err
		})
	}
	return nil
}
