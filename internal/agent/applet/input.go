package applet

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
)

// maxLine is the longest line that the text tools take, in bytes.
const maxLine = 16 << 20

// why is the reason of a failed call without the path that people just typed.
func why(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		return l.Err
	}
	return err
}

// eachInput calls do for each named file, "-" and no name at all being standard input.
// A file that cannot be read is told and the next one tried; the result is the status.
func eachInput(s Streams, name string, files []string, do func(file string, r io.Reader) error) int {
	if len(files) == 0 {
		files = []string{"-"}
	}
	status := 0
	for _, file := range files {
		if err := withInput(s, file, do); err != nil {
			status = fail(s, name, "%s: %v", file, why(err))
		}
	}
	return status
}

func withInput(s Streams, file string, do func(file string, r io.Reader) error) error {
	if file == "-" {
		return do(file, s.In)
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return do(file, f)
}

// lines returns a scanner over the lines of r without their ends.
func lines(r io.Reader) *bufio.Scanner {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 16<<10), maxLine)
	return sc
}
