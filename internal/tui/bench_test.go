package tui

import (
	"testing"

	"github.com/wsctl/wsctl/internal/workspace"
)

// BenchmarkFrame is one frame of 1,000 workspaces of which two have changed: what fifty
// changes a second cost at 25 frames a second.
func BenchmarkFrame(b *testing.B) {
	all := many(1000)
	m := New(b.Context(), Options{Source: &world{ready: make(chan struct{})}, Theme: "dark", dimensions: [2]int{200, 60}})
	m.Init()
	var first news
	first.add(Change{Reset: true, Put: all})
	m.Update(parcel[news]{stream: m.watch, got: first})
	i := 0
	for b.Loop() {
		var n news
		for range 2 {
			w := all[i%len(all)]
			w.State = []workspace.State{workspace.Running, workspace.Stopped}[i/len(all)%2]
			n.add(Change{Put: []workspace.Workspace{w}})
			i++
		}
		m.Update(parcel[news]{stream: m.watch, got: n})
		_ = m.View()
	}
}
