package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"testing"

	"github.com/wsctl/wsctl/internal/activity"
)

// freePort is a port of this machine that nobody has.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestTheDashboardRunsCommandsAndForwardsPorts(t *testing.T) {
	h := newHouse(t)
	w := h.create("demo")
	d := dash{h.terminal()}
	d.types("wsctl dash")
	d.sees("enter look").keys("X").sees("run in demo").keys("echo in-$((40+2)); exit 3").sees("wsctl exec demo -t -- sh -c")
	d.keys("Enter").sees("in-42").sees("it has ended with status 3; press any key").misses("enter look")
	d.keys(" ").sees("enter look").sees("ended with status 3")

	local := freePort(t)
	url := fmt.Sprintf("http://127.0.0.1:%d/", local)
	d.keys("F", fmt.Sprintf("%d:%d", local, w.Spec.Port)).sees("wsctl forward demo").keys("Enter").sees("1 forwarded port")
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the forwarded port answers %s", resp.Status)
	}
	if y := h.why("demo"); !slices.ContainsFunc(y.Ledger, func(e activity.Entry) bool { return e.Kind == activity.Request }) {
		t.Errorf("the request counts as nothing: %+v", y.Ledger)
	}
	d.keys("5").sees("FORWARDED").keys("U").sees("not forwarded any more")
	if _, err := http.Get(url); err == nil {
		t.Error("the port is still open")
	}
	d.keys("F", fmt.Sprint(local), "Enter").sees("1 forwarded port").keys("q").sees("quit, and end").keys("Enter").misses("quit, and end")
}
