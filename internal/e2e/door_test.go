package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/workspace"
	"github.com/wsctl/wsctl/internal/wstest"
)

// get asks the front door at address for host.
func get(address, host string) (int, string, error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return 0, "", err
	}
	req.Host = host
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

// doored is a house whose name door listens on a free port.
func doored(t *testing.T) (h *house, door string) {
	t.Helper()
	door = wstest.FreeAddress(t)
	return newHouse(t, "WSD_FRONT_ADDRESS="+door), door
}

func TestAStoppedWorkspaceAnswersItsFirstRequest(t *testing.T) {
	h, door := doored(t)
	w := h.create("page", "--template", "static")
	_, port, _ := net.SplitHostPort(door)
	for _, way := range []struct{ name, address, host string }{
		{"the leased port", fmt.Sprintf("127.0.0.1:%d", w.Port), "127.0.0.1"},
		{"its name", door, "page.localhost:" + port},
		{"its name and port", door, fmt.Sprintf("%d.page.localhost:%s", w.Spec.Port, port)},
	} {
		h.ok("stop", "page")
		if status, body, err := get(way.address, way.host); status != http.StatusOK || !strings.Contains(body, "<title>") {
			t.Errorf("%s: %d %.200s %v", way.name, status, body, err)
		}
	}
	h.ok("pause", "page")
	if status, _, err := get(door, "page.localhost:"+port); status != http.StatusOK {
		t.Errorf("paused: %d %v", status, err)
	}
	if status, _, err := get(door, "evil.example.org"); status != http.StatusMisdirectedRequest {
		t.Errorf("another host: %d %v", status, err)
	}
}

func TestFiftyRequestsCauseOneStart(t *testing.T) {
	h, door := doored(t)
	w := h.create("page", "--template", "static")
	h.ok("stop", "page")
	_, port, _ := net.SplitHostPort(door)
	ways := [][2]string{{fmt.Sprintf("127.0.0.1:%d", w.Port), "127.0.0.1"}, {door, "page.localhost:" + port}}
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			if status, body, err := get(ways[i%2][0], ways[i%2][1]); status != http.StatusOK {
				t.Errorf("%s: %d %.100s %v", ways[i%2][1], status, body, err)
			}
		})
	}
	group.Wait()
	list := h.ok("jobs", "ls", "--workspace", "page", "--json")
	if starts := strings.Count(list, `"`+string(workspace.JobStart)+`"`); starts != 1 {
		t.Errorf("there were %d starts:\n%s", starts, list)
	}
}

// A Vite project listens on localhost inside; nothing is configured for the door.
func TestAViteProjectServesThroughTheDoorWithItsSocket(t *testing.T) {
	h, door := doored(t)
	h.ordinary("app", "--port", "5173", "--env", "NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt", "--memory", "1g")
	h.ok("exec", "app", "--", "sh", "-ec", `npm create vite@latest site -- --template vanilla </dev/null
cd site && npm install --no-audit --no-fund
nohup npx vite >/tmp/vite.log 2>&1 &`)
	_, port, _ := net.SplitHostPort(door)
	host := "app.localhost:" + port
	var body string
	for end := time.Now().Add(patience); !strings.Contains(body, "/@vite/client"); time.Sleep(50 * time.Millisecond) {
		if _, body, _ = get(door, host); time.Now().After(end) {
			t.Fatalf("vite does not answer: %.300s\n%s", body, h.ok("exec", "app", "--", "cat", "/tmp/vite.log"))
		}
	}
	c, err := net.Dial("tcp", door)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: vite-hmr\r\n\r\n", host)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("the socket is not upgraded: %+v, %v", res, err)
	}
}

// eager answers whoever connects before it is asked, and keeps what it hears.
const eager = `const net = require("net"), fs = require("fs")
net.createServer(c => {
	c.write("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<title>eager</title>")
	c.on("data", d => fs.appendFileSync("/tmp/heard", d)).on("error", () => {})
	setTimeout(() => c.end(), 500)
}).listen(8080)`

// A browser sends the cookies of a host to each of its ports (RFC 6265, 8.5).
func TestAWorkspaceGetsNoCookiesOfAnotherByItsPort(t *testing.T) {
	t.Parallel() // it mostly waits
	h, door := doored(t)
	h.create("bank", "--template", "static")
	thief := h.ordinary("thief", "--port", "8080", "--", "node", "-e", eager)
	_, port, _ := net.SplitHostPort(door)
	b := browse(t, "http://bank.localhost:"+port+"/")
	b.net.lead(t, strconv.Itoa(thief.Port))
	tab := b.attach("bank.localhost")
	tab.wait(`document.readyState + " " + (document.cookie = "session=secret")`, "complete session=secret")
	tab.call("Page.navigate", map[string]any{"url": fmt.Sprintf("http://bank.localhost:%d/", thief.Port)}, nil)
	tab.wait(`document.title + " " + document.cookie`, "Not served here session=secret")
	tab.call("Page.navigate", map[string]any{"url": fmt.Sprintf("http://thief.localhost:%d/", thief.Port)}, nil)
	tab.wait(`document.title`, "eager")
	if heard := h.ok("exec", "thief", "--", "cat", "/tmp/heard"); strings.Contains(heard, "secret") || !strings.Contains(heard, "Host: thief.localhost") {
		t.Errorf("it heard %s", heard)
	}
}

// A page that waits for a workspace asks again, also where the address leads into a document.
func TestATabWaitsForWhatItWakes(t *testing.T) {
	t.Parallel()
	h, door := doored(t)
	_, port, _ := net.SplitHostPort(door)
	h.site("demo")
	for _, address := range []string{"/still", "/still#here"} {
		h.ok("stop", "demo")
		tab := browse(t, "http://demo.localhost:"+port+address).attach("demo.localhost")
		tab.wait(`document.title`, "/still 1 anew")
		tab.wait(`location.hash`, strings.TrimPrefix(address, "/still"))
	}
}
