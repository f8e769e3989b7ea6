package docker

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"io"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/wsctl/wsctl/internal/fault"
)

// sandboxBits is the size of a sandbox's subnet: network, gateway, the sandbox and
// broadcast need 4 addresses, the rest is room.
const sandboxBits = 28

// subnets hands out subnets of from. Two callers never get the same one at a time.
type subnets struct {
	from netip.Prefix

	mu    sync.Mutex
	next  uint32 // index after the last one given; random at first
	begun bool
	taken []netip.Prefix // given and not yet visible at the engine
}

// take returns the next subnet that overlaps nothing in used. The search goes on
// where the last one ended, so that an address is not reused at once.
func (s *subnets) take(used []netip.Prefix) (netip.Prefix, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	count := uint32(1) << (sandboxBits - s.from.Bits())
	if !s.begun {
		s.begun, s.next = true, rand.Uint32N(count)
	}
	for range count {
		p := nthSubnet(s.from, s.next%count)
		s.next = (s.next + 1) % count
		if !slices.ContainsFunc(used, p.Overlaps) && !slices.ContainsFunc(s.taken, p.Overlaps) {
			s.taken = append(s.taken, p)
			return p, nil
		}
	}
	return netip.Prefix{}, fault.New(fault.Limit, "subnets_used_up", "no subnet of %s is free for another workspace", s.from).
		WithHint("set docker.subnets to a larger range that the host does not use")
}

// give ends the reservation of p.
func (s *subnets) give(p netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = slices.DeleteFunc(s.taken, func(q netip.Prefix) bool { return p == q })
}

func nthSubnet(from netip.Prefix, n uint32) netip.Prefix {
	a := from.Masked().Addr().As4()
	binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(a[:])+n<<(32-sandboxBits))
	return netip.PrefixFrom(netip.AddrFrom4(a), sandboxBits)
}

// hostRoutes returns the destinations of this machine's IPv4 routes, without the
// default route. A file that cannot be read is no routes: the engine checks too.
func hostRoutes() []netip.Prefix {
	f, err := os.Open("/proc/net/route")
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	return parseRoutes(f)
}

// parseRoutes reads the kernel's table: a heading, then a line for each route with
// destination (field 2) and mask (field 8) as hexadecimal in host byte order.
func parseRoutes(r io.Reader) []netip.Prefix {
	var out []netip.Prefix
	for sc := bufio.NewScanner(r); sc.Scan(); {
		f := strings.Fields(sc.Text())
		if len(f) < 8 {
			continue
		}
		dst, err1 := hex.DecodeString(f[1])
		mask, err2 := hex.DecodeString(f[7])
		if err1 != nil || err2 != nil || len(dst) != 4 || len(mask) != 4 {
			continue
		}
		ones := bits.OnesCount32(binary.NativeEndian.Uint32(mask))
		if ones == 0 {
			continue
		}
		// Printed as a number of the host's order: its bytes are reversed here on little endian.
		slices.Reverse(dst)
		p, err := netip.AddrFrom4([4]byte(dst)).Prefix(ones)
		if err == nil {
			out = append(out, p)
		}
	}
	return out
}
