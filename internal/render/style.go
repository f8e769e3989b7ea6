package render

import "github.com/wsctl/wsctl/internal/workspace"

// Colour is a foreground colour by its role. The zero value is the terminal's own.
type Colour string

// The colours (ECMA-48 SGR; the first eight, which every palette defines).
const (
	Plain Colour = ""
	Good  Colour = "32"
	Busy  Colour = "33"
	Bad   Colour = "31"
	Faint Colour = "2"
	Bold  Colour = "1"
)

// Palette paints or does not.
type Palette struct{ On bool }

// Paint returns s in colour c.
func (p Palette) Paint(c Colour, s string) string {
	if !p.On || c == Plain || s == "" {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}

// StateColour returns the colour of a state.
func StateColour(s workspace.State) Colour {
	switch s {
	case workspace.Running:
		return Good
	case workspace.Failed:
		return Bad
	case workspace.Stopped:
		return Faint
	}
	return Busy
}
