// Package applet is the small programs that make an image without any of them usable:
// listing, copying, searching and text tools in the way of POSIX, with the options that
// people type most.
//
// An applet reads and writes only its Streams and the files it is told; its result is
// the exit status. Errors are one line on Err, "NAME: what: why".
package applet

import (
	"fmt"
	"io"
	"os"
	"slices"
)

// Streams are what an applet reads and writes.
type Streams struct {
	In       *os.File
	Out, Err io.Writer
}

// Std are the process's own streams.
func Std() Streams { return Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr} }

// Func is an applet; args[0] is its name. The result is an exit status.
type Func func(s Streams, args []string) int

// Find returns the applet of that name.
func Find(name string) (Func, bool) {
	f, ok := table()[name]
	return f, ok
}

// Names returns the names of all applets, sorted.
func Names() []string {
	var names []string
	for name := range table() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// fail prints a line and returns 1.
func fail(s Streams, name, format string, args ...any) int {
	fmt.Fprintf(s.Err, "%s: %s\n", name, fmt.Sprintf(format, args...))
	return 1
}
