package devcontainer

import (
	"path"
	"regexp"
	"strings"

	"github.com/tailscale/hujson"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// buildKeys are the keys of a build, today's and those of old.
type buildKeys struct {
	dockerfile, context, target string
	args                        map[string]string
	at                          *hujson.Value
}

func (r *reader) readImage(key string, v *hujson.Value) {
	s, ok := r.text(key, v, mode{})
	if !ok {
		return
	}
	if err := workspace.ValidateImage(s); err != nil {
		r.mistake(v, key, "is wrong: %s", fault.From(err).Text)
	}
	r.image = s
}

func (r *reader) readBuild(key string, v *hujson.Value) {
	b := &r.build
	b.at = v
	members := r.members(key, v)
	for i := range members {
		one, v := name(members[i]), &members[i].Value
		at := key + "." + one
		switch one {
		case "dockerfile", "dockerFile":
			b.dockerfile, _ = r.text(at, v, mode{project: true})
		case "context":
			b.context, _ = r.text(at, v, mode{project: true})
		case "target":
			b.target, _ = r.text(at, v, mode{})
			if !targetName.MatchString(b.target) {
				r.mistake(v, at, "is not the name of a build stage")
			}
		case "args":
			b.args = r.env(at, v, mode{})
		case "options":
			for _, e := range r.elements(at, v) {
				r.note(at, "%s is refused: options for docker build are not passed on", clean(literal(&e).String(), 60))
			}
		case "cacheFrom":
			r.note(at, "changes nothing: steps are taken over from earlier builds on this machine")
		default:
			r.note(at, "is not a key of build%s", meant(one, "dockerfile", "context", "target", "args", "options", "cacheFrom"))
		}
	}
}

// targetName is how the builder names stages.
var targetName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)

// meant is the end of a sentence about a wrong word.
func meant(word string, candidates ...string) string {
	if near := nearest(word, candidates); near != "" {
		return ", did you mean " + near + "?"
	}
	return ""
}

// legacyBuild reads the two keys that were at the top before build came. As in the
// reference implementation, dockerFile comes first where both are there.
func (r *reader) legacyBuild(key string, v *hujson.Value) {
	s, ok := r.text(key, v, mode{project: true})
	b := &r.build
	switch {
	case !ok:
	case key == "dockerFile":
		if b.dockerfile != "" {
			r.note("build.dockerfile", "changes nothing: dockerFile is there as well")
		}
		b.dockerfile, b.at = s, v
	case r.doc.get("dockerFile") == nil:
		r.note(key, "changes nothing: there is no dockerFile")
	default:
		b.context = s
	}
}

// source decides between image and build, and finds the folders of a build.
func (r *reader) source() {
	b := r.build
	switch {
	case b.at == nil && r.image != "":
		r.spec().Image = r.image
		return
	case b.at == nil:
		if r.doc.get("image") == nil && r.doc.get("dockerComposeFile") == nil {
			r.mistake(nil, "image", "is missing: name an image or a build")
		}
		return
	case b.dockerfile == "":
		r.mistake(b.at, "build.dockerfile", "is missing")
		return
	}
	if r.image != "" {
		r.note("image", "changes nothing: build is there as well")
	}
	folder := path.Dir(r.in.Path)
	file, fileOK := projectPath(folder, b.dockerfile)
	context, contextOK := path.Dir(file), true // as the reference implementation has it
	if b.context != "" {
		context, contextOK = projectPath(folder, b.context)
	}
	switch {
	case !fileOK:
		r.mistake(b.at, "build.dockerfile", "%.80q is not a file of the project", b.dockerfile)
	case !contextOK:
		r.mistake(b.at, "build.context", "%.80q is not a folder of the project", b.context)
	case context != "." && !within(file, context) || file == context:
		r.mistake(b.at, "build.dockerfile", "%.80q must be inside the build context %.80q", file, context)
	default:
		r.out.Context = context
		file = strings.TrimPrefix(file, context+"/")
		r.spec().Build = &workspace.Build{Dockerfile: file, Target: b.target, Args: b.args}
	}
}

// projectPath makes text, which is relative to folder or begins with projectDir, a path
// relative to the project.
func projectPath(folder, text string) (string, bool) {
	p := path.Join(projectDir, folder, text)
	if path.IsAbs(text) {
		p = path.Clean(text)
	}
	if !within(p, projectDir) || !plain(p) {
		return "", false
	}
	if p == projectDir {
		return ".", true
	}
	return strings.TrimPrefix(p, projectDir+"/"), true
}

// features are told one by one: each is a program of somebody else's.
func (r *reader) features(key string, v *hujson.Value) {
	for _, m := range r.members(key, v) {
		id := name(m)
		at := key + " " + id
		switch {
		case strings.HasPrefix(id, "./"), strings.HasPrefix(id, "../"):
			r.note(at, "is not installed: a folder of the project is not run as a feature yet; call its install.sh from onCreateCommand")
		case strings.HasPrefix(id, "http://"), strings.HasPrefix(id, "https://"):
			r.note(at, "is refused: nothing is fetched from a plain address; put its steps into a Dockerfile")
		case !digestAtEnd.MatchString(id):
			r.note(at, "is refused: it is not pinned by a digest (@sha256:...), so nobody could agree to what it runs; put its steps into a Dockerfile")
		default:
			r.note(at, "is not installed: features of a registry are not supported yet; put its steps into a Dockerfile")
		}
	}
}

var digestAtEnd = regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)
