package config

import (
	"fmt"
	"math"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/workspace"
)

// rule says which values one key takes. accepts is false for a value outside;
// allowed then ends the sentence "must be ...". form writes an accepted value as
// Key.Of writes the decoded one. problem, if set, says what is wrong with one that is
// not accepted, or nothing.
type rule struct {
	allowed string
	accepts func(given) bool
	form    func(given) string
	problem func(given) string
}

// given is one value as some source has it: text from the environment and from
// flags, a TOML value from the file. The two differ in that only text may stand
// for a number: a quoted number in the file is a mistake.
type given struct {
	raw      any
	fromText bool
}

func (g given) text() (string, bool) {
	s, ok := g.raw.(string)
	return s, ok
}

func (g given) integer() (int64, bool) {
	if s, ok := g.raw.(string); ok && g.fromText {
		n, err := strconv.ParseInt(s, 10, 64)
		return n, err == nil
	}
	n, ok := g.raw.(int64)
	return n, ok
}

func (g given) number() (float64, bool) {
	switch v := g.raw.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case string:
		if g.fromText {
			f, err := strconv.ParseFloat(v, 64)
			return f, err == nil
		}
	}
	return 0, false
}

// textRule is a rule on a string.
func textRule(allowed string, accepts func(string) bool) rule {
	return rule{allowed: allowed, form: asText, accepts: func(g given) bool {
		s, ok := g.text()
		return ok && accepts(s)
	}}
}

func asText(g given) string {
	s, _ := g.text()
	return s
}

func integer(lo, hi int64) rule {
	accepts := func(g given) bool {
		n, ok := g.integer()
		return ok && n >= lo && n <= hi
	}
	return rule{allowed: fmt.Sprintf("a whole number from %d to %d", lo, hi), accepts: accepts, form: func(g given) string {
		n, _ := g.integer()
		return strconv.FormatInt(n, 10)
	}}
}

func number(lo, hi float64) rule {
	accepts := func(g given) bool {
		f, ok := g.number()
		return ok && !math.IsNaN(f) && f >= lo && f <= hi
	}
	return rule{allowed: fmt.Sprintf("a number from %v to %v", lo, hi), accepts: accepts, form: func(g given) string {
		f, _ := g.number()
		return formatNumber(f)
	}}
}

func oneOf(words ...string) rule {
	return textRule(strings.Join(words[:len(words)-1], ", ")+" or "+words[len(words)-1],
		func(s string) bool { return slices.Contains(words, s) })
}

func size(lo, hi int64) rule {
	return textRule(fmt.Sprintf("a size with a unit from %s to %s, such as 512MiB or 2GiB", workspace.FormatSize(lo), workspace.FormatSize(hi)),
		func(s string) bool {
			n, err := workspace.ParseSize(s)
			return err == nil && n >= lo && n <= hi
		})
}

func duration(lo, hi time.Duration) rule {
	allowed := fmt.Sprintf("a duration with a unit from %s to %s, such as 90s or 10m",
		shortDuration(workspace.Duration(lo)), shortDuration(workspace.Duration(hi)))
	r := textRule(allowed, func(s string) bool {
		var d workspace.Duration
		return d.UnmarshalText([]byte(s)) == nil && d.Std() >= lo && d.Std() <= hi
	})
	r.form = func(g given) string {
		var d workspace.Duration
		_ = d.UnmarshalText([]byte(asText(g))) // accepted before
		return shortDuration(d)
	}
	return r
}

func templateName() rule {
	return textRule("the name of a template: lower-case letters, digits and single dashes",
		func(s string) bool { return workspace.ValidateName(s) == nil })
}

func plainPath(s string) bool {
	return filepath.IsAbs(s) && filepath.Clean(s) == s && s != "/" &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func absolutePath(emptyToo bool) rule {
	allowed := "an absolute path"
	if emptyToo {
		allowed = "an absolute path, or empty for none"
	}
	r := textRule(allowed, func(s string) bool { return plainPath(s) || emptyToo && s == "" })
	r.problem = detour
	return r
}

// detour tells how a path is written that ends with a slash, or has dots in it.
func detour(g given) string {
	if s, clean := asText(g), filepath.Clean(asText(g)); clean != s && plainPath(clean) {
		return "write " + clean
	}
	return ""
}

// maxSocketPath is what fits into sun_path with its NUL (unix(7)).
const maxSocketPath = 107

// publicFolders may be written by everybody: a socket there could be planted.
var publicFolders = []string{"/tmp", "/var/tmp", "/dev/shm"}

func socketPath() rule {
	r := textRule(fmt.Sprintf("an absolute path of at most %d bytes, not directly in /tmp, /var/tmp or /dev/shm", maxSocketPath),
		func(s string) bool {
			return plainPath(s) && len(s) <= maxSocketPath && !slices.Contains(publicFolders, filepath.Dir(s))
		})
	r.problem = detour
	return r
}

func unixURL() rule {
	return textRule("unix:///PATH, or empty", func(s string) bool {
		path, ok := strings.CutPrefix(s, "unix://")
		return s == "" || ok && plainPath(path)
	})
}

// Off stands for no address.
const Off = "off"

// loopback takes an address that only this machine can reach: what is served there asks
// nobody who they are.
func loopback() rule {
	return textRule("an address of this machine alone with a port, such as 127.0.0.1:7070, or off", func(s string) bool {
		a, err := netip.ParseAddrPort(s)
		return s == Off || err == nil && a.Addr().IsLoopback() && a.Addr().Zone() == "" && a.Port() != 0
	})
}

// minSubnetBits and maxSubnetBits bound docker.subnets: the whole of 10.0.0.0/8
// down to 16 workspaces.
const (
	minSubnetBits = 8
	maxSubnetBits = 24
)

func privatePrefix() rule {
	return textRule("a private IPv4 prefix from /8 to /24, such as 10.213.0.0/16", func(s string) bool {
		p, err := netip.ParsePrefix(s)
		if err != nil || !p.Addr().Is4() || p.Masked() != p || p.Bits() < minSubnetBits || p.Bits() > maxSubnetBits {
			return false
		}
		// The prefix must lie wholly inside one of the ranges of RFC 1918.
		return p.Addr().IsPrivate() && lastAddr(p).IsPrivate()
	})
}

func lastAddr(p netip.Prefix) netip.Addr {
	a := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		a[bit/8] |= 1 << (7 - bit%8)
	}
	return netip.AddrFrom4(a)
}
