package cli

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/template"
)

// What the skeleton shows in comments must be right as well, and it must show every key.
func TestTheSkeletonIsATemplateWithItsCommentsToo(t *testing.T) {
	raw, err := skeleton.ReadFile("skeleton/template.toml")
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?m)^#([a-z\[])`).ReplaceAllString(string(raw), "$1")
	text = strings.Replace(text, `image = "wsd:base"`, "", 1) // a build is in its place
	tpl, err := template.Parse([]byte(text), "skeleton", os.DirFS("skeleton"))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := tpl.Spec(nil)
	if err != nil || spec.Build == nil || len(spec.Hooks) != 1 || len(spec.Files) != 2 {
		t.Errorf("the skeleton resolves to %+v, %v", spec, err)
	}
	document, err := os.ReadFile("../../docs/templates.md")
	if err != nil {
		t.Fatal(err)
	}
	keys := regexp.MustCompile("(?m)^\\| `(?:\\[\\[)?([a-z_]+)").FindAllStringSubmatch(string(document), -1)
	if len(keys) < 40 {
		t.Fatalf("%d keys are in the document", len(keys))
	}
	builtin := regexp.MustCompile(`^(static|web|shell|node|go|python|rust|fullstack|name)$`)
	for _, k := range keys {
		if !builtin.MatchString(k[1]) && !strings.Contains(text, k[1]) {
			t.Errorf("the skeleton does not show %s", k[1])
		}
	}
}
