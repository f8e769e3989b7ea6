package workspace

import (
	"net/url"
	"path"
	"strings"

	"github.com/wsctl/wsctl/internal/fault"
)

// gitSchemes are the protocols by which git may fetch. Others run commands of their own
// (ext, fd) or read files of whoever runs git (file).
var gitSchemes = map[string]bool{"https": true, "http": true, "ssh": true, "git": true}

// maxURL bounds the address of a repository, and maxGitRef a branch, in bytes.
const (
	maxURL    = 2048
	maxGitRef = 255
	maxDepth  = 1_000_000
)

// ValidateSource checks where files come from. It looks at no file and no network.
func ValidateSource(s Source) error {
	switch s.Kind {
	case SourceBind:
		if !path.IsAbs(s.Path) || path.Clean(s.Path) != s.Path || strings.ContainsAny(s.Path, "\x00\r\n") {
			return sourceFault("path", "%.200q is not an absolute path without detours", s.Path)
		}
		return nil
	case SourceUpload:
		if !isDigest(s.Digest) {
			return sourceFault("digest", "%.80q is not a SHA-256 in hexadecimal", s.Digest)
		}
		return nil
	case SourceGit:
		return validateGit(s)
	}
	return sourceFault("kind", "%.40q is not a kind of source", s.Kind).WithHint("use bind, upload or git")
}

func sourceFault(field, format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, "source_invalid", format, args...).WithField("/source/"+field, "source_invalid", "")
}

func isDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

func validateGit(s Source) error {
	if err := ValidateGitURL(s.URL); err != nil {
		return err
	}
	switch {
	case s.Depth < 0 || s.Depth > maxDepth:
		return sourceFault("depth", "%d is not a depth of history", s.Depth).WithHint("give the number of commits, or 0 for all")
	case s.Branch != "" && ValidateGitRef(s.Branch) != nil:
		return ValidateGitRef(s.Branch)
	case s.SSHAgent || s.KnownHosts != "":
		return validateSSH(s)
	}
	return nil
}

// ValidateGitURL checks the address of a repository: scheme://host/path of a protocol
// that is allowed, or user@host:path. Nothing in it can be taken for an option or a
// command, and it holds no password: that would be stored and shown.
func ValidateGitURL(raw string) error {
	const hint = "give https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH"
	bad := sourceFault("url", "this is not the address of a repository that can be cloned").WithHint(hint)
	if raw == "" || len(raw) > maxURL || raw[0] == '-' || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return bad
	}
	if !strings.Contains(raw, "://") {
		user, rest, ok1 := strings.Cut(raw, "@")
		host, repo, ok2 := strings.Cut(rest, ":")
		if !ok1 || !ok2 || !isPlain(user) || !isPlain(host) || repo == "" || repo[0] == '-' || repo[0] == ':' {
			return bad
		}
		return nil
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return bad
	case !gitSchemes[u.Scheme]:
		return sourceFault("url", "repositories are not fetched by %.20q", u.Scheme).WithHint(hint)
	case !isHost(u.Hostname()) || u.Path == "" || u.Path == "/" || u.RawQuery != "" || u.Fragment != "":
		return bad
	case u.User != nil:
		if _, has := u.User.Password(); has {
			return sourceFault("url", "the address holds a password, which would be kept and shown").
				WithHint("leave it out: wsctl asks git's own credential helper")
		}
		if !isPlain(u.User.Username()) {
			return bad
		}
	}
	return nil
}

// SSHTarget is where a repository lies that is fetched by ssh.
type SSHTarget struct{ User, Host, Port string } // User and Port may be empty

// ParseSSH reads the address of a repository, which is valid; false: it is not fetched by ssh.
func ParseSSH(raw string) (SSHTarget, bool) {
	if !strings.Contains(raw, "://") {
		user, rest, _ := strings.Cut(raw, "@")
		host, _, ok := strings.Cut(rest, ":")
		return SSHTarget{User: user, Host: host}, ok
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "ssh" {
		return SSHTarget{}, false
	}
	return SSHTarget{User: u.User.Username(), Host: u.Hostname(), Port: u.Port()}, true
}

// KnownAs is how known_hosts names the server (sshd(8)).
func (t SSHTarget) KnownAs() string {
	if t.Port == "" || t.Port == "22" {
		return t.Host
	}
	return "[" + t.Host + "]:" + t.Port
}

// maxKnownHosts bounds the host keys of a source, in bytes.
const maxKnownHosts = 32 << 10

func validateSSH(s Source) error {
	if _, ok := ParseSSH(s.URL); !ok {
		return sourceFault("url", "an ssh agent and host keys are for repositories that are fetched by ssh")
	}
	odd := func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f }
	if len(s.KnownHosts) > maxKnownHosts || strings.ContainsFunc(s.KnownHosts, odd) {
		return sourceFault("known_hosts", "these are no lines of a known_hosts of at most %d bytes", maxKnownHosts)
	}
	return nil
}

// isPlain accepts what may stand for a user or host and begins with no dash.
func isPlain(s string) bool {
	return s != "" && s[0] != '-' && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	})
}

// isHost is isPlain, or the address of IPv6.
func isHost(s string) bool {
	return isPlain(s) || strings.Contains(s, ":") && strings.Trim(s, "0123456789abcdefABCDEF:.") == ""
}

// ValidateGitRef checks the name of a branch, a tag or another ref.
func ValidateGitRef(s string) error {
	if s == "" || !isGitRef(s) {
		return sourceFault("branch", "%.80q is not the name of a branch, tag or ref", s)
	}
	return nil
}

// isGitRef follows git-check-ref-format(1), and allows less.
func isGitRef(s string) bool {
	if len(s) > maxGitRef || s[0] == '-' || s[0] == '/' || strings.HasSuffix(s, "/") || strings.HasSuffix(s, ".") || s == "@" {
		return false
	}
	for _, bad := range []string{"..", "//", "@{", "/."} {
		if strings.Contains(s, bad) {
			return false
		}
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r) })
}
