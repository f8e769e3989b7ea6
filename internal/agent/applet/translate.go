package applet

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// translate is tr: it maps, deletes or squeezes characters.
func translate(s Streams, args []string) int {
	o := parse(s, args, "dscC", map[string]string{"delete": "d", "squeeze-repeats": "s", "complement": "c"})
	sets := len(o.rest)
	if o.failed || sets == 0 || sets > 2 || sets == 1 && !o.has("d", "s") {
		return usage(s, "tr [-cds] SET1 [SET2]")
	}
	t := translator{from: expandSet(o.rest[0]), complement: o.has("c", "C"), remove: o.has("d"), squeeze: o.has("s")}
	if sets == 2 {
		t.to = expandSet(o.rest[1])
	}
	in, w := bufio.NewReader(s.In), bufio.NewWriter(s.Out)
	last := rune(-1)
	for {
		r, err := readCharacter(in)
		if err != nil {
			if err := firstError(ignoreEOF(err), w.Flush()); err != nil {
				return fail(s, "tr", "%v", err)
			}
			return 0
		}
		r, keep := t.apply(r)
		if !keep || t.squeezes(r) && r == last {
			continue
		}
		last = r
		writeCharacter(w, r)
	}
}

// rawByte is where the bytes that are no UTF-8 are kept among the characters: in the
// range of the surrogates, which no valid text has. They come out as they went in.
const rawByte = 0xDC00

func readCharacter(in *bufio.Reader) (rune, error) {
	r, size, err := in.ReadRune()
	if err != nil || r != utf8.RuneError || size > 1 {
		return r, err
	}
	if err := in.UnreadRune(); err != nil {
		return 0, err
	}
	b, err := in.ReadByte()
	return rawByte + rune(b), err
}

// writeCharacter leaves it to w to keep its first error for Flush.
func writeCharacter(w *bufio.Writer, r rune) {
	if r >= rawByte && r <= rawByte+0xFF {
		_ = w.WriteByte(byte(r - rawByte))
		return
	}
	_, _ = w.WriteRune(r)
}

type translator struct {
	from, to                    []rune
	complement, remove, squeeze bool
}

func (t translator) apply(r rune) (rune, bool) {
	at := indexRune(t.from, r)
	in := at >= 0 != t.complement
	switch {
	case !in:
		return r, true
	case t.remove:
		return r, false
	case len(t.to) == 0:
		return r, true
	case t.complement || at >= len(t.to):
		return t.to[len(t.to)-1], true
	}
	return t.to[at], true
}

// squeezes tells whether repeats of r, a character of the result, become one.
func (t translator) squeezes(r rune) bool {
	if !t.squeeze {
		return false
	}
	if len(t.to) > 0 {
		return indexRune(t.to, r) >= 0
	}
	return indexRune(t.from, r) >= 0 != t.complement
}

func indexRune(set []rune, r rune) int {
	for i, c := range set {
		if c == r {
			return i
		}
	}
	return -1
}

// expandSet understands a-z, \n and [:lower:].
func expandSet(text string) []rune {
	for class, members := range map[string]string{
		"[:lower:]": "a-z", "[:upper:]": "A-Z", "[:digit:]": "0-9", "[:alpha:]": "A-Za-z", "[:alnum:]": "0-9A-Za-z",
		"[:space:]": `\t\n\v\f\r `, "[:blank:]": ` \t`, "[:punct:]": "!-/:-@[-`{-~",
	} {
		text = strings.ReplaceAll(text, class, members)
	}
	var plain []rune
	escaped := map[int]bool{}
	for text != "" {
		r, length := utf8.DecodeRuneInString(text)
		if r == '\\' && len(text) > 1 {
			r, length = unescape(text[1:])
			length++
			escaped[len(plain)] = true
		}
		plain, text = append(plain, r), text[length:]
	}
	var set []rune
	for i := 0; i < len(plain); i++ {
		if i+2 < len(plain) && plain[i+1] == '-' && !escaped[i+1] && plain[i+2] >= plain[i] {
			for r := plain[i]; r <= plain[i+2]; r++ {
				set = append(set, r)
			}
			i += 2
			continue
		}
		set = append(set, plain[i])
	}
	return set
}

// unescape understands what follows a backslash, a letter as in \n or up to three octal digits, and
// returns how long it is.
func unescape(text string) (r rune, length int) {
	if i := strings.IndexByte("abfnrtv", text[0]); i >= 0 {
		return rune("\a\b\f\n\r\t\v"[i]), 1
	}
	for length < 3 && length < len(text) && text[length] >= '0' && text[length] <= '7' {
		r = r<<3 + rune(text[length]-'0')
		length++
	}
	if r >= 0x80 {
		r += rawByte
	}
	if length > 0 {
		return r, length
	}
	return utf8.DecodeRuneInString(text)
}

// seq prints the numbers from FIRST (1) to LAST in steps.
func seq(s Streams, args []string) int {
	numbers := make([]float64, 0, 3)
	for _, a := range args[1:] {
		n, err := strconv.ParseFloat(a, 64)
		if err != nil {
			return fail(s, "seq", "%q is not a number", a)
		}
		numbers = append(numbers, n)
	}
	first, step, last := 1.0, 1.0, 0.0
	switch len(numbers) {
	case 1:
		last = numbers[0]
	case 2:
		first, last = numbers[0], numbers[1]
	case 3:
		first, step, last = numbers[0], numbers[1], numbers[2]
	default:
		return usage(s, "seq [FIRST [STEP]] LAST")
	}
	if step == 0 {
		return fail(s, "seq", "the step is 0")
	}
	w := bufio.NewWriter(s.Out)
	for i := 0; ; i++ {
		n := first + float64(i)*step
		if step > 0 && n > last || step < 0 && n < last {
			break
		}
		if _, err := fmt.Fprintln(w, strconv.FormatFloat(n, 'f', -1, 64)); err != nil {
			return 1
		}
	}
	if w.Flush() != nil {
		return 1
	}
	return 0
}
