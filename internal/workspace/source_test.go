package workspace

import (
	"strings"
	"testing"
)

func TestWhereFilesMayComeFrom(t *testing.T) {
	for _, s := range []Source{
		{Kind: SourceBind, Path: "/home/me/my project"},
		{Kind: SourceUpload, Digest: strings.Repeat("0a", 32)},
		{Kind: SourceGit, URL: "https://example.org/a.git"},
		{Kind: SourceGit, URL: "https://me@example.org:8443/a/b", Branch: "feature/x-1", Depth: 1},
		{Kind: SourceGit, URL: "http://[::1]:8080/a.git", Branch: "refs/pull/12/head"},
		{Kind: SourceGit, URL: "git@github.com:org/repo.git", Branch: "v1.2"},
		{Kind: SourceGit, URL: "ssh://git@example.org/~me/repo"},
		{Kind: SourceGit, URL: "git://172.17.0.1:9418/demo.git"},
	} {
		if err := ValidateSource(s); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
	for _, s := range []Source{
		{},
		{Kind: "ftp"},
		{Kind: SourceBind, Path: "a"},
		{Kind: SourceBind, Path: "/a/../b"},
		{Kind: SourceBind, Path: "/a\nb"},
		{Kind: SourceUpload, Digest: "ABC"},
		{Kind: SourceUpload, Digest: strings.Repeat("0A", 32)},
		{Kind: SourceGit, URL: "https://example.org/a", Depth: -1},
	} {
		if err := ValidateSource(s); err == nil {
			t.Errorf("%+v is accepted", s)
		}
	}
	for _, url := range []string{
		"", "ext::sh -c x", "fd::17", "file:///etc", "FILE:///etc", "-oProxyCommand=x", "--upload-pack=x", "ssh://-oProxyCommand=x/y",
		"ssh://-x@host/y", "https://me:secret@example.org/x", "https://example.org/a b", "https://example.org/a\nb", "/etc", "a:b", "me@-host:x",
		"me@host:-x", "me@host::x", "https://", "https://example.org", "https://example.org/", "https://example.org/a?x=1", "ext::https://example.org/a",
		"https://exa%6dple.org/\x00", strings.Repeat("https://example.org/", 200),
	} {
		if err := ValidateGitURL(url); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
	for _, branch := range []string{"-b", "a b", "a..b", "a:b", "a~1", "/a", "a/", "a//b", "a@{1}", "@", ".a", "a/.b", "a.lock", "a\nb", "a*", strings.Repeat("a", 300)} {
		if err := ValidateSource(Source{Kind: SourceGit, URL: "https://example.org/a", Branch: branch}); err == nil {
			t.Errorf("the branch %q is accepted", branch)
		}
	}
}

func FuzzGitURL(f *testing.F) {
	for _, s := range []string{"https://example.org/a.git", "git@github.com:org/repo.git", "ssh://-oProxyCommand=x/y", "ext::sh"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if ValidateGitURL(s) != nil {
			return
		}
		if s[0] == '-' || strings.ContainsAny(s, " \n\x00") || strings.Contains(s, "::") && !strings.Contains(s, "[") {
			t.Errorf("%q is accepted", s)
		}
	})
}
