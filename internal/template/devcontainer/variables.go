package devcontainer

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// projectDir stands for ${localWorkspaceFolder} where a path of the project is read:
// the client's own path is not one of this machine.
const projectDir = "/.project"

// variables knows what ${NAME} stands for.
type variables struct {
	folder, base string
	local        map[string]string
	id           string
	inside       string          // ${containerWorkspaceFolder}, once it is known
	names        map[string]bool // of local, whose values were taken
}

func newVariables(in Input) *variables {
	folder := in.Folder
	base := path.Base(strings.TrimRight(strings.ReplaceAll(folder, `\`, "/"), "/"))
	if base == "." || base == "/" || base == ".." || base == "" {
		base = "workspace"
	}
	if folder == "" {
		folder = base
	}
	return &variables{folder: folder, base: base, local: in.Local, id: in.ID, inside: filesDir, names: map[string]bool{}}
}

// taken are the names of the client's variables whose values are in the result.
func (v *variables) taken() []string { return slices.Sorted(maps.Keys(v.names)) }

// mode says where a text stands, which decides about two of the variables.
type mode struct {
	late    bool // ${containerEnv:...} stays for Late
	project bool // ${localWorkspaceFolder} is projectDir
}

// expand replaces the variables of text in one pass: what a value holds is never looked
// at again. A name that is none of the known stays as it is, for ${HOME} is a shell's.
func (r *reader) expand(key, text string, m mode) string {
	return expand(text, func(kind string, args []string) (string, bool) {
		v := r.vars
		switch kind {
		case "localEnv", "env":
			return r.localEnv(key, args), true
		case "containerEnv":
			if m.late {
				return "", false
			}
			if len(args) < 2 {
				r.note(key, "${containerEnv:%s} is left empty: the container is not there yet; use remoteEnv", clean(first(args), 80))
			}
			return pick(nil, args), true
		case "localWorkspaceFolder":
			if m.project {
				return projectDir, true
			}
			return v.folder, true
		case "localWorkspaceFolderBasename":
			return v.base, true
		case "containerWorkspaceFolder":
			return v.inside, true
		case "containerWorkspaceFolderBasename":
			return path.Base(v.inside), true
		case "devcontainerId":
			if v.id == "" {
				r.note(key, "${devcontainerId} is left empty: the workspace has no id yet")
			}
			return v.id, true
		}
		return "", false
	})
}

// localEnv is a variable of the client. Only what the client sent is there.
func (r *reader) localEnv(key string, args []string) string {
	n := first(args)
	if _, ok := r.vars.local[n]; ok {
		r.vars.names[n] = true
	} else if len(args) < 2 {
		r.note(key, "${localEnv:%s} is left empty: wsctl sent no such variable", clean(n, 80))
	}
	return pick(r.vars.local, args)
}

// pick returns the variable args[0] of env, else the default args[1], else nothing. A
// default ends at a colon, as the reference implementation has it.
func pick(env map[string]string, args []string) string {
	if value, ok := env[first(args)]; ok {
		return value
	}
	if len(args) > 1 {
		return args[1]
	}
	return ""
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// expand replaces each ${KIND:ARG...} of which value knows something.
func expand(text string, value func(kind string, args []string) (string, bool)) string {
	var b strings.Builder
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			break
		}
		end := strings.IndexAny(text[i:], "}\n")
		if end < 0 {
			break
		}
		if text[i+end] == '\n' {
			b.WriteString(text[:i+end])
			text = text[i+end:]
			continue
		}
		parts := strings.Split(text[i+2:i+end], ":")
		b.WriteString(text[:i])
		if s, ok := value(parts[0], parts[1:]); ok {
			b.WriteString(s)
		} else {
			b.WriteString(text[i : i+end+1])
		}
		text = text[i+end+1:]
	}
	return b.String() + text
}
