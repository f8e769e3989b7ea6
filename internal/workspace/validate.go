package workspace

import (
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/wsctl/wsctl/internal/fault"
)

// Bounds of what a person may give. They are the same for the API, the command
// line and templates.
const (
	MaxName       = 40 // with -- excluded: fits a DNS label beside a port
	MaxLabels     = 32
	MaxLabelKey   = 63
	MaxLabelValue = 256
	MaxEnv        = 256
	MaxEnvValue   = 32 << 10
	MaxCommand    = 256      // words
	MaxWord       = 64 << 10 // bytes of one word
	MinMemory     = 16 << 20 // bytes; below it the engine refuses or nothing starts
	MaxMemory     = 1 << 42  // bytes, 4 TiB
	MinCPUs       = 0.01
	MaxCPUs       = 1024
	MinPids       = 16
	MaxPids       = 32768
	MaxFiles      = 256 << 10 // bytes of Spec.Files together
)

// Compiled at their first use: wsctl would pay for them at every start.
var (
	labelRE = lazily(`^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$`)
	envRE   = lazily(`^[A-Za-z_][A-Za-z0-9_]*$`)
	imageRE = lazily(`^[a-z0-9]+([._:/-]+[a-zA-Z0-9_.]+)*(@sha256:[0-9a-f]{64})?$`)
)

func lazily(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// ValidateName checks a workspace name: lower-case ASCII letters, digits and
// single dashes, 1 to 40 characters, so that it is a DNS label and cannot be
// mistaken for a PORT--NAME host.
func ValidateName(s string) error {
	const hint = "use 1 to 40 lower-case letters, digits and single dashes, such as my-app"
	switch {
	case s == "":
		return fault.New(fault.Invalid, "name_required", "the name is empty").WithHint(hint).
			WithField("/name", "name_required", "")
	case len(s) > MaxName:
		return nameFault("name_too_long", "the name has %d characters, at most %d are allowed", len(s), MaxName).WithHint(hint)
	case !isLabel(s):
		if lower := strings.ToLower(s); lower != s && isLabel(lower) && !strings.Contains(lower, "--") {
			return nameFault("name_invalid", "%.60q is not a valid name", s).WithHint("did you mean %q? names are lower case", lower)
		}
		return nameFault("name_invalid", "%.60q is not a valid name", s).WithHint(hint)
	case strings.Contains(s, "--"):
		return nameFault("name_invalid", "%.60q has two dashes in a row", s).WithHint(hint)
	}
	return nil
}

// isLabel reports whether s has only lower-case letters, digits and, inside,
// dashes. A regular expression would cost wsctl a tenth of its start.
func isLabel(s string) bool {
	for i := range len(s) {
		c := s[i]
		dash := c == '-' && i > 0 && i < len(s)-1
		if !dash && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

func nameFault(code, format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, code, format, args...).WithField("/name", code, "")
}

// ValidateLabel checks one label. An empty value is allowed.
func ValidateLabel(key, value string) error {
	if len(key) > MaxLabelKey || !labelRE().MatchString(key) {
		return fault.New(fault.Invalid, "label_invalid", "%.80q is not a label key", key).
			WithHint("use 1 to 63 letters, digits, dots, dashes, underscores and slashes").WithField("/labels", "label_invalid", "")
	}
	if len(value) > MaxLabelValue || !utf8.ValidString(value) || strings.ContainsFunc(value, isControl) {
		return fault.New(fault.Invalid, "label_invalid", "the value of label %s is not plain text of at most %d bytes", key, MaxLabelValue).
			WithField("/labels", "label_invalid", "")
	}
	return nil
}

// ValidateLabels checks a whole set.
func ValidateLabels(m map[string]string) error {
	if len(m) > MaxLabels {
		return fault.New(fault.Invalid, "labels_too_many", "%d labels are given, at most %d are allowed", len(m), MaxLabels)
	}
	for k, v := range m {
		if err := ValidateLabel(k, v); err != nil {
			return err
		}
	}
	return nil
}

// ValidateEnv checks variables for the inside of a workspace.
func ValidateEnv(m map[string]string) error {
	if len(m) > MaxEnv {
		return fault.New(fault.Invalid, "env_too_many", "%d variables are given, at most %d are allowed", len(m), MaxEnv)
	}
	for k, v := range m {
		if !envRE().MatchString(k) || len(k) > 256 {
			return fault.New(fault.Invalid, "env_invalid", "%.80q is not the name of a variable", k).
				WithHint("write KEY=value; a key has letters, digits and underscores").WithField("/env", "env_invalid", "")
		}
		if len(v) > MaxEnvValue {
			return fault.New(fault.TooLarge, "env_too_large", "the value of %s has %d bytes, at most %d are allowed", k, len(v), MaxEnvValue).
				WithHint("put large values into a file of the workspace")
		}
		if strings.ContainsRune(v, 0) || !utf8.ValidString(v) {
			return fault.New(fault.Invalid, "env_invalid", "the value of %s is not text", k)
		}
	}
	return nil
}

// ValidateImage checks an image reference as a person writes it.
func ValidateImage(s string) error {
	if len(s) > 255 || !imageRE().MatchString(s) || strings.Contains(s, "//") {
		return fault.New(fault.Invalid, "image_invalid", "%.80q is not an image reference", s).
			WithHint("write NAME[:TAG] or NAME@sha256:DIGEST, such as debian:12").WithField("/image", "image_invalid", "")
	}
	return nil
}

// ValidateCommand checks a main process or a hook.
func ValidateCommand(words []string) error {
	if len(words) > MaxCommand {
		return fault.New(fault.Invalid, "command_too_long", "the command has %d words, at most %d are allowed", len(words), MaxCommand)
	}
	for i, w := range words {
		if (i == 0 && w == "") || len(w) > MaxWord || strings.ContainsRune(w, 0) {
			return fault.New(fault.Invalid, "command_invalid", "word %d of the command is empty, too long or has a NUL in it", i+1)
		}
	}
	return nil
}

// ValidateLimits checks ranges; what the host has is checked by the caller.
func ValidateLimits(l Limits) error {
	if !(l.CPUs >= MinCPUs && l.CPUs <= MaxCPUs) { // also refuses NaN
		return fault.New(fault.Invalid, "cpus_invalid", "%v is not a valid number of CPUs", l.CPUs).
			WithHint("give %v to %d cores", MinCPUs, MaxCPUs).WithField("/limits/cpus", "cpus_invalid", "")
	}
	if l.Memory < MinMemory || l.Memory > MaxMemory {
		return fault.New(fault.Invalid, "memory_invalid", "%d bytes of memory are out of range", l.Memory).
			WithHint("give 16MiB to 4TiB, such as 512MiB or 2GiB").WithField("/limits/memory", "memory_invalid", "")
	}
	if l.Pids < MinPids || l.Pids > MaxPids {
		return fault.New(fault.Invalid, "pids_invalid", "%d processes are out of range", l.Pids).
			WithHint("give %d to %d", MinPids, MaxPids).WithField("/limits/pids", "pids_invalid", "")
	}
	return nil
}

// ValidatePort checks a TCP port inside a workspace.
func ValidatePort(p int) error {
	if p < 1 || p > 65535 {
		return fault.New(fault.Invalid, "port_invalid", "%d is not a TCP port", p).
			WithHint("give 1 to 65535").WithField("/port", "port_invalid", "")
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) }
