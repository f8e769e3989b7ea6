package cli

import (
	"testing"

	"github.com/wsctl/wsctl/internal/workspace"
)

func TestWhereFilesComeFrom(t *testing.T) {
	for want, src := range map[string]*workspace.Source{
		"": nil,
		"/srv/app, which it shares with this machine":   {Kind: workspace.SourceBind, Path: "/srv/app"},
		"a copy of a folder":                            {Kind: workspace.SourceUpload, Digest: "sha256:0"},
		"https://host/app.git":                          {Kind: workspace.SourceGit, URL: "https://host/app.git"},
		"https://host/app.git, branch main, at depth 1": {Kind: workspace.SourceGit, URL: "https://host/app.git", Branch: "main", Depth: 1},
	} {
		if got := originText(src); got != want {
			t.Errorf("%+v: %q, want %q", src, got, want)
		}
	}
}
