package applet

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// followInterval is how often `tail -f` looks for more.
const followInterval = 250 * time.Millisecond

// oldCount matches -20 in place of -n 20.
func countArgs(args []string) []string {
	old := regexp.MustCompile(`^-[0-9]+$`)
	out := []string{}
	for _, a := range args {
		if old.MatchString(a) {
			out = append(out, "-n", a[1:])
			continue
		}
		out = append(out, a)
	}
	return out
}

func head(s Streams, args []string) int {
	o := parse(s, countArgs(args), "n:c:qv", map[string]string{"lines": "n", "bytes": "c", "quiet": "q", "verbose": "v"})
	n, err := o.number("n", 10)
	c, errc := o.number("c", 0)
	if o.failed || err != nil || errc != nil {
		return usage(s, "head [-n LINES | -c BYTES] [FILE]...")
	}
	title := titles(s, o)
	return eachInput(s, "head", o.rest, func(file string, r io.Reader) error {
		title(file)
		if o.has("c") {
			_, err := io.CopyN(s.Out, r, int64(c))
			return ignoreEOF(err)
		}
		in := bufio.NewReader(r)
		for range n {
			line, err := in.ReadBytes('\n')
			if _, werr := s.Out.Write(line); werr != nil {
				return werr
			}
			if err != nil {
				return ignoreEOF(err)
			}
		}
		return nil
	})
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// titles returns what prints "==> FILE <==" before each of several files.
func titles(s Streams, o options) func(file string) {
	first, wanted := true, (len(o.rest) > 1 || o.has("v")) && !o.has("q")
	return func(file string) {
		if !wanted {
			return
		}
		if !first {
			fmt.Fprintln(s.Out)
		}
		first = false
		if file == "-" {
			file = "standard input"
		}
		fmt.Fprintf(s.Out, "==> %s <==\n", file)
	}
}

func tail(s Streams, args []string) int {
	o := parse(s, countArgs(args), "n:c:qvfF", map[string]string{"lines": "n", "bytes": "c", "follow": "f", "quiet": "q", "verbose": "v"})
	from, fromStart := strings.CutPrefix(o.set["n"], "+")
	if fromStart {
		o.set["n"] = from
	}
	n, err := o.number("n", 10)
	c, errc := o.number("c", 0)
	if o.failed || err != nil || errc != nil {
		return usage(s, "tail [-f] [-n [+]LINES | -c BYTES] [FILE]...")
	}
	title := titles(s, o)
	follow := o.has("f", "F") && len(o.rest) == 1
	return eachInput(s, "tail", o.rest, func(file string, r io.Reader) error {
		title(file)
		var err error
		switch {
		case o.has("c"):
			err = lastBytes(s.Out, r, c)
		case fromStart:
			err = skipLines(s.Out, r, n-1)
		default:
			err = lastLines(s.Out, r, n)
		}
		if err == nil && follow {
			return followFile(s.Out, r)
		}
		return err
	})
}

func lastBytes(w io.Writer, r io.Reader, n int) error {
	var kept []byte
	buf := make([]byte, 32<<10)
	for {
		m, err := r.Read(buf)
		kept = append(kept, buf[:m]...)
		kept = kept[max(0, len(kept)-n):]
		if err != nil {
			_, werr := w.Write(kept)
			return firstError(ignoreEOF(err), werr)
		}
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func skipLines(w io.Writer, r io.Reader, n int) error {
	in := bufio.NewReader(r)
	for range n {
		if _, err := in.ReadBytes('\n'); err != nil {
			return ignoreEOF(err)
		}
	}
	_, err := io.Copy(w, in)
	return err
}

func lastLines(w io.Writer, r io.Reader, n int) error {
	in, ring := bufio.NewReader(r), [][]byte{}
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 && n > 0 {
			if len(ring) == n {
				ring = ring[1:]
			}
			ring = append(ring, line)
		}
		if err == nil {
			continue
		}
		for _, l := range ring {
			if _, werr := w.Write(l); werr != nil {
				return werr
			}
		}
		return ignoreEOF(err)
	}
}

// followFile copies what is appended, from the start again where the file was cut,
// until a signal ends the program.
func followFile(w io.Writer, r io.Reader) error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, unix.SIGTERM, unix.SIGINT, unix.SIGPIPE)
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	for {
		if err := rewindIfCut(r); err != nil {
			return err
		}
		if _, err := io.Copy(w, r); err != nil {
			return err
		}
		select {
		case <-stop:
			return nil
		case <-tick.C:
		}
	}
}

func rewindIfCut(r io.Reader) error {
	f, ok := r.(*os.File)
	if !ok {
		return nil
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil // a pipe
	}
	info, err := f.Stat()
	if err == nil && info.Size() < at {
		_, err = f.Seek(0, io.SeekStart)
	}
	return err
}

// usage prints how an applet is called; the result is its exit status.
func usage(s Streams, text string) int {
	fmt.Fprintln(s.Err, "usage:", text)
	return 2
}
