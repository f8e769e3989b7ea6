package cli

import (
	"bytes"
	"context"
	"testing"
)

// BenchmarkMain is what wsctl itself costs: the command tree, parsing and printing.
func BenchmarkMain(b *testing.B) {
	for _, args := range [][]string{{"version", "--short"}, {"--help"}} {
		b.Run(args[0], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var out bytes.Buffer
				if Main(context.Background(), args, Streams{Out: &out, Err: &out}) != 0 {
					b.Fatal(out.String())
				}
			}
		})
	}
}
