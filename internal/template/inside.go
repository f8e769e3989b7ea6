package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Rows of the manifest that say what happens inside a workspace.
type (
	portRow struct {
		Port     int    `toml:"port"`
		Label    string `toml:"label"`
		Protocol string `toml:"protocol"`
		OnOpen   string `toml:"on_open"`
	}
	hookRow struct {
		Phase   string   `toml:"phase"`
		Name    string   `toml:"name"`
		Command []string `toml:"command"`
		Group   *int     `toml:"group"`
		Timeout *string  `toml:"timeout"`
		Await   *bool    `toml:"await"`
	}
	secretRow struct {
		Name        string `toml:"name"`
		Required    bool   `toml:"required"`
		Description string `toml:"description"`
	}
	mountRow struct {
		Kind     string `toml:"kind"`
		Source   string `toml:"source"`
		Target   string `toml:"target"`
		ReadOnly bool   `toml:"read_only"`
	}
)

// process reads how the main process runs, and what is asked about it.
func (r *reader) process() {
	m, s := r.m, &r.t.spec
	s.Dir, s.User, s.Policy, s.Hours, s.RemoteEnv = m.Dir, m.User, m.Policy, m.Hours, m.RemoteEnv
	s.Health, s.IdleProbe = m.Health, m.IdleProbe
	s.Restart, s.Wake = workspace.Restart(m.Restart), workspace.Wake(m.Wake)
	if m.Dir != "" {
		r.check("/dir", workspace.ValidateDir(m.Dir))
	}
	if m.User != "" {
		r.check("/user", workspace.ValidateUser(m.User))
	}
	r.choice("/restart", m.Restart, workspace.RestartNever, workspace.RestartOnFailure, workspace.RestartAlways)
	r.choice("/wake", m.Wake, workspace.WakeOn, workspace.WakeOff)
	if m.Hours != "" {
		if _, err := activity.ParseHours(m.Hours); err != nil {
			r.refuse("/hours", "hours_invalid", "hours = %.80q must be %s: %v", m.Hours, activity.HoursForm, err)
		}
	}
	if m.Policy != "" && workspace.ValidateName(m.Policy) != nil {
		r.refuse("/policy", "policy_invalid", "%.40q is not the name of a policy: use lower-case letters, digits and single dashes", m.Policy)
	}
}

// choice refuses a word that is none of those allowed. Empty is not said.
func (r *reader) choice(pointer, word string, allowed ...any) {
	all := make([]string, len(allowed))
	for i, a := range allowed {
		all[i] = fmt.Sprint(a)
	}
	if word != "" && !slices.Contains(all, word) {
		r.refuse(pointer, "value_unknown", "%s = %.40q is none of %s", lastPart(pointer), word, strings.Join(all, ", "))
	}
}

func lastPart(pointer string) string { return pointer[strings.LastIndexByte(pointer, '/')+1:] }

// text refuses text for people that would spoil a terminal.
func (r *reader) text(pointer, text string) {
	if len(text) > maxText || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' && c != '\n' || c >= 0x7f && c < 0xa0 }) {
		r.refuse(pointer, "text_invalid", "the text of %s is longer than %d bytes or has control characters", lastPart(pointer), maxText)
	}
}

// maxText bounds one text for people, in bytes.
const maxText = 2000

// many refuses rows beyond a bound.
func (r *reader) many(pointer string, have, most int) bool {
	if have > most {
		r.refuse(pointer, "too_many", "%d %s are given, at most %d are allowed", have, lastPart(pointer), most)
	}
	return have > most
}

func (r *reader) ports() {
	if r.many("/ports", len(r.m.Ports), workspace.MaxPorts) {
		return
	}
	for i, row := range r.m.Ports {
		at := fmt.Sprintf("/ports/%d", i)
		r.check(at+"/port", workspace.ValidatePort(row.Port))
		if slices.ContainsFunc(r.t.spec.Ports, func(p workspace.Port) bool { return p.Port == row.Port }) {
			r.refuse(at+"/port", "port_twice", "port %d is given twice", row.Port)
		}
		r.text(at+"/label", row.Label)
		r.choice(at+"/protocol", row.Protocol, "http", "https", "tcp")
		r.choice(at+"/on_open", row.OnOpen, "notify", "open", "silent", "ignore")
		r.t.spec.Ports = append(r.t.spec.Ports, workspace.Port(row))
	}
}

