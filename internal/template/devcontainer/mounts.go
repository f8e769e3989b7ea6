package devcontainer

import (
	"cmp"
	"encoding/csv"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/tailscale/hujson"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// mountFields are the fields of a mount, by any of their names. An empty one is only for
// other systems and changes nothing here.
var mountFields = map[string]string{
	"type": "type", "source": "source", "src": "source", "target": "target", "destination": "target", "dst": "target",
	"readonly": "readonly", "ro": "readonly", "consistency": "", "bind-propagation": "", "external": "",
	"tmpfs-size": "tmpfs", "tmpfs-mode": "tmpfs",
}

// workspaceMount only tells where the file expects the project to be.
func (r *reader) workspaceMount(key string, v *hujson.Value) {
	s, ok := r.text(key, v, mode{project: true})
	if !ok || s == "" {
		return
	}
	r.note(key, "changes nothing: the files of the project are always in "+filesDir)
	for part := range strings.SplitSeq(s, ",") {
		k, target, _ := strings.Cut(part, "=")
		if mountFields[strings.TrimSpace(k)] == "target" && path.IsAbs(target) {
			r.mountTarget = path.Clean(target)
		}
	}
}

func (r *reader) workspaceFolder(key string, v *hujson.Value) {
	s, ok := r.text(key, v, mode{project: true})
	if !ok || s == "" {
		return
	}
	if !path.IsAbs(s) || workspace.ValidateDir(path.Clean(s)) != nil {
		r.mistake(v, key, "must be an absolute path")
		return
	}
	dir := r.inside(path.Clean(s))
	if !within(dir, filesDir) {
		r.note(key, "%s must be in the image: the files of the project are in %s", dir, filesDir)
	}
	r.spec().Dir, r.vars.inside = dir, dir
}

// inside turns a path below where the file expects the project into one of ours.
func (r *reader) inside(p string) string {
	for _, root := range []string{r.mountTarget, projectDir, "/workspaces/" + r.vars.base} {
		if root != "" && root != "/" && within(p, root) {
			return filesDir + strings.TrimPrefix(p, root)
		}
	}
	return p
}

func (r *reader) mounts(key string, v *hujson.Value) {
	elements := r.elements(key, v)
	for i := range elements {
		fields, ok := r.mountFieldsOf(key, &elements[i])
		if !ok {
			continue
		}
		m, why := r.mount(key, fields)
		switch {
		case why != "":
			r.note(key, "%s is refused: %s", cut(fields["target"]), why)
		case len(r.spec().Mounts) >= workspace.MaxMounts:
			r.note(key, "has more than %d mounts: the rest is left out", workspace.MaxMounts)
		case slices.ContainsFunc(r.spec().Mounts, func(o workspace.Mount) bool { return o.Target == m.Target }):
			r.note(key, "%s is wanted by two mounts: the first one counts", cut(m.Target))
		default:
			r.spec().Mounts = append(r.spec().Mounts, m)
		}
	}
}

// cut is a path as a note shows it.
func cut(s string) string { return clean(cmp.Or(s, "(nothing)"), 80) }

// mountFieldsOf reads a mount as text, comma separated like docker's --mount, or as an
// object. Unknown fields, such as options of a driver, refuse it.
func (r *reader) mountFieldsOf(key string, v *hujson.Value) (map[string]string, bool) {
	out := map[string]string{}
	switch v.Value.(type) {
	case *hujson.Object:
		members := r.members(key, v)
		for i := range members {
			s, ok := r.scalar(key, &members[i].Value, mode{project: true})
			if !ok || !r.mountField(key, out, name(members[i]), s) {
				return nil, false
			}
		}
		return out, true
	case *hujson.Array:
		r.mistake(v, key, "must have texts or objects")
		return nil, false
	}
	s, ok := r.text(key, v, mode{project: true})
	if !ok {
		return nil, false
	}
	parts, err := csv.NewReader(strings.NewReader(s)).Read()
	if err != nil {
		r.mistake(v, key, "%.80q is not a mount: write type=volume,source=NAME,target=PATH", s)
		return nil, false
	}
	for _, part := range parts {
		k, value, both := strings.Cut(part, "=")
		if !both {
			value = "true"
		}
		if !r.mountField(key, out, strings.TrimSpace(k), value) {
			return nil, false
		}
	}
	return out, true
}

func (r *reader) mountField(key string, fields map[string]string, name, value string) bool {
	field, known := mountFields[strings.ToLower(name)]
	switch {
	case !known:
		r.note(key, "a mount with %s is refused: no options of drivers are passed on", clean(name, 60))
		return false
	case field == "tmpfs":
		r.note(key, "%s changes nothing", name)
	case field != "":
		fields[field] = value
	}
	return true
}

// mount makes a mount of its fields, or says why there is none.
func (r *reader) mount(key string, f map[string]string) (workspace.Mount, string) {
	m := workspace.Mount{Kind: f["type"], Target: r.inside(path.Clean(f["target"]))}
	m.ReadOnly = f["readonly"] != "" && f["readonly"] != "false" && f["readonly"] != "0"
	place := targetProblem(f["target"], m.Target)
	switch m.Kind {
	case "bind": // what it would share says more than where
		m, why := r.bind(m, f["source"])
		return m, cmp.Or(why, place)
	case "", "volume":
		m.Kind, m.Source = "volume", volumeName(f["source"], m.Target)
		shared := r.vars.id == "" || !strings.Contains(f["source"], r.vars.id)
		if place == "" && shared && f["source"] != "" {
			r.note(key, "the volume %s belongs to this workspace alone, others do not share it", m.Source)
		}
		return m, place
	case "tmpfs":
		m.ReadOnly = false
		return m, place
	}
	return m, "only volumes, tmpfs and folders of the project can be mounted"
}

// bind lets through what is in the project, by its name; links are the driver's to judge.
func (r *reader) bind(m workspace.Mount, source string) (workspace.Mount, string) {
	p := path.Clean(source)
	if project := path.Clean(r.in.Project); r.in.Project != "" && within(p, project) && project != "/" {
		p = projectDir + strings.TrimPrefix(p, project)
	}
	switch {
	case !path.IsAbs(source) || !within(p, projectDir) || !plain(p):
		shown := strings.Replace(source, projectDir, "${localWorkspaceFolder}", 1)
		return m, "only folders of the project are shared, and " + cut(shown) + " is not in it"
	case !path.IsAbs(r.in.Project) || path.Clean(r.in.Project) == "/":
		return m, "the workspace has a copy of the project, so no folder of it can be shared; link to it in a hook instead"
	}
	m.Source = path.Clean(r.in.Project) + strings.TrimPrefix(p, projectDir)
	return m, ""
}

// targetProblem says why nothing can be mounted at a place, or nothing.
func targetProblem(given, target string) string {
	if !path.IsAbs(given) {
		return "its target must be an absolute path"
	}
	if err := workspace.ValidateTarget(target); err != nil {
		why := fault.From(err).Text
		return why[strings.LastIndex(why, ": ")+2:] // the place is told anyway
	}
	return ""
}

var notInName = regexp.MustCompile(`[^a-z0-9_.-]+`)

// volumeName makes a name that a volume may have within its workspace. One without a
// name is called after its target.
func volumeName(source, target string) string {
	if source == "" {
		source = target
	}
	s := strings.TrimLeft(notInName.ReplaceAllString(strings.ToLower(source), "-"), "-_.")
	if s == "" {
		s = "volume"
	}
	return s[:min(len(s), 63)]
}
