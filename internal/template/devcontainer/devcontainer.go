// Package devcontainer turns a devcontainer.json into the parts of a workspace.Spec.
//
// The file comes from a repository, so it is an outsider's: a key is honoured because
// it is in a table here, everything else becomes a workspace.Note that says why not,
// and nothing in it can ask for rights that a workspace has not anyway. No command of
// it runs on the host, no folder outside of the project is shared, no variable of the
// daemon is read. docs/devcontainer.md tells what becomes of each key.
//
// Read is pure: text in, parts out. Values that only the container knows stay in the
// result as ${containerEnv:NAME}, in RemoteEnv and in the words of hooks alone; Late
// puts them in once the image is there.
package devcontainer

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/tailscale/hujson"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// DefaultPath is where a project usually has the file.
const DefaultPath = ".devcontainer/devcontainer.json"

// filesDir is where the files of a project are inside a workspace.
const filesDir = "/workspace"

// Input is the file and what its variables stand for.
type Input struct {
	Text    string
	Path    string            // of the file, relative to the project; empty: DefaultPath
	Folder  string            // the project's folder as the client names it, a path or its last part
	Local   map[string]string // the client's environment, as far as it was sent
	ID      string            // ${devcontainerId}: the same for the life of the workspace, unlike any other
	Project string            // the project's folder on this machine where it is shared; empty: its files are a copy

	Defaults workspace.Limits // what a workspace gets that asks for nothing
	Ceiling  workspace.Limits // the most it may ask for; 0: not bounded here
}

// Result is what the file says.
type Result struct {
	Name string // what the file calls itself, for people

	// Spec has Image or Build, never both, and neither Source nor Files. Build.Context is
	// empty and Build.Dockerfile relative to Context. Limits that the file leaves open, or
	// that Defaults are enough for, are zero.
	Spec workspace.Spec

	Context string   // folder of the project to build in, "." for all of it; empty without Build
	Consent string   // Hash of the text; empty where the file runs nothing and takes nothing of Local
	Local   []string // names of the client's variables that the file takes, sorted
}

// Read reads a devcontainer.json. Errors are fault.Errors that name every mistake by
// line and column; what is only not supported is in Spec.Notes.
func Read(in Input) (Result, error) {
	doc, err := parse(in.Text)
	if err != nil {
		return Result{}, err
	}
	in.Path = cmp.Or(in.Path, DefaultPath)
	if !local(in.Path) {
		return Result{}, fault.New(fault.Invalid, "devcontainer_path_invalid", "%.80q is not the path of a file in a project", in.Path).
			WithHint("give it relative to the project, such as " + DefaultPath)
	}
	r := &reader{in: in, doc: doc, vars: newVariables(in)}
	r.out.Spec = workspace.Spec{
		Ready: workspace.ReadyProcess, Profile: workspace.Writable, Dir: filesDir, Command: slices.Clone(keepAlive),
	}
	for _, row := range rows {
		if v := doc.get(row.key); v != nil && !isNull(v) {
			r.row(row, v)
		}
	}
	r.whole()
	r.unknown()
	if len(r.wrong) > 0 {
		return Result{}, r.fault()
	}
	r.out.Local = r.vars.taken()
	if len(r.out.Spec.Hooks) > 0 || r.out.Spec.Build != nil || len(r.out.Local) > 0 {
		r.out.Consent = doc.hash()
	}
	return r.out, nil
}

// consentVersion begins what is hashed; another canonical form needs another one.
const consentVersion = "devcontainer consent 1\n"

// consentKeys are what decides which programs run, on what and as whom.
var consentKeys = []string{
	"image", "build", "dockerFile", "context", "workspaceFolder", "workspaceMount", "containerEnv", "remoteEnv", "remoteUser",
	"containerUser", "mounts", "overrideCommand", "secrets", "waitFor",
	"onCreateCommand", "updateContentCommand", "postCreateCommand", "postStartCommand", "postAttachCommand",
}

// Hash returns the sha256, in hexadecimal, of everything in text that decides what runs:
// the lifecycle commands, the image or build with its arguments, environment, users,
// folders, mounts and the secrets it wants, with variables still in their places. So it is
// the same for everybody, and comments, order, ports and names do not change it. It does
// not cover what these commands run in turn: scripts of the project and the content of the
// Dockerfile; the digest of the build context and the commit do.
func Hash(text string) (string, error) {
	doc, err := parse(text)
	if err != nil {
		return "", err
	}
	return doc.hash(), nil
}

// Late returns s with the container's environment in place of ${containerEnv:NAME} and
// ${containerEnv:NAME:DEFAULT}; an absent variable without a default is empty.
func Late(s workspace.Spec, env map[string]string) workspace.Spec {
	s = s.Clone()
	put := func(text string) string {
		return expand(text, func(kind string, args []string) (string, bool) {
			if kind != "containerEnv" {
				return "", false
			}
			return pick(env, args), true
		})
	}
	for k, v := range s.RemoteEnv {
		s.RemoteEnv[k] = put(v)
	}
	for _, h := range s.Hooks {
		for i, w := range h.Command {
			h.Command[i] = put(w)
		}
	}
	return s
}

// row lets a key be read, or notes that it is not.
func (r *reader) row(row row, v *hujson.Value) {
	switch {
	case row.read != nil:
		row.read(r, row.key, v)
	case row.why == "" || isEmpty(v) && row.fine == nil || slices.Contains(row.fine, string(literal(v))):
	default:
		r.note(row.key, "%s", row.why)
	}
}

// whole reads what takes several keys, and checks what only shows in the end.
func (r *reader) whole() {
	r.source()
	r.user()
	r.ports()
	s := r.spec()
	r.await()
	for _, row := range []struct {
		key string
		err error
	}{
		{"containerEnv", workspace.ValidateEnv(s.Env)},
		{"remoteEnv", workspace.ValidateEnv(s.RemoteEnv)},
	} {
		if row.err != nil {
			r.mistake(r.doc.get(row.key), row.key, "%s", fault.From(row.err).Text)
		}
	}
}

// unknown notes every key that is in no table.
func (r *reader) unknown() {
	for _, m := range r.doc.object.Members {
		key := name(m)
		if slices.ContainsFunc(rows, func(row row) bool { return row.key == key }) {
			continue
		}
		all := make([]string, len(rows))
		for i, row := range rows {
			all[i] = row.key
		}
		if near := nearest(key, all); near != "" {
			r.note(key, "is not a key of devcontainer.json, did you mean %s?", near)
		} else {
			r.note(key, "is not a key of devcontainer.json")
		}
	}
}

// local reports whether p is a clean path that stays in its folder.
func local(p string) bool {
	return p != "" && !path.IsAbs(p) && path.Clean(p) == p && p != ".." && !strings.HasPrefix(p, "../") && plain(p)
}

// within reports whether p is dir or below it; both are clean.
func within(p, dir string) bool { return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/") }
