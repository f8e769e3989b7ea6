package applet

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// ordering is how two lines compare.
type ordering struct {
	numeric, human, fold, reverse bool
	from, to                      int // fields, counted from 1; 0: the whole line, to its end
	sep                           string
}

// sortLines sorts in memory.
func sortLines(s Streams, args []string) int {
	o := parse(s, args, "nhrufbsk:t:o:", map[string]string{
		"numeric-sort": "n", "reverse": "r", "unique": "u", "ignore-case": "f", "key": "k", "field-separator": "t", "output": "o", "human-numeric-sort": "h",
	})
	order := ordering{numeric: o.has("n"), human: o.has("h"), fold: o.has("f"), reverse: o.has("r"), sep: o.set["t"]}
	if o.failed || !order.key(o.set["k"]) {
		return usage(s, "sort [-nhruf] [-k FROM[,TO]] [-t CHAR] [-o FILE] [FILE]...")
	}
	var all []string
	status := eachInput(s, "sort", o.rest, func(_ string, r io.Reader) error {
		sc := lines(r)
		for sc.Scan() {
			all = append(all, sc.Text())
		}
		return sc.Err()
	})
	slices.SortStableFunc(all, order.compare)
	if o.has("u") {
		all = slices.CompactFunc(all, func(a, b string) bool { return order.keys(a, b) == 0 })
	}
	if err := writeLines(s, o.set["o"], all); err != nil {
		return fail(s, "sort", "%v", err)
	}
	return status
}

func writeLines(s Streams, file string, all []string) error {
	out := s.Out
	if file != "" {
		f, err := os.Create(file)
		if err != nil {
			return err
		}
		defer f.Close()
		out = f
	}
	w := bufio.NewWriter(out)
	for _, line := range all {
		_, _ = w.WriteString(line + "\n") // the writer keeps its first error for Flush
	}
	return w.Flush()
}

// key parses "2", "2,3", "2n", "2,2nr".
func (o *ordering) key(k string) bool {
	if k == "" {
		return true
	}
	digits := strings.TrimRight(k, "nrhfb")
	for _, letter := range k[len(digits):] {
		switch letter {
		case 'n':
			o.numeric = true
		case 'r':
			o.reverse = true
		case 'h':
			o.human = true
		case 'f':
			o.fold = true
		}
	}
	from, to, both := strings.Cut(digits, ",")
	var err error
	if o.from, err = strconv.Atoi(strings.TrimRight(from, "nrhfb")); err != nil || o.from < 1 {
		return false
	}
	if both {
		o.to, err = strconv.Atoi(to)
	}
	return err == nil
}

// compare breaks a tie of the keys by the whole line.
func (o ordering) compare(a, b string) int {
	c := o.keys(a, b)
	if c == 0 {
		c = strings.Compare(a, b)
	}
	if o.reverse {
		return -c
	}
	return c
}

func (o ordering) keys(a, b string) int {
	a, b = o.part(a), o.part(b)
	switch {
	case o.human:
		return cmp.Compare(humanNumber(a), humanNumber(b))
	case o.numeric:
		return cmp.Compare(leadingNumber(a), leadingNumber(b))
	case o.fold:
		return strings.Compare(strings.ToUpper(a), strings.ToUpper(b))
	}
	return strings.Compare(a, b)
}

func (o ordering) part(line string) string {
	if o.from == 0 {
		return line
	}
	fields := strings.Fields(line)
	if o.sep != "" {
		fields = strings.Split(line, o.sep)
	}
	if o.from > len(fields) {
		return ""
	}
	to := len(fields)
	if o.to >= o.from {
		to = min(o.to, to)
	}
	return strings.Join(fields[o.from-1:to], o.sep+" ")
}

// leadingNumber is the number at the start of s, 0 if there is none.
func leadingNumber(s string) float64 {
	s = strings.TrimLeft(s, " \t")
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || s[end] == '.' || end == 0 && s[end] == '-') {
		end++
	}
	n, err := strconv.ParseFloat(s[:end], 64)
	if err != nil {
		return 0
	}
	return n
}

func humanNumber(s string) float64 {
	n := leadingNumber(s)
	unit := strings.TrimLeft(strings.TrimSpace(s), "-.0123456789")
	if unit == "" {
		return n
	}
	for range strings.Index("KMGTPE", strings.ToUpper(unit[:1])) + 1 {
		n *= 1024
	}
	return n
}

// humanSize is n bytes in the way of `ls -h`: 999, 1.5K, 12M.
func humanSize(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10)
	}
	f := float64(n)
	for _, unit := range "KMGTPE" {
		f /= 1024
		if f < 9.95 {
			return fmt.Sprintf("%.1f%c", f, unit)
		}
		if f < 1023.5 {
			return fmt.Sprintf("%.0f%c", f, unit)
		}
	}
	return strconv.FormatInt(n, 10)
}
