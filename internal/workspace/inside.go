package workspace

import (
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/wsctl/wsctl/internal/fault"
)

// Bounds of what a workspace has inside.
const (
	MaxMounts  = 32 // beside its files
	MaxHooks   = 64
	MaxPorts   = 64
	MaxSecrets = 32
	MaxDir     = 1024 // bytes of a path inside
	maxID      = 1<<31 - 1
)

// filesDir is where a workspace's files are.
const filesDir = "/workspace"

var (
	userRE   = lazily(`^[a-z_][a-z0-9_-]{0,31}$`) // stricter than an engine: shadow's own rule
	idsRE    = lazily(`^[0-9]{1,10}(:[0-9]{1,10})?$`)
	volumeRE = lazily(`^[a-z0-9][a-z0-9_.-]{0,62}$`)
)

// ValidateUser checks a user name of an image, UID or UID:GID. Whether the image has it
// shows at the start.
func ValidateUser(s string) error {
	if userRE().MatchString(s) {
		return nil
	}
	sound := idsRE().MatchString(s)
	for part := range strings.SplitSeq(s, ":") {
		n, err := strconv.ParseInt(part, 10, 64)
		sound = sound && err == nil && n <= maxID
	}
	if !sound {
		return fault.New(fault.Invalid, "user_invalid", "%.60q is not a user: give UID:GID or a user name of the image", s).
			WithField("/user", "user_invalid", "")
	}
	return nil
}

// ValidateDir checks an absolute path inside a workspace.
func ValidateDir(s string) error {
	if !path.IsAbs(s) || path.Clean(s) != s || len(s) > MaxDir || !utf8.ValidString(s) ||
		strings.ContainsFunc(s, func(c rune) bool { return isControl(c) || c == '\\' }) {
		return fault.New(fault.Invalid, "dir_invalid", "%.80q is not an absolute path without detours", s).
			WithField("/dir", "dir_invalid", "")
	}
	return nil
}

// ValidateVolume checks the name of a volume within its workspace.
func ValidateVolume(s string) error {
	if !volumeRE().MatchString(s) {
		return fault.New(fault.Invalid, "volume_invalid", "%.80q is not the name of a volume", s).
			WithHint("use 1 to 63 lower-case letters, digits, dots, dashes and underscores").WithField("/mounts", "volume_invalid", "")
	}
	return nil
}

// reserved are places inside that a workspace needs for itself.
var reserved = []string{
	"/proc", "/sys", "/dev", "/run", "/var/run", "/tmp", "/opt/wsd", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf",
}

// ValidateTarget checks a place inside for a mount. Drivers check it again.
func ValidateTarget(s string) error {
	refuse := func(why string) error {
		return fault.New(fault.Invalid, "mount_refused", "nothing can be mounted at %.80q: %s", s, why).
			WithField("/mounts", "mount_refused", "")
	}
	if ValidateDir(s) != nil || strings.ContainsAny(s, ",:") {
		return refuse("it is not an absolute path")
	}
	if s == filesDir {
		return refuse("the files of the workspace are there")
	}
	for _, place := range append([]string{filesDir}, reserved...) {
		if below(place, s) || place != filesDir && below(s, place) {
			return refuse("the workspace needs that place itself")
		}
	}
	return nil
}

// below reports whether p is dir or in it; both are clean.
func below(p, dir string) bool { return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/") }
