package workspace

import (
	"fmt"
	"strings"
)

// Diagram draws the lifecycle as a Mermaid state diagram. It is generated from the
// table itself, so that the documents cannot drift from the code.
func Diagram() string {
	var b strings.Builder
	b.WriteString("```mermaid\nstateDiagram-v2\n    [*] --> creating\n")
	for _, from := range States() {
		for _, t := range Triggers() {
			if to, err := from.On(t); err == nil {
				fmt.Fprintf(&b, "    %s --> %s: %s\n", from, to, t)
			}
		}
	}
	b.WriteString("    deleting --> [*]\n```\n")
	return b.String()
}
