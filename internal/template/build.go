package template

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/workspace"
)

// buildRow is how the image is made where there is none.
type buildRow struct {
	Dockerfile string            `toml:"dockerfile"`
	Content    *string           `toml:"content"` // absent: the file of that name in the folder build
	Target     string            `toml:"target"`
	Args       map[string]string `toml:"args"`
}

var stageName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)

// build reads the table build and the folder of that name, which becomes the build
// context as it is: nothing in it is replaced.
func (r *reader) build(folder fs.FS) {
	b := r.m.Build
	if b == nil {
		return
	}
	if r.m.Image != "" {
		r.refuse("/build", "image_and_build", "both image and build are given: leave one of them")
	}
	file := cmp.Or(b.Dockerfile, "Dockerfile")
	if problem := pathProblem(file); problem != "" {
		r.refuse("/build/dockerfile", "unsafe_path", "path %.80q %s", file, problem)
		return
	}
	if b.Target != "" && !stageName.MatchString(b.Target) {
		r.refuse("/build/target", "target_invalid", "%.60q is not the name of a build stage", b.Target)
	}
	var list []workspace.File
	if folder != nil {
		var err error
		if list, err = readFolder(folder); err != nil {
			r.refuse("/build", "files_unreadable", "cannot read the folder build: %v", err)
			return
		}
	}
	there := slices.ContainsFunc(list, func(f workspace.File) bool { return f.Path == file })
	switch {
	case b.Content != nil && there:
		r.refuse("/build/content", "file_twice", "file %s is also in the folder build", file)
	case b.Content != nil:
		list = append(list, workspace.File{Path: file, Content: *b.Content})
	case !there:
		r.refuse("/build/dockerfile", "content_required", "%s is not in the folder build, and there is no content", file)
	}
	for _, f := range list {
		if f.Path == file {
			r.t.offline = needsNoRegistry(f.Content)
		}
	}
	r.t.context = pack(list)
	sum := sha256.Sum256(r.t.context)
	r.t.spec.Build = &workspace.Build{
		Context: hex.EncodeToString(sum[:]), Dockerfile: file, Target: b.Target, Args: b.Args,
	}
}

// needsNoRegistry reports whether a Dockerfile begins with images of wsd's own alone. In
// doubt, as where an argument names the image, it is false.
func needsNoRegistry(dockerfile string) bool {
	var stages []string // names, and numbers
	n := 0
	ours := func(name string) bool {
		return strings.HasPrefix(name, "wsd:") || name == "scratch" || slices.Contains(stages, strings.ToLower(name))
	}
	for line := range strings.Lines(dockerfile) {
		words := slices.DeleteFunc(strings.Fields(line), func(w string) bool { return strings.HasPrefix(w, "--platform=") })
		switch {
		case len(words) < 2:
		case strings.EqualFold(words[0], "FROM"):
			if !ours(words[1]) {
				return false
			}
			stages, n = append(stages, strconv.Itoa(n)), n+1
			if len(words) == 4 && strings.EqualFold(words[2], "AS") {
				stages = append(stages, strings.ToLower(words[3]))
			}
		default:
			for _, w := range words[1:] {
				if from, ok := strings.CutPrefix(w, "--from="); ok && !ours(from) {
					return false
				}
			}
		}
	}
	return n > 0
}

// pack makes a tar of files: the same bytes for the same files, whoever packs them.
func pack(list []workspace.File) []byte {
	slices.SortFunc(list, func(a, b workspace.File) int { return strings.Compare(a.Path, b.Path) })
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range list {
		// A buffer takes everything, and readFolder let no name pass that tar has no form for.
		_ = w.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Name: f.Path, Mode: int64(cmp.Or(f.Mode, 0o644)), Size: int64(len(f.Content)),
			ModTime: time.Unix(0, 0), Format: tar.FormatPAX,
		})
		_, _ = w.Write([]byte(f.Content))
	}
	_ = w.Close()
	return out.Bytes()
}

// Context is the tar archive that Spec.Build.Context is the digest of, or nothing where
// the template names an image.
func (t Template) Context() []byte { return t.context }
