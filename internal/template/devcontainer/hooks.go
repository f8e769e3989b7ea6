package devcontainer

import (
	"cmp"
	"regexp"
	"slices"

	"github.com/tailscale/hujson"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// stage is a key with commands and the phase they belong to.
type stage struct {
	key   string
	phase workspace.Phase
}

// lifecycle has the stages in the order in which they run.
var lifecycle = []stage{
	{"onCreateCommand", workspace.OnCreate},
	{"updateContentCommand", workspace.UpdateContent},
	{"postCreateCommand", workspace.PostCreate},
	{"postStartCommand", workspace.PostStart},
	{"postAttachCommand", workspace.PostAttach},
}

// sudo is the word of its own.
var sudo = regexp.MustCompile(`(^|[\s;&|(])sudo(\s|$)`)

// hooks reads one lifecycle command: a line for a shell, the words of a program, or an
// object of both that run at the same time.
func (r *reader) hooks(key string, v *hujson.Value) {
	phase := lifecycle[slices.IndexFunc(lifecycle, func(s stage) bool { return s.key == key })].phase
	o, parallel := v.Value.(*hujson.Object)
	if !parallel {
		r.hook(key, v, workspace.Hook{Phase: phase})
		return
	}
	for i := range o.Members {
		one := name(o.Members[i])
		r.hook(key+"."+one, &o.Members[i].Value, workspace.Hook{Phase: phase, Name: clean(one, maxLabel)})
	}
}

// hook adds one command. An empty one is none.
func (r *reader) hook(key string, v *hujson.Value, h workspace.Hook) {
	if isNull(v) {
		return
	}
	m := mode{late: true}
	switch x := v.Value.(type) {
	case *hujson.Array:
		for i := range x.Elements {
			word, ok := r.text(key, &x.Elements[i], m)
			if !ok {
				return
			}
			h.Command = append(h.Command, word)
		}
	case hujson.Literal:
		line, ok := r.text(key, v, m)
		if !ok {
			return
		}
		if line != "" {
			h.Command = []string{"/bin/sh", "-c", line}
		}
	default:
		r.mistake(v, key, "must be a line of shell or an array of words")
		return
	}
	if len(h.Command) == 0 {
		return
	}
	if err := workspace.ValidateCommand(h.Command); err != nil {
		r.mistake(v, key, "is wrong: %s", fault.From(err).Text)
		return
	}
	if len(r.spec().Hooks) == workspace.MaxHooks {
		r.mistake(v, key, "is one command too many: at most %d are allowed", workspace.MaxHooks)
		return
	}
	if !isRoot(cmp.Or(r.remoteUser, r.containerUser)) && slices.ContainsFunc(h.Command, sudo.MatchString) {
		r.note(key, "uses sudo, which gains no rights in a workspace: put what it does into a Dockerfile, or use remoteUser root and --profile admin")
	}
	r.spec().Hooks = append(r.spec().Hooks, h)
}

func (r *reader) readWaitFor(key string, v *hujson.Value) {
	names := []string{"initializeCommand"}
	for _, l := range lifecycle {
		names = append(names, l.key)
	}
	r.waitFor = r.oneOf(key, v, names...)
}

// await marks the hooks of each stage up to waitFor.
func (r *reader) await() {
	upTo := cmp.Or(r.waitFor, "updateContentCommand")
	if upTo == "initializeCommand" {
		return
	}
	hooks := r.spec().Hooks
	for _, s := range lifecycle {
		for i := range hooks {
			hooks[i].Await = hooks[i].Await || hooks[i].Phase == s.phase
		}
		if s.key == upTo {
			return
		}
	}
}

// keepAlive is the main process of a container whose own command must not run.
var keepAlive = []string{"/bin/sh", "-c", "while :; do sleep 3600; done"}

// overrideCommand is true where the file does not say.
func (r *reader) overrideCommand(key string, v *hujson.Value) {
	if r.truth(key, v) {
		r.spec().Command = slices.Clone(keepAlive)
	} else {
		r.spec().Command = nil
	}
}
