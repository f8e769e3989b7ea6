package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// specFacts says what is in a spec; what it leaves open is not named.
func specFacts(s *facts, spec workspace.Spec) {
	s.add("files from", originText(spec.Source))
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
	s.add("limits", render.Limits(spec.Limits))
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

// originText is where the files of /workspace come from; "" is from the template.
func originText(src *workspace.Source) string {
	switch {
	case src == nil:
		return ""
	case src.Kind == workspace.SourceBind:
		return src.Path + ", which it shares with this machine"
	case src.Kind == workspace.SourceUpload:
		return "a copy of a folder"
	}
	text := src.URL
	if src.Branch != "" {
		text += ", branch " + src.Branch
	}
	if src.Depth > 0 {
		text += fmt.Sprintf(", at depth %d", src.Depth)
	}
	return text
}
