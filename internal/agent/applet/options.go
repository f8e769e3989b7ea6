package applet

import (
	"fmt"
	"strconv"
	"strings"
)

// options are the parsed options of an applet.
type options struct {
	set    map[string]string // letter or long name -> value ("" for a switch)
	rest   []string
	failed bool
}

func (o options) has(names ...string) bool {
	for _, n := range names {
		if _, ok := o.set[n]; ok {
			return true
		}
	}
	return false
}

// number is the value of the option as a count, or otherwise if it was not given.
func (o options) number(name string, otherwise int) (int, error) {
	v, ok := o.set[name]
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("-%s needs a number, not %q", name, v)
	}
	return n, nil
}

// parse reads options in the way of getopt: letters may be joined, and a letter followed
// by ":" in spec takes a value. long maps long names to letters; a long option takes its
// value after "=" or as the next argument. Options may follow operands; "--" ends them.
// A wrong option is told on s.Err, and failed is set.
func parse(s Streams, args []string, spec string, long map[string]string) options {
	o := options{set: map[string]string{}}
	rest := args[1:]
	var err error
	for len(rest) > 0 && err == nil {
		arg := rest[0]
		rest = rest[1:]
		switch {
		case arg == "--":
			o.rest = append(o.rest, rest...)
			rest = nil
		case strings.HasPrefix(arg, "--"):
			rest, err = o.long(arg[2:], rest, spec, long)
		case len(arg) > 1 && arg[0] == '-':
			rest, err = o.letters(arg[1:], rest, spec)
		default:
			o.rest = append(o.rest, arg)
		}
	}
	if err != nil {
		o.failed = true
		fail(s, args[0], "%v", err)
	}
	return o
}

func (o *options) long(arg string, rest []string, spec string, long map[string]string) ([]string, error) {
	name, value, given := strings.Cut(arg, "=")
	letter, ok := long[name]
	if !ok {
		return nil, fmt.Errorf("unknown option --%s", name)
	}
	if strings.Contains(spec, letter+":") && !given {
		if len(rest) == 0 {
			return nil, fmt.Errorf("option --%s needs a value", name)
		}
		value, rest = rest[0], rest[1:]
	}
	o.set[letter] = value
	return rest, nil
}

func (o *options) letters(cluster string, rest []string, spec string) ([]string, error) {
	for i := range len(cluster) {
		letter := cluster[i : i+1]
		at := strings.Index(spec, letter)
		if at < 0 || letter == ":" {
			return nil, fmt.Errorf("unknown option -%s", letter)
		}
		if at+1 >= len(spec) || spec[at+1] != ':' {
			o.set[letter] = ""
			continue
		}
		value := cluster[i+1:]
		if value == "" {
			if len(rest) == 0 {
				return nil, fmt.Errorf("option -%s needs a value", letter)
			}
			value, rest = rest[0], rest[1:]
		}
		o.set[letter] = value
		return rest, nil
	}
	return rest, nil
}
