package devcontainer

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tailscale/hujson"

	"github.com/wsctl/wsctl/internal/workspace"
)

// env reads an object of variables. Those that nothing could have are noted.
func (r *reader) env(key string, v *hujson.Value, m mode) map[string]string {
	out := map[string]string{}
	members := r.members(key, v)
	for i := range members {
		one, v := name(members[i]), &members[i].Value
		at := key + "." + one
		if isNull(v) {
			r.unset(at, one)
			continue
		}
		if !m.late && key == "containerEnv" && strings.Contains(literal(v).String(), "${containerEnv:") {
			r.note(at, "is left out: it is made from the container's environment, which is not there yet; put it into remoteEnv")
			continue
		}
		s, ok := r.scalar(at, v, m)
		if !ok {
			continue
		}
		if err := workspace.ValidateEnv(map[string]string{one: s}); err != nil {
			r.note(at, "is left out: %s", err)
			continue
		}
		out[one] = s
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// unset takes a variable away that the file itself sets. Where the image sets it, it is
// made empty: commands cannot lose a variable of their container.
func (r *reader) unset(at, one string) {
	if !strings.HasPrefix(at, "remoteEnv.") {
		return
	}
	if r.spec().RemoteEnv == nil {
		r.spec().RemoteEnv = map[string]string{}
	}
	if workspace.ValidateEnv(map[string]string{one: ""}) == nil {
		r.spec().RemoteEnv[one] = ""
		r.note(at, "is made empty instead of unset")
	}
}

func (r *reader) containerEnv(key string, v *hujson.Value) { r.spec().Env = r.env(key, v, mode{}) }

func (r *reader) remoteEnv(key string, v *hujson.Value) {
	for k, s := range r.env(key, v, mode{late: true}) {
		if r.spec().RemoteEnv == nil {
			r.spec().RemoteEnv = map[string]string{}
		}
		r.spec().RemoteEnv[k] = s
	}
}

func (r *reader) readUser(key string, v *hujson.Value) {
	s, ok := r.text(key, v, mode{})
	if !ok || s == "" {
		return
	}
	if user, group, both := strings.Cut(s, ":"); both && user != "" && (user[0] < '0' || user[0] > '9') {
		r.note(key, "is taken as %s: the group %s is the one that the image gives the user", clean(user, 40), clean(group, 40))
		s = user
	}
	if workspace.ValidateUser(s) != nil {
		r.mistake(v, key, "%.60q is not a user: give a name of the image or UID:GID", s)
		return
	}
	if key == "remoteUser" {
		r.remoteUser = s
	} else {
		r.containerUser = s
	}
}

// user decides who everything runs as.
func (r *reader) user() {
	u := cmp.Or(r.remoteUser, r.containerUser)
	if r.remoteUser != "" && r.containerUser != "" && r.remoteUser != r.containerUser {
		r.note("containerUser", "changes nothing: everything runs as remoteUser, %s", r.remoteUser)
	}
	if isRoot(u) {
		r.note("remoteUser", "root has no capabilities here; with --profile admin package managers work")
	}
	r.spec().User = u
}

func isRoot(user string) bool { return user == "root" || user == "0" || strings.HasPrefix(user, "0:") }

// memorySizes are the units of hostRequirements, in bytes.
var memorySizes = map[string]int64{"": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40}

var memorySize = regexp.MustCompile(`^([0-9]{1,12})([tgmk]b)?$`)

func (r *reader) hostRequirements(key string, v *hujson.Value) {
	members := r.members(key, v)
	for i := range members {
		one, v := name(members[i]), &members[i].Value
		at := key + "." + one
		switch one {
		case "cpus":
			n, err := strconv.Atoi(said(v))
			if err != nil || n < 1 || n > workspace.MaxCPUs {
				r.note(at, "is left out: it must be a whole number of cores")
				continue
			}
			r.spec().Limits.CPUs = require(r, at, float64(n), r.in.Defaults.CPUs, r.in.Ceiling.CPUs)
		case "memory":
			n := sizeOf(said(v))
			if n < 0 {
				r.note(at, "is left out: it must be a size such as 4gb")
				continue
			}
			r.spec().Limits.Memory = require(r, at, max(n, workspace.MinMemory), r.in.Defaults.Memory, r.in.Ceiling.Memory)
		case "storage":
			r.note(at, "is not looked at: a workspace has no disk of its own")
		case "gpu":
			if string(literal(v)) != "false" {
				r.note(at, "is refused: workspaces get no devices of the host")
			}
		default:
			r.note(at, "is not a key of hostRequirements%s", meant(one, "cpus", "memory", "storage", "gpu"))
		}
	}
}

// said is a text, or a number as it is spelled.
func said(v *hujson.Value) string {
	if l := literal(v); l.Kind() == '"' {
		return l.String()
	}
	return string(literal(v))
}

// sizeOf reads 4gb; it is -1 for anything else and for what no workspace can have.
func sizeOf(s string) int64 {
	m := memorySize.FindStringSubmatch(strings.ToLower(s))
	if m == nil {
		return -1
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if unit := memorySizes[m[2]]; err == nil && n <= workspace.MaxMemory/unit {
		return n * unit
	}
	return -1
}

// require turns what the file needs at least into a limit: none where the default is
// enough, and none where it is more than there may be.
func require[T int64 | float64](r *reader, key string, want, usual, most T) T {
	switch {
	case want <= usual:
		return 0
	case most > 0 && want > most:
		r.note(key, "cannot be met: a workspace may have %v here, %v are asked for", most, want)
		return 0
	}
	return want
}

// secrets become wishes: the file says that they help, not that nothing works without.
func (r *reader) secrets(key string, v *hujson.Value) {
	members := r.members(key, v)
	for i := range members {
		one, v := name(members[i]), &members[i].Value
		at := key + "." + one
		if workspace.ValidateSecret(one, 0) != nil || len(members) > workspace.MaxSecrets {
			r.note(at, "is left out: a secret has letters, digits, _ . and - in its name, and there are at most %d", workspace.MaxSecrets)
			continue
		}
		want := workspace.SecretWant{Name: one}
		var about []string
		for _, m := range r.members(at, v) {
			switch k := name(m); k {
			case "description", "documentationUrl":
				about = append(about, clean(literal(&m.Value).String(), 400))
			default:
				r.note(at+"."+k, "is not a key of a secret")
			}
		}
		want.Description = strings.Join(slices.DeleteFunc(about, func(s string) bool { return s == "" }), " ")
		r.spec().Secrets = append(r.spec().Secrets, want)
	}
}
