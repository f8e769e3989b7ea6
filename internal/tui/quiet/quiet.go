// Package quiet keeps the terminal library from speaking before it is asked.
//
// bubbletea v1 asks the terminal for its background while the program is loaded: it
// writes an escape sequence to stdout and waits up to five seconds for the answer, in
// every program that links it, so also in `wsctl list`. It does not where the variable CI
// is set. Packages are initialised in the order of their paths as soon as all that they
// import are; this one imports only os, so it is ready long before the terminal
// library, which needs text/template. It sets CI, and package tui, which imports that
// library and so comes after it, takes it back. A test of package cli looks at what
// reaches a terminal. It does nothing else, and must import nothing else.
package quiet

import "os"

// before is what CI was, and whether it was set at all.
var before, had = hush()

func hush() (string, bool) {
	v, ok := os.LookupEnv("CI")
	_ = os.Setenv("CI", "1")
	return v, ok
}

// Restore gives CI back its value. It returns true so that it can stand in a declaration.
func Restore() bool {
	if had {
		_ = os.Setenv("CI", before)
	} else {
		_ = os.Unsetenv("CI")
	}
	return true
}
