package applet

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"
)

func wc(s Streams, args []string) int {
	o := parse(s, args, "lwcm", map[string]string{"lines": "l", "words": "w", "bytes": "c", "chars": "m"})
	if o.failed {
		return usage(s, "wc [-lwcm] [FILE]...")
	}
	if len(o.set) == 0 {
		o.set = map[string]string{"l": "", "w": "", "c": ""}
	}
	var total counts
	status := eachInput(s, "wc", o.rest, func(file string, r io.Reader) error {
		c, err := count(r)
		if len(o.rest) == 0 {
			file = ""
		}
		c.print(s.Out, o, file)
		total.add(c)
		return err
	})
	if len(o.rest) > 1 {
		total.print(s.Out, o, "total")
	}
	return status
}

type counts struct{ l, w, c, m int }

func (c *counts) add(d counts) {
	c.l, c.w, c.c, c.m = c.l+d.l, c.w+d.w, c.c+d.c, c.m+d.m
}

func (c counts) print(w io.Writer, o options, label string) {
	var columns []string
	for _, v := range []struct {
		option string
		n      int
	}{{"l", c.l}, {"w", c.w}, {"m", c.m}, {"c", c.c}} {
		if o.has(v.option) {
			columns = append(columns, strconv.Itoa(v.n))
		}
	}
	if label != "" {
		columns = append(columns, label)
	}
	fmt.Fprintln(w, strings.Join(columns, " "))
}

func count(r io.Reader) (counts, error) {
	var c counts
	in, inWord := bufio.NewReader(r), false
	for {
		b, err := in.ReadByte()
		if err != nil {
			return c, ignoreEOF(err)
		}
		c.c++
		if utf8.RuneStart(b) {
			c.m++
		}
		if b == '\n' {
			c.l++
		}
		space := b == ' ' || b >= '\t' && b <= '\r'
		if !space && !inWord {
			c.w++
		}
		inWord = !space
	}
}

func tee(s Streams, args []string) int {
	o := parse(s, args, "ai", map[string]string{"append": "a"})
	if o.failed {
		return usage(s, "tee [-a] [FILE]...")
	}
	mode, status := os.O_TRUNC, 0
	if o.has("a") {
		mode = os.O_APPEND
	}
	out := []io.Writer{s.Out}
	var files []*os.File
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	for _, file := range o.rest {
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|mode, 0o666)
		if err != nil {
			status = fail(s, "tee", "%s: %v", file, why(err))
			continue
		}
		files = append(files, f)
		out = append(out, f)
	}
	if _, err := io.Copy(io.MultiWriter(out...), s.In); err != nil {
		return fail(s, "tee", "%v", err)
	}
	return status
}

func uniq(s Streams, args []string) int {
	o := parse(s, args, "cdui", map[string]string{"count": "c", "repeated": "d", "unique": "u", "ignore-case": "i"})
	if o.failed || len(o.rest) > 1 {
		return usage(s, "uniq [-cdui] [FILE]")
	}
	w := bufio.NewWriter(s.Out)
	defer w.Flush()
	last, n := "", 0
	emit := func() {
		switch {
		case n == 0, o.has("d") && n == 1, o.has("u") && n > 1:
		case o.has("c"):
			fmt.Fprintf(w, "%7d %s\n", n, last)
		default:
			fmt.Fprintln(w, last)
		}
	}
	status := eachInput(s, "uniq", o.rest, func(_ string, r io.Reader) error {
		sc := lines(r)
		for sc.Scan() {
			line := sc.Text()
			if n > 0 && (line == last || o.has("i") && strings.EqualFold(line, last)) {
				n++
				continue
			}
			emit()
			last, n = line, 1
		}
		return sc.Err()
	})
	emit()
	return status
}

func cut(s Streams, args []string) int {
	o := parse(s, args, "d:f:c:b:s", map[string]string{"delimiter": "d", "fields": "f", "characters": "c", "bytes": "b"})
	ranges, err := parseRanges(o.set["f"] + o.set["c"] + o.set["b"])
	if o.failed || err != nil {
		return usage(s, "cut -f LIST [-d CHAR] [-s] | -c LIST | -b LIST [FILE]...")
	}
	delim := "\t"
	if d, ok := o.set["d"]; ok {
		delim = d
	}
	w := bufio.NewWriter(s.Out)
	defer w.Flush()
	return eachInput(s, "cut", o.rest, func(_ string, r io.Reader) error {
		sc := lines(r)
		for sc.Scan() {
			line := sc.Text()
			if o.has("f") && !strings.Contains(line, delim) {
				if !o.has("s") {
					fmt.Fprintln(w, line)
				}
				continue
			}
			parts, joiner := strings.Split(line, ""), ""
			if o.has("f") {
				parts, joiner = strings.Split(line, delim), delim
			}
			fmt.Fprintln(w, strings.Join(ranges.pick(parts), joiner))
		}
		return sc.Err()
	})
}

// ranges are pairs of first and last, counted from 1.
type ranges [][2]int

func parseRanges(list string) (ranges, error) {
	var out ranges
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		r := [2]int{1, 1 << 30}
		var err error
		if from != "" {
			r[0], err = strconv.Atoi(from)
		}
		if !isRange {
			r[1] = r[0]
		} else if to != "" && err == nil {
			r[1], err = strconv.Atoi(to)
		}
		if err != nil || part == "" || part == "-" || r[0] < 1 {
			return nil, fmt.Errorf("bad list %q", list)
		}
		out = append(out, r)
	}
	return out, nil
}

func (rs ranges) pick(parts []string) []string {
	var out []string
	for i, p := range parts {
		for _, r := range rs {
			if i+1 >= r[0] && i+1 <= r[1] {
				out = append(out, p)
				break
			}
		}
	}
	return out
}
