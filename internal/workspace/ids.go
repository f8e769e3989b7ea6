package workspace

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
)

var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewID returns prefix followed by 12 random base32 characters (60 bits).
func NewID(prefix string) string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return prefix + idEncoding.EncodeToString(b[:])[:12]
}

// Prefixes of ids.
const (
	PrefixWorkspace = "w"
	PrefixRun       = "r"
	PrefixJob       = "j"
	PrefixSession   = "s"
	PrefixHold      = "h"
)

// ValidID reports whether s has the form that NewID(prefix) gives.
func ValidID(prefix, s string) bool {
	rest, ok := strings.CutPrefix(s, prefix)
	return ok && len(rest) == 12 && !strings.ContainsFunc(rest, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '2' || r > '7')
	})
}
