package docker

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
)

func TestSubnetsAreGivenOnceAndAvoidWhatIsUsed(t *testing.T) {
	s := &subnets{from: mustPrefix("10.9.0.0/26"), begun: true} // four of /28
	used := []netip.Prefix{mustPrefix("10.9.0.17/32"), mustPrefix("192.168.0.0/16")}
	var got []string
	for range 3 {
		p, err := s.take(used)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, p.String())
	}
	if want := []string{"10.9.0.0/28", "10.9.0.32/28", "10.9.0.48/28"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, err := s.take(used); !fault.HasCode(err, "subnets_used_up") {
		t.Errorf("a full range: %v", err)
	}
	s.give(mustPrefix("10.9.0.32/28"))
	if p, err := s.take(used); err != nil || p != mustPrefix("10.9.0.32/28") {
		t.Errorf("after one came back: %v, %v", p, err)
	}
	whole := &subnets{from: mustPrefix("10.9.0.0/16")}
	if _, err := whole.take([]netip.Prefix{mustPrefix("10.0.0.0/8")}); err == nil {
		t.Error("a range inside a route of the host is used")
	}
	one := &subnets{from: mustPrefix("10.9.0.16/28")}
	if p, err := one.take(nil); err != nil || p != mustPrefix("10.9.0.16/28") {
		t.Errorf("a range of one: %v, %v", p, err)
	}
}

func TestRoutesOfTheKernelsTable(t *testing.T) {
	got := parseRoutes(strings.NewReader(`Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0
docker0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
wsdbr1	1000E70A	00000000	0001	0	0	0	F0FFFFFF	0	0	0
broken	xyz	00000000	0001	0	0	0	F0FFFFFF	0	0	0
short	00
`))
	want := []netip.Prefix{mustPrefix("172.17.0.0/16"), mustPrefix("10.231.0.16/28")}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func FuzzRoutes(f *testing.F) {
	if b, err := os.ReadFile("/proc/net/route"); err == nil {
		f.Add(string(b))
	}
	f.Add("a\nb 000011AC 0 0 0 0 0 0000FFFF\n")
	f.Fuzz(func(t *testing.T, s string) {
		for _, p := range parseRoutes(strings.NewReader(s)) {
			if !p.IsValid() || p.Bits() == 0 || !p.Addr().Is4() {
				t.Errorf("%v from %q", p, s)
			}
		}
	})
}
