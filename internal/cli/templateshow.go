package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

func (f *Factory) showTemplate(out io.Writer, t api.Template) error {
	var s facts
	s.add("template", t.Name)
	s.add("title", t.Title)
	s.add("about", t.Description)
	s.add("source", t.Source)
	s.add("offline", yesNo(t.Offline))
	specFacts(&s, t.Spec)
	for _, p := range t.Params {
		s.add("--param "+p.Name, paramText(p))
	}
	return s.write(out, f.outPalette())
}

// writeSpec prints what a template resolves to.
func (f *Factory) writeSpec(out io.Writer, spec workspace.Spec) error {
	var s facts
	specFacts(&s, spec)
	return s.write(out, f.outPalette())
}

// specFacts says what is in a spec of a template; what it leaves open is not named.
func specFacts(s *facts, spec workspace.Spec) {
	s.add("image", spec.Image)
	if b := spec.Build; b != nil {
		s.add("build", strings.TrimSpace(b.Dockerfile+" "+b.Target+" "+pairs(b.Args)))
	}
	s.add("command", strings.Join(spec.Command, " "))
	s.add("folder", spec.Dir)
	s.add("user", spec.User)
	s.add("restart", string(spec.Restart))
	if spec.Port > 0 {
		s.add("port inside", fmt.Sprint(spec.Port))
	}
	for _, p := range spec.Ports {
		s.add("port", strings.TrimSpace(fmt.Sprintf("%d %s %s %s", p.Port, p.Protocol, p.OnOpen, p.Label)))
	}
	s.add("ready", map[workspace.ReadyCheck]string{
		workspace.ReadyPort: "when the port answers", workspace.ReadyProcess: "when the command runs",
	}[spec.Ready])
	s.add("profile", string(spec.Profile))
	s.add("limits", templateLimits(spec.Limits))
	s.add("env", pairs(spec.Env))
	s.add("remote env", pairs(spec.RemoteEnv))
	for _, h := range spec.Hooks {
		s.add(string(h.Phase), hookText(h))
	}
	s.add("health", strings.Join(spec.Health, " "))
	s.add("idle probe", strings.Join(spec.IdleProbe, " "))
	s.add("pre stop", strings.Join(spec.PreStop, " "))
	s.add("policy", spec.Policy)
	s.add("hours", spec.Hours)
	s.add("wake", string(spec.Wake))
	for _, m := range spec.Mounts {
		s.add("mount", mountText(m))
	}
	for _, w := range spec.Secrets {
		s.add("secret", secretText(w))
	}
	if n := len(spec.Files); n > 0 {
		s.add("files", filesText(spec.Files))
	}
	for _, n := range spec.Notes {
		s.add("note", n.Key+" "+n.Reason)
	}
}

func pairs(m map[string]string) string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		all = append(all, k+"="+m[k])
	}
	return strings.Join(all, " ")
}

func hookText(h workspace.Hook) string {
	text := strings.Join(h.Command, " ")
	if h.Name != "" {
		text = h.Name + ": " + text
	}
	if h.Await {
		text += " (awaited)"
	}
	return text
}

func mountText(m workspace.Mount) string {
	text := m.Target + ", " + strings.TrimSpace(m.Kind+" "+m.Source)
	if m.ReadOnly {
		text += ", read only"
	}
	return text
}

func secretText(w workspace.SecretWant) string {
	text := w.Name
	if w.Required {
		text += " (required)"
	}
	if w.Description != "" {
		text += ": " + w.Description
	}
	return text
}

// filesText names a few files and counts the others.
func filesText(files []workspace.File) string {
	const most = 5
	var names []string
	for _, f := range files[:min(most, len(files))] {
		names = append(names, f.Path)
	}
	text := strings.Join(names, ", ")
	if n := len(files) - most; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// templateLimits names only what the template sets itself.
func templateLimits(l workspace.Limits) string {
	var set []string
	if l.CPUs > 0 {
		set = append(set, render.Number(l.CPUs)+" CPUs")
	}
	if l.Memory > 0 {
		set = append(set, render.Bytes(l.Memory)+" memory")
	}
	if l.Pids > 0 {
		set = append(set, fmt.Sprintf("%d processes", l.Pids))
	}
	if len(set) < 3 {
		set = append(set, "else as in defaults.* of the settings")
	}
	return strings.TrimPrefix(strings.Join(set, ", "), "else ")
}

func paramText(p api.Param) string {
	text := p.Type
	if len(p.Options) > 0 {
		text = strings.Join(p.Options, " | ")
	}
	if p.Default != "" {
		text += ", default " + p.Default
	}
	if p.Description != "" {
		text += ": " + p.Description
	}
	return text
}
