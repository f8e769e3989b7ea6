package workspace

import (
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
)

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{
		"512MiB": 512 << 20, "512MB": 512_000_000, "2GiB": 2 << 30, "2GB": 2_000_000_000,
		"512m": 512 << 20, "2G": 2 << 30, "2Gi": 2 << 30, "1.5GiB": 3 << 29, "1.5gb": 1_500_000_000,
		"64KiB": 64 << 10, "64kB": 64_000, "1 GiB": 1 << 30, "65536B": 65536, "4TiB": 4 << 40, "0MiB": 0,
	} {
		if got, err := ParseSize(in); err != nil || got != want {
			t.Errorf("%s is %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", "1", "512", "MiB", "-1MiB", "+1MiB", "1e3MB", "0x1MB", "NaNMB", "InfMB", ".5GB", "1.GB", "1.2.3GB",
		"1  GB", " 1GB", "1GB ", "1PB", "1EiB", "9000TiB", "9999999TiB", "1MBB", "1iB", "1G B", "1_000MB", "1,5GB", "١MB", "1M\x00B", strings.Repeat("9", 400) + "B",
	} {
		if got, err := ParseSize(in); !fault.HasCode(err, "size_invalid") || got != 0 {
			t.Errorf("%.40q is accepted as %d (%v)", in, got, err)
		}
	}
}

func TestFormatSizeIsReadBack(t *testing.T) {
	for _, n := range []int64{0, 1, 1 << 10, 512 << 20, 3 << 29, 2 << 30, 4 << 40} {
		if got, err := ParseSize(FormatSize(n)); err != nil || got != n {
			t.Errorf("%d is written %s and read %d, %v", n, FormatSize(n), got, err)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"512MiB", "1.5gb", "2G", "1", "9e9TB", " 1 B"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseSize(s)
		if n < 0 || n > 1<<53 || err != nil && n != 0 {
			t.Errorf("%q gives %d, %v", s, n, err)
		}
		if err == nil && (s[0] < '0' || s[0] > '9') {
			t.Errorf("%q is accepted", s)
		}
	})
}