// hooks reads the lifecycle commands. One without a group follows those before it.
func (r *reader) hooks() {
	if r.many("/hooks", len(r.m.Hooks), workspace.MaxHooks) {
		return
	}
	next := map[workspace.Phase]int{}
	for i, row := range r.m.Hooks {
		at := fmt.Sprintf("/hooks/%d", i)
		h := workspace.Hook{Phase: workspace.Phase(row.Phase), Name: row.Name, Command: row.Command}
		if !slices.Contains(workspace.Phases(), h.Phase) {
			r.refuse(at+"/phase", "phase_unknown", "%.40q is not a phase: use %s", row.Phase, phaseNames())
		}
		r.text(at+"/name", row.Name)
		if len(row.Command) == 0 {
			r.refuse(at+"/command", "command_required", "the hook has no command")
		}
		h.Group = next[h.Phase]
		if row.Group != nil {
			if h.Group = *row.Group; h.Group < 0 || h.Group > workspace.MaxHooks {
				r.refuse(at+"/group", "group_invalid", "group = %d must be 0 to %d", h.Group, workspace.MaxHooks)
			}
		}
		next[h.Phase] = max(next[h.Phase], h.Group+1)
		if row.Timeout != nil {
			r.duration(at+"/timeout", *row.Timeout, &h.Timeout)
		}
		h.Await = h.Phase == workspace.OnCreate || h.Phase == workspace.UpdateContent
		if row.Await != nil {
			h.Await = *row.Await
		}
		r.t.spec.Hooks = append(r.t.spec.Hooks, h)
	}
}

func phaseNames() string {
	var all []string
	for _, p := range workspace.Phases() {
		all = append(all, string(p))
	}
	return strings.Join(all, ", ")
}

// duration reads a time-out.
func (r *reader) duration(pointer, given string, to *workspace.Duration) {
	if err := to.UnmarshalText([]byte(given)); err != nil {
		r.check(pointer, err)
	} else if d := to.Std(); d < time.Second || d > maxTimeout {
		what := strings.ReplaceAll(strings.TrimPrefix(pointer, "/"), "/", ".")
		r.refuse(pointer, "timeout_invalid", "%s = %s must be 1s to 24h", what, given)
	}
}

func (r *reader) secrets() {
	if r.many("/secrets", len(r.m.Secrets), workspace.MaxSecrets) {
		return
	}
	for i, row := range r.m.Secrets {
		at := fmt.Sprintf("/secrets/%d", i)
		r.check(at+"/name", workspace.ValidateSecret(row.Name, 0))
		if slices.ContainsFunc(r.t.spec.Secrets, func(s workspace.SecretWant) bool { return s.Name == row.Name }) {
			r.refuse(at+"/name", "secret_twice", "secret %s is given twice", row.Name)
		}
		r.text(at+"/description", row.Description)
		r.t.spec.Secrets = append(r.t.spec.Secrets, workspace.SecretWant(row))
	}
}

// mounts lets through what belongs to the workspace alone: a template is not the place
// from which folders of the host are shared.
func (r *reader) mounts() {
	if r.many("/mounts", len(r.m.Mounts), workspace.MaxMounts) {
		return
	}
	for i, row := range r.m.Mounts {
		at := fmt.Sprintf("/mounts/%d", i)
		switch row.Kind {
		case "volume":
			r.check(at+"/source", workspace.ValidateVolume(row.Source))
		case "tmpfs":
			if row.Source != "" || row.ReadOnly {
				r.refuse(at+"/source", "mount_refused", "a tmpfs has no source and is not read only")
			}
		default:
			r.refuse(at+"/kind", "mount_refused", "kind = %.40q is none of volume, tmpfs", row.Kind)
		}
		r.check(at+"/target", workspace.ValidateTarget(row.Target))
		if slices.ContainsFunc(r.t.spec.Mounts, func(m workspace.Mount) bool { return m.Target == row.Target }) {
			r.refuse(at+"/target", "mount_refused", "two mounts want %.80q", row.Target)
		}
		r.t.spec.Mounts = append(r.t.spec.Mounts, workspace.Mount(row))
	}
}

// words returns every list of words in which placeholders stand, by its pointer. The
// lists are those of s, not copies.
func words(s *workspace.Spec) map[string][]string {
	out := map[string][]string{"/command": s.Command, "/pre_stop": s.PreStop, "/health": s.Health, "/idle_probe": s.IdleProbe}
	for i, h := range s.Hooks {
		out[fmt.Sprintf("/hooks/%d/command", i)] = h.Command
	}
	return out
}

// tables returns every table in whose values placeholders stand, by its pointer.
func tables(s *workspace.Spec) map[string]map[string]string {
	out := map[string]map[string]string{"/env": s.Env, "/remote_env": s.RemoteEnv}
	if s.Build != nil {
		out["/build/args"] = s.Build.Args
	}
	return out
}

// checkInside checks what values may have spoilt.
func checkInside(s *workspace.Spec) error {
	for _, pointer := range []string{"/env", "/remote_env", "/build/args"} {
		if err := workspace.ValidateEnv(tables(s)[pointer]); err != nil {
			return err
		}
	}
	all := words(s)
	for _, pointer := range slices.Sorted(maps.Keys(all)) {
		if err := workspace.ValidateCommand(all[pointer]); err != nil {
			return err
		}
	}
	return nil
}
