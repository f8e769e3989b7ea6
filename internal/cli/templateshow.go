package cli

import (
	"io"
	"strings"

	"github.com/wsctl/wsctl/internal/api"
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
	return f.writeFacts(out, s)
}

// writeSpec prints what a template resolves to.
func (f *Factory) writeSpec(out io.Writer, spec workspace.Spec) error {
	var s facts
	specFacts(&s, spec)
	return f.writeFacts(out, s)
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
