package tui

import (
	"strings"

	"github.com/wsctl/wsctl/internal/workspace"
)

// filter is what a person has asked to see: words that must all fit. `state:run`,
// `label:team=web`, `owner:1000`, `level:idle` and `template:go` look at one thing, a bare
// word at all of them, and a dash before a word turns it round.
type filter struct {
	text  string
	terms []clause
}

type clause struct {
	field, value string
	not          bool
}

// filterFields are the words that may stand before a colon.
var filterFields = []string{"state", "label", "owner", "level", "template"}

func parseFilter(text string) filter {
	f := filter{text: strings.TrimSpace(text)}
	for word := range strings.FieldsSeq(strings.ToLower(f.text)) {
		t := clause{value: word}
		if rest, ok := strings.CutPrefix(word, "-"); ok && rest != "" {
			t.not, t.value = true, rest
		}
		for _, name := range filterFields {
			if v, ok := strings.CutPrefix(t.value, name+":"); ok {
				t.field, t.value = name, v
				break
			}
		}
		if t.value != "" {
			f.terms = append(f.terms, t)
		}
	}
	return f
}

func (f filter) match(r *row) bool {
	for _, t := range f.terms {
		if t.match(r) == t.not {
			return false
		}
	}
	return true
}

func (t clause) match(r *row) bool {
	w := &r.w
	switch t.field {
	case "state":
		return strings.HasPrefix(string(w.State), t.value)
	case "label":
		return hasLabel(w.Labels, t.value)
	case "owner":
		return strings.Contains(strings.ToLower(w.Owner), t.value)
	case "level":
		return r.act != nil && w.State == workspace.Running && strings.HasPrefix(string(r.act.Level), t.value)
	case "template":
		return strings.Contains(strings.ToLower(w.Spec.Template+" "+w.Spec.Image), t.value)
	}
	for _, s := range []string{w.Name, w.ID, string(w.State), w.Owner, w.Spec.Template, w.Spec.Image} {
		if strings.Contains(strings.ToLower(s), t.value) {
			return true
		}
	}
	for k, v := range w.Labels {
		if strings.Contains(strings.ToLower(k+"="+v), t.value) {
			return true
		}
	}
	return false
}

// hasLabel reports whether there is a label KEY, or KEY=VALUE; one half typed is KEY alone.
func hasLabel(labels map[string]string, want string) bool {
	key, value, _ := strings.Cut(want, "=")
	for k, v := range labels {
		if strings.EqualFold(k, key) && (value == "" || strings.EqualFold(v, value)) {
			return true
		}
	}
	return false
}
