// Package e2e holds tests of whole journeys: the real programs, the real container
// engine, an ordinary Linux image, OpenSSH's own client and a real terminal, from the
// command line inwards. It has no code of its own.
//
// The image is made by scripts/testimage.sh, without a registry. Nothing here passes
// without the engine, the image or the foreign programs; `go test -short` leaves it out.
package e2e
