package devcontainer

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/tailscale/hujson"

	"github.com/wsctl/wsctl/internal/workspace"
)

// portRule is one member of portsAttributes: what is said of the ports first to last.
type portRule struct {
	first, last int
	about       workspace.Port
	others      bool // otherPortsAttributes, for those that no other rule is about
}

func (p portRule) matches(port int) bool { return p.others || p.first <= port && port <= p.last }

// forward adds a port that the file names.
func (r *reader) forward(key string, v *hujson.Value, port int) {
	switch {
	case port < 1 || port > 65535:
		r.mistake(v, key, "has %s, which is not a TCP port", clean(string(literal(v)), 20))
	case slices.Contains(r.forwarded, port):
	case len(r.forwarded) >= workspace.MaxPorts:
		r.note(key, "has more than %d ports: the rest is left out", workspace.MaxPorts)
	default:
		r.forwarded = append(r.forwarded, port)
	}
}

// number reads a port; it is -1 for what is none.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || s[0] == '+' {
		return -1
	}
	return n
}

// hostPort reads PORT or HOST:PORT of this container. here is false for another host.
func hostPort(s string) (port int, here bool) {
	host, p, both := strings.Cut(s, ":")
	if !both {
		return number(s), true
	}
	return number(p), host == "localhost" || host == "127.0.0.1" || host == "0.0.0.0"
}

func (r *reader) forwardPorts(key string, v *hujson.Value) {
	elements := r.elements(key, v)
	for i := range elements {
		e := &elements[i]
		switch literal(e).Kind() {
		case '0':
			r.forward(key, e, number(string(literal(e))))
		case '"':
			s, _ := r.text(key, e, mode{})
			if port, here := hostPort(s); here {
				r.forward(key, e, port)
			} else {
				r.note(key, "%s is left out: only ports of the workspace itself can be forwarded", clean(s, 60))
			}
		default:
			r.mistake(e, key, "must have numbers or \"host:port\"")
		}
	}
}

// appPort is what was published before there was forwardPorts: PORT or OUTSIDE:INSIDE.
func (r *reader) appPort(key string, v *hujson.Value) {
	elements := []hujson.Value{*v}
	if a, ok := v.Value.(*hujson.Array); ok {
		elements = a.Elements
	}
	for i := range elements {
		e := &elements[i]
		s, ok := r.scalar(key, e, mode{})
		if !ok {
			return
		}
		inside := s[strings.LastIndexByte(s, ':')+1:]
		inside, _, _ = strings.Cut(inside, "/")
		r.forward(key, e, number(inside))
	}
	r.note(key, "is not published on the host: it is reached as a forwarded port")
}

func (r *reader) portsAttributes(key string, v *hujson.Value) {
	members := r.members(key, v)
	for i := range members {
		which := name(members[i])
		at := key + "." + which
		rule, ok := portRange(which)
		if !ok {
			r.note(at, "is left out: attributes are for a port, localhost:PORT or a range FROM-TO")
			continue
		}
		rule.about = r.portAttributes(at, &members[i].Value)
		r.attributes = append(r.attributes, rule)
	}
}

// portRange reads PORT, HOST:PORT or FROM-TO.
func portRange(s string) (portRule, bool) {
	from, to, ranged := strings.Cut(s, "-")
	if !ranged || strings.Contains(s, ":") {
		port, here := hostPort(s)
		return portRule{first: port, last: port}, here && port >= 1 && port <= 65535
	}
	rule := portRule{first: number(from), last: number(to)}
	return rule, rule.first >= 1 && rule.first <= rule.last && rule.last <= 65535
}

func (r *reader) otherPorts(key string, v *hujson.Value) {
	r.attributes = append(r.attributes, portRule{others: true, about: r.portAttributes(key, v)})
}

// onOpen is what each way of opening is called here.
var onOpen = map[string]string{
	"notify": "notify", "openBrowser": "open", "openBrowserOnce": "open", "openPreview": "open", "silent": "silent", "ignore": "ignore",
}

// prefer reads one word of few about how a port is shown. Another one is no reason to
// refuse the file.
func (r *reader) prefer(key string, v *hujson.Value, choices ...string) string {
	s := literal(v).String()
	if slices.Contains(choices, s) {
		return s
	}
	r.note(key, "is left out: it must be one of %s%s", strings.Join(choices, ", "), meant(s, choices...))
	return ""
}

// portAttributes reads the attributes of one port or range.
func (r *reader) portAttributes(key string, v *hujson.Value) workspace.Port {
	var p workspace.Port
	members := r.members(key, v)
	for i := range members {
		one, v := name(members[i]), &members[i].Value
		at := key + "." + one
		switch one {
		case "label":
			s, _ := r.text(at, v, mode{})
			p.Label = clean(s, maxLabel)
		case "protocol":
			p.Protocol = r.prefer(at, v, "http", "https")
		case "onAutoForward":
			p.OnOpen = onOpen[r.prefer(at, v, "notify", "openBrowser", "openBrowserOnce", "openPreview", "silent", "ignore")]
		case "requireLocalPort":
			if string(literal(v)) == "true" {
				r.note(at, "is not kept: the port on this machine is leased by wsd")
			}
		case "elevateIfNeeded":
			if string(literal(v)) == "true" {
				r.note(at, "is not done: nothing asks for more rights on the host")
			}
		default:
			r.note(at, "is not an attribute of a port%s", meant(one, "label", "protocol", "onAutoForward", "requireLocalPort", "elevateIfNeeded"))
		}
	}
	return p
}

// ports fills Port with the first one that is forwarded, and Ports with all others and
// with every one that has something said of it.
func (r *reader) ports() {
	for _, rule := range r.attributes { // a single port that has a name is worth listing
		if rule.first == rule.last && !rule.others && rule.about.OnOpen != "ignore" {
			r.forward("portsAttributes", nil, rule.first)
		}
	}
	for i, port := range r.forwarded {
		if i == 0 {
			r.spec().Port = port
		}
		p := r.about(port)
		if i > 0 || p != (workspace.Port{Port: port}) {
			r.spec().Ports = append(r.spec().Ports, p)
		}
	}
}

// about is what the narrowest rule says of a port.
func (r *reader) about(port int) workspace.Port {
	rules := slices.DeleteFunc(slices.Clone(r.attributes), func(p portRule) bool { return !p.matches(port) })
	slices.SortStableFunc(rules, func(a, b portRule) int {
		if a.others != b.others {
			return map[bool]int{true: 1, false: -1}[a.others]
		}
		return cmp.Compare(a.last-a.first, b.last-b.first)
	})
	if len(rules) == 0 {
		return workspace.Port{Port: port}
	}
	p := rules[0].about
	p.Port = port
	return p
}
