package host

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

func TestListenersNamesWhoIsInTheWay(t *testing.T) {
	for _, c := range []struct {
		address string
		found   bool
	}{
		{"127.0.0.1:0", true}, {"0.0.0.0:0", true}, {"[::]:0", true}, {"[::1]:0", false}, {"127.0.0.2:0", false},
	} {
		t.Run(c.address, func(t *testing.T) {
			l, err := net.Listen("tcp", c.address)
			if err != nil {
				t.Fatal(err)
			}
			port := l.Addr().(*net.TCPAddr).Port
			who := PortHolder(port)
			// The answer has to agree with the kernel's.
			mine, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
			if err == nil {
				_ = mine.Close()
			}
			if c.found != (err != nil) || c.found != (who != "") {
				t.Errorf("it is held by %q, and listening there gives %v", who, err)
			}
			if c.found && !strings.HasSuffix(who, fmt.Sprintf("(pid %d)", os.Getpid())) {
				t.Errorf("it is held by %q", who)
			}
			_ = l.Close()
			if who := PortHolder(port); who != "" {
				t.Errorf("after its end it is held by %q", who)
			}
		})
	}
}

func TestListenersLeavesOutWhatIsNotWanted(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	if got := Listeners(func(p int) bool { return p != port }); got[port] != "" {
		t.Errorf("it names %q", got[port])
	}
	if got := Listeners(func(int) bool { return false }); len(got) != 0 {
		t.Errorf("nothing is wanted, and it names %v", got)
	}
}

func TestRoomIsKnown(t *testing.T) {
	if free, err := DiskFree(t.TempDir()); err != nil || free <= 0 {
		t.Errorf("%d bytes are free, %v", free, err)
	}
	if _, err := DiskFree("/nowhere/at/all"); err == nil {
		t.Error("there is room in a folder that does not exist")
	}
	if number("/nowhere/at/all") != 0 || number("/proc/version") != 0 {
		t.Error("a number comes from what is none")
	}
}
