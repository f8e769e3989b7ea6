package api

import (
	"net/url"
	"testing"

	"github.com/wsctl/wsctl/internal/workspace"
)

func TestABriefNamesTheTemplateElseTheImage(t *testing.T) {
	for _, c := range []struct{ name, template, image, wantTemplate, wantImage string }{
		{"a template hides its image", "static", "wsd:base", "static", ""},
		{"an image of one's own", "", "debian:12", "", "debian:12"},
	} {
		b := BriefOf(workspace.Workspace{Spec: workspace.Spec{Template: c.template, Image: c.image}})
		if b.Template != c.wantTemplate || b.Image != c.wantImage {
			t.Errorf("%s: got %q and %q", c.name, b.Template, b.Image)
		}
	}
}

func TestABriefHasAReasonOnlyWhereAttentionIsNeeded(t *testing.T) {
	for _, c := range []struct {
		name string
		cond workspace.Condition
		want string
	}{
		{"attention", workspace.Condition{Type: workspace.Attention, Status: true, Reason: "job_failed"}, "job_failed"},
		{"attention that is over", workspace.Condition{Type: workspace.Attention, Reason: "job_failed"}, ""},
		{"another condition", workspace.Condition{Type: workspace.Ready, Status: true, Reason: "port"}, ""},
	} {
		if got := BriefOf(workspace.Workspace{Conditions: []workspace.Condition{c.cond}}).Reason; got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestNameURLsNameThePortUnlessItIsTheWorkspacesOwn(t *testing.T) {
	for _, c := range []struct {
		address   string
		port, own int
		want      string
	}{
		{"127.0.0.1:7070", 8080, 8080, "http://demo.localhost:7070/"},
		{"127.0.0.1:7070", 5173, 8080, "http://5173.demo.localhost:7070/"},
		{"[::1]:80", 8080, 8080, "http://demo.localhost/"},
		{"127.0.0.1:7070", 0, 0, ""},
		{"", 8080, 8080, ""},
	} {
		if got := NameURL(c.address, "demo", c.port, c.own); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestThePreviewPageHasAHostOfItsOwnBelowTheWorkspaces(t *testing.T) {
	for _, c := range []struct {
		address string
		view    url.Values
		want    string
	}{
		{"127.0.0.1:7070", nil, "http://preview.demo.localhost:7070/"},
		{"[::1]:80", nil, "http://preview.demo.localhost/"},
		{"127.0.0.1:7070", url.Values{"port": {"5173"}, "path": {"/a b"}}, "http://preview.demo.localhost:7070/?path=%2Fa+b&port=5173"},
		{"", nil, ""},
		{"", url.Values{"port": {"5173"}}, ""},
	} {
		if got := PreviewURL(c.address, "demo", c.view); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
