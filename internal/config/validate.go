package config

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// refuse notes a value that the rule of its key does not accept.
func (l *loader) refuse(k Key, o Origin, value given) {
	detail := fmt.Sprintf("%s = %.80q%s must be %s", k.Name, o.Value, place(o), k.Allowed())
	if k.rule.problem != nil {
		if problem := k.rule.problem(value); problem != "" {
			detail += ": " + problem
		}
	}
	if o.Value == "" && o.Source == FromDefault {
		detail = fmt.Sprintf("%s has no default without a home folder: set it, or set HOME", k.Name)
	}
	l.problems = append(l.problems, fault.Field{Pointer: k.Pointer(), Code: "value_invalid", Detail: detail})
}

// place says where a value came from, as an aside in a sentence.
func place(o Origin) string {
	if o.Where == "" {
		return ""
	}
	return " (" + o.Where + ")"
}

// refuseUnknown notes a key of the file that does not exist, with the nearest one that does.
func (l *loader) refuseUnknown(name string) {
	shown := strings.ReplaceAll(strings.Trim(name, ".[]"), "\x00", ".")
	detail := fmt.Sprintf("%.80q (%s:%d) is not a setting", shown, l.origins.File, l.lines[name])
	near := l.nearest(shown)
	switch {
	case strings.HasPrefix(name, "[["):
		detail = fmt.Sprintf("[[%.80s]] (%s:%d) makes a list, and no setting is one of tables: write [%[1]s]", shown, l.origins.File, l.lines[name])
	case near != "":
		detail += fmt.Sprintf(", did you mean %s?", near)
	}
	l.problems = append(l.problems, fault.Field{Pointer: pointer(shown), Code: "key_unknown", Detail: detail})
}

// nearest returns the key that name was probably meant to be, or nothing.
func (l *loader) nearest(name string) string {
	const most = 2 // more edits are no typing mistake
	best, bestDistance := "", most+1
	for _, k := range l.keys {
		if d := fault.Edits(strings.ToLower(name), k.Name, most); d < bestDistance {
			best, bestDistance = k.Name, d
		}
		if section, key, ok := strings.Cut(k.Name, "."); ok && (key == name || section+"."+key == strings.ToLower(name)) {
			return k.Name
		}
	}
	return best
}

// crossCheck notes values that are wrong only together. Values that are already
// refused by themselves are left out.
func (l *loader) crossCheck() {
	first, ok1 := l.integer("ports.first")
	last, ok2 := l.integer("ports.last")
	if width := last - first + 1; ok1 && ok2 && width < 1 {
		l.refuseTogether("range_reversed", "ports.last", "ports.first", "must not be below it")
	} else if ok1 && ok2 && width > maxPorts {
		l.refuseTogether("range_too_wide", "ports.last", "ports.first",
			fmt.Sprintf("makes %d ports, at most %d are allowed", width, maxPorts))
	}
	backoff, ok1 := l.duration("jobs.backoff")
	most, ok2 := l.duration("jobs.max_backoff")
	if ok1 && ok2 && most < backoff {
		l.refuseTogether("range_reversed", "jobs.max_backoff", "jobs.backoff", "must not be below it")
	}
	subnets, ok0 := l.accepted["docker.subnets"].text()
	spare, ok1 := l.integer("docker.spare")
	keep, ok2 := l.integer("docker.keep")
	if !ok0 || !ok1 || !ok2 {
		return
	}
	networks := int64(1) << (28 - netip.MustParsePrefix(subnets).Bits()) // each is a /28
	if spare+keep > networks {
		l.refuseTogether("subnets_too_few", "docker.keep", "docker.spare",
			fmt.Sprintf("makes more than the %d networks that fit into docker.subnets", networks))
	}
}

func (l *loader) integer(key string) (int64, bool) { return l.accepted[key].integer() }

func (l *loader) duration(key string) (d workspace.Duration, ok bool) {
	s, ok := l.accepted[key].text()
	ok = ok && d.UnmarshalText([]byte(s)) == nil
	return d, ok
}

// refuseTogether notes that key does not go with other.
func (l *loader) refuseTogether(code, key, other, problem string) {
	a, _ := l.origins.Explain(key)
	b, _ := l.origins.Explain(other)
	l.problems = append(l.problems, fault.Field{
		Pointer: pointer(key), Code: code,
		Detail: fmt.Sprintf("%s = %s%s with %s = %s%s: %s", key, a.Value, place(a), other, b.Value, place(b), problem),
	})
}

// fault returns all problems as one error, or nil.
func (l *loader) fault() error {
	if len(l.problems) == 0 {
		return nil
	}
	details := make([]string, len(l.problems))
	for i, p := range l.problems {
		details[i] = p.Detail
	}
	text := details[0]
	if len(details) > 1 {
		text = fmt.Sprintf("%d settings are wrong: %s", len(details), strings.Join(details, "; "))
	}
	err := fault.New(fault.Invalid, "config_invalid", "%s", text).
		WithHint("docs/configuration.md tells what each setting takes")
	err.Fields = l.problems
	return err
}
