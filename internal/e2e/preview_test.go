package e2e_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

// site makes a workspace with the site of testdata/preview.
func (h *house) site(name string) workspace.Workspace {
	h.t.Helper()
	code, err := os.ReadFile(filepath.Join("testdata", "preview", "server.mjs"))
	if err != nil {
		h.t.Fatal(err)
	}
	return h.ordinary(name, "--", "node", "--input-type=module", "-e", string(code))
}

// previewed opens the preview page of a workspace in a browser of its own.
func previewed(t *testing.T, door, name, query string) *devtools {
	t.Helper()
	_, port, _ := net.SplitHostPort(door)
	return browse(t, "http://preview."+name+".localhost:"+port+"/"+query).attach("preview." + name)
}

// What the preview page shows of itself.
const (
	shownState   = `document.querySelector("#state").textContent.split(" · ")[0]`
	shownCurtain = `document.querySelector("#curtain").hidden ? "" : document.querySelector("#curtain h1").textContent`
	shownPath    = `document.querySelector("#path").value`
	shownLog     = `[...document.querySelectorAll("#log li .what")].map(e => e.textContent).join("\n")`
	shownBadges  = `[...document.querySelectorAll(".badge")].filter(e => !e.hidden).length`
)

// A page that refuses to be framed, and logs in by cookies, in two devices side by side: it
// is woken, it shows, its errors are told, and what is done in one device is done in both.
func TestAPreviewPageShowsASiteInTwoDevices(t *testing.T) {
	t.Parallel()
	h, door := lived(t)
	w := h.site("demo")
	h.ok("hold", w.Name, "--for", "10m")
	h.ok("stop", w.Name)
	tab := previewed(t, door, w.Name, "?device=mobile,tablet")
	tab.wait(`document.title.replace(/^\/ [12] .*/, "shown")`, "shown") // each device has loaded it once
	tab.wait(shownState, "running")
	tab.wait(shownCurtain, "")
	tab.wait(shownBadges, "2")
	tab.wait(`document.querySelector("#errors").textContent`, "2")
	tab.text(`document.querySelector("#logs").click()`)
	const wrong = `wrong on / {"why":"<b>test</b>"}`
	tab.wait(shownLog, wrong+"\n"+wrong)

	tab.follows("iframe", shownPath, "/next")
	tab.wait(`document.title.replace(/^\/next [34] lax=1 strict=1 again.*/, "shown")`, "shown") // cookies of every kind come back in the frame
	tab.wait(`document.querySelectorAll("#log .error").length`, "4")                            // the other device has followed
	tab.text(`document.querySelector("#back").click()`)
	tab.wait(shownPath, "/")
	tab.wait(`document.querySelectorAll("#log .error").length`, "6")
	tab.text(`document.querySelector("#forward").click()`)
	tab.wait(shownPath, "/next")

	h.Kill()
	tab.wait(shownState, "wsd is away")
	h.Start()
	tab.wait(shownState, "running")
	if got := tab.text(shownPath); got != "/next" {
		t.Errorf("after wsd came back it shows %s", got)
	}
}

// A preview page that is open is a connection and no use. Clicks in what it frames are use,
// which the frames cannot make up. It does not bring its workspace back by itself.
func TestAnOpenPreviewPageKeepsNothingRunning(t *testing.T) {
	t.Parallel() // it mostly waits
	h, door := lived(t)
	w := h.site("demo")
	tab := previewed(t, door, w.Name, "?path=/still%23here")
	tab.wait(`document.title`, "/still 1 anew - preview")
	h.wantEnd(t, w.Name, background)
	tab.wait(shownCurtain, "demo is stopped")
	tab.wait(`document.querySelector("#curtain .text").textContent.length > 0`, "true")
	time.Sleep(3 * time.Second) // the page asks all the time
	if y := h.why(w.Name); y.Workspace.State != workspace.Stopped {
		t.Fatalf("a preview page that was left open made it %s", y.Workspace.State)
	}
	tab.text(`new MutationObserver(() => (document.told += document.querySelector("#curtain ol").textContent)).observe(document.querySelector("#curtain"), { childList: true, subtree: true })`)
	x, y := tab.middle("#curtain button")
	tab.click(x, y)
	tab.wait(shownState, "running")
	tab.wait(`document.told.includes("starting it")`, "true")
	tab.wait(shownCurtain, "")
	tab.wait(`document.title`, "/still 1 lax=1 strict=1 again - preview")
	h.every(t, w.Name, time.Second, background+2*time.Second, func() {
		x, y := tab.middle("iframe")
		tab.click(x, y)
	})
	h.lastUsedBy(t, w.Name, activity.Visible, "the preview page")
	h.wantEnd(t, w.Name, background)
}

// Chromium loses requests when the network of the machine changes, as it does when a workspace
// starts. What the preview page misses then it gets by itself.
func TestAPreviewPageAsksAgainForWhatTheBrowserLost(t *testing.T) {
	t.Parallel()
	h, door := lived(t)
	w := h.site("demo")
	h.ok("hold", w.Name, "--for", "10m")
	tab := previewed(t, door, w.Name, "?path=/still%23here")
	tab.wait(`document.title`, "/still 1 anew - preview")
	for _, lost := range []string{"/shell.js", "/panes.js", "/shell.css", "/still"} {
		tab.loses("*"+lost, func() { tab.call("Page.reload", nil, nil) })
		tab.wait(`document.title.replace(/ \d+ /, " ")`, "/still lax=1 strict=1 again - preview")
		tab.wait(`getComputedStyle(document.querySelector("header")).display + " " + `+shownState, "flex running")
		tab.wait(`sessionStorage.length`, "0")
	}
}

// A widget that a site frames is not the preview page's business, be it in the page or in a
// tab beside it: whom it lets frame it does so still, and nothing of it is changed.
func TestAPreviewPageLeavesWidgetsAlone(t *testing.T) {
	t.Parallel()
	h, door := lived(t)
	w := h.site("demo")
	h.ok("hold", w.Name, "--for", "10m")
	_, port, _ := net.SplitHostPort(door)
	b := browse(t, "http://preview.demo.localhost:"+port+"/?path=/outer")
	page := b.attach("preview.demo")
	page.wait(`document.title.startsWith("/outer ")`, "true")
	page.text(`document.querySelector("#logs").click()`)
	page.wait(shownLog, `wrong on /outer {"why":"<b>test</b>"}`+"\nuntouched")
	alone := "demo.localhost:" + port + "/outer"
	page.call("Target.createTarget", map[string]any{"url": "http://" + alone}, nil)
	tab := b.attach(alone)
	tab.wait(`document.title.replace(/.* again/, "")`, " untouched")
}

// A document that wsd's script is not in tells nothing. The page notices that a frame has
// gone to one, and loads it as it would without any script.
func TestAPreviewPageDrivesADocumentWithoutItsScript(t *testing.T) {
	t.Parallel()
	h, door := lived(t)
	w := h.site("demo")
	h.ok("hold", w.Name, "--for", "10m")
	tab := previewed(t, door, w.Name, "?path=/out")
	tab.wait(`document.title`, "/out 1 anew - preview")
	tab.wait(shownBadges, "1")
	tab.follows("iframe", shownBadges, "0") // in /strict
	tab.key("r")
	tab.wait(`document.title`, "/out 3 lax=1 strict=1 again - preview")
	tab.follows("iframe", shownBadges, "0")
	tab.typed("#path", "/still")
	tab.wait(`document.title`, "/still 5 lax=1 strict=1 again - preview")
}

// A frame that has gone to wsd's own page, because the port was closed, is loaded when the
// port is there again.
func TestAPreviewPageLoadsItsFrameWhenThePortComesBack(t *testing.T) {
	t.Parallel()
	h, door := lived(t)
	w := h.site("demo")
	h.ok("hold", w.Name, "--for", "10m")
	tab := previewed(t, door, w.Name, "?path=/last")
	tab.wait(`document.title`, "/last 1 anew - preview")
	tab.wait(`performance.now() > 21_000`, "true") // until then wsd's page in the frame asks again by itself
	tab.follows("iframe", shownCurtain+`.replace("Waiting for", "Nothing listens on")`, "Nothing listens on port 8080")
	answerTo(t, door, "3000.demo.localhost", "/open")
	tab.wait(shownCurtain, "")
	tab.wait(`document.title`, "/last 2 lax=1 strict=1 again - preview")
}

// Devices, sizes, paths and keys; what is chosen stands in the address and is there again
// after a reload. Whatever is typed leads nowhere but into the workspace.
func TestAPreviewPageKeepsWhatIsChosenInItsAddress(t *testing.T) {
	t.Parallel()
	h, door := lived(t)
	w := h.site("demo")
	h.ok("hold", w.Name, "--for", "10m")
	tab := previewed(t, door, w.Name, "?device=nonsense,9x9,mobile&port=x&path=javascript:alert(1)")
	const (
		sizes  = `[...document.querySelectorAll("iframe")].map(f => f.style.width + " " + f.style.height).join(", ")`
		search = `decodeURIComponent(location.search)`
	)
	tab.wait(sizes, "393px 659px")
	tab.wait(shownPath, "/javascript:alert(1)")
	tab.typed("#path", "//evil.example/x")
	tab.wait(shownPath, "/evil.example/x")
	tab.typed("#path", "http://evil.example/still")
	tab.wait(`document.title.replace(/ .*/, "")`, "/still")
	tab.wait(search, "?path=/still&device=mobile")
	tab.key("1")
	tab.wait(sizes, "375px 667px")
	tab.key("o")
	tab.wait(search, "?path=/still&device=~mobile-s")
	tab.wait(sizes, "667px 375px")
	tab.key("+")
	tab.wait(sizes, "667px 375px, 393px 659px")
	tab.typed(".pane:last-child .label input", "500")
	tab.wait(search, "?path=/still&device=~mobile-s,500x659")
	tab.typed(".pane:last-child .label input", "many")
	tab.wait(`document.querySelector(".pane:last-child .label input").value`, "500")
	tab.key("m")
	tab.wait(search, "?path=/still&device=~mobile-s,500x659&mirror=off")
	tab.reload()
	tab.wait(sizes, "667px 375px, 500px 659px")
	tab.wait(shownPath, "/still")
	tab.key("0")
	tab.wait(search, "?path=/still&mirror=off")
	tab.wait(sizes, " ")
	tab.text(`location.search = "?device=" + "50x50,".repeat(9)`)
	tab.wait(`document.querySelectorAll("iframe").length`, strconv.Itoa(api.MaxDevices))
}

// A path may be typed before wsd has told where the workspace is served: nothing else is
// framed meanwhile, and then that path is.
func TestAPreviewPageWaitsToBeToldWhereItsWorkspaceIs(t *testing.T) {
	t.Parallel()
	h, door := lived(t)
	w := h.site("demo")
	h.ok("hold", w.Name, "--for", "10m")
	tab := previewed(t, door, w.Name, "?path=/last")
	tab.wait(`document.title.replace(/ .*/, "")`, "/last")
	const late = `window.EventSource = class extends EventSource {
		constructor(url) { super("data:,"); window.told = new Promise((tell) => (window.tell = () => tell(url))); }
		addEventListener(...args) { window.told.then((url) => (this.real ??= new (Object.getPrototypeOf(window.EventSource))(url)).addEventListener(...args)); }
	}`
	tab.call("Page.enable", nil, nil)
	tab.call("Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": late}, nil)
	tab.reload()
	tab.wait(`typeof window.tell`, "function")
	tab.typed("#path", "/still")
	tab.wait(shownPath, "/still")
	if src := tab.text(`document.querySelector("iframe").getAttribute("src") ?? ""`); src != "" {
		t.Errorf("meanwhile %s is framed", src)
	}
	tab.text(`window.tell()`)
	tab.wait(`document.title.replace(/ .*/, "")`, "/still")
}

// A login that was made in a tab, or on another port, is of this workspace: neither the first
// look at it nor the first one at a port is a reason to forget it.
func TestAPreviewPageLeavesTheLoginsOfItsWorkspaceAlone(t *testing.T) {
	t.Parallel()
	h, door := lived(t)
	w := h.site("demo")
	h.ok("hold", w.Name, "--for", "10m")
	_, port, _ := net.SplitHostPort(door)
	tab := browse(t, "http://demo.localhost:"+port+"/still").attach("demo.localhost")
	tab.wait(`document.title`, "/still 1 anew")
	tab.call("Page.navigate", map[string]any{"url": "http://preview.demo.localhost:" + port + "/?path=/still"}, nil)
	tab.wait(`document.title`, "/still 2 lax=1 strict=1 again - preview")
	tab.shows("3000")
	tab.wait(`document.title`, "/still 3 anew - preview")
	tab.wait(`[...document.querySelector("#port").options].map(o => o.value).join()`, "8080,3000") // its own first
	tab.shows("8080")
	tab.wait(`document.title`, "/still 4 lax=1 strict=1 again - preview")
}

// The name of a workspace is given again: what the pages of the earlier one have left in the
// browser is not there for those of the next, on any port that was shown, and what those of
// the next leave stays.
func TestAWorkspaceDoesNotMeetWhatAnEarlierOneOfItsNameLeft(t *testing.T) {
	t.Parallel()
	h, door := lived(t)
	w := h.site("demo")
	h.ok("hold", w.Name, "--for", "10m")
	tab := previewed(t, door, w.Name, "")
	tab.wait(`document.title`, "/ 1 anew - preview")
	tab.text(`document.querySelector("#reload").click()`)
	tab.wait(`document.title`, "/ 2 lax=1 strict=1 again - preview")
	tab.shows("3000")
	tab.wait(`document.title`, "/ 3 anew - preview")
	tab.shows("8080")
	tab.wait(`document.title`, "/ 4 lax=1 strict=1 again - preview")
	h.ok("delete", w.Name, "--force", "--yes")
	tab.wait(shownCurtain, "demo is gone")
	h.site("demo")
	tab.call("Page.enable", nil, nil)
	tab.call("Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": busyBrowser}, nil)
	tab.reload()
	tab.wait(`window.kept > 0`, "true")
	tab.wait(shownCurtain, "")
	tab.text(`window.busy = false`)
	tab.wait(`document.title`, "/ 1 anew - preview")
	tab.shows("3000")
	tab.wait(`document.title`, "/ 2 anew - preview")
	tab.shows("8080")
	tab.wait(`document.title`, "/ 3 lax=1 strict=1 again - preview")
}

// busyBrowser is one that does not get round to forgetting: nothing is shown until it has.
const busyBrowser = `{
  const ask = window.fetch;
  window.busy = true;
  window.kept = 0;
  window.fetch = (url, options) => !window.busy || !String(url).includes("/@wsd/clear") ? ask(url, options) : (window.kept++,
    new Promise((_, refuse) => options.signal.addEventListener("abort", () => refuse(options.signal.reason))));
}`

// shows chooses a port in the list, once it is in it.
func (d *devtools) shows(port string) {
	d.t.Helper()
	d.wait(`[...document.querySelector("#port").options].some(o => o.value === "`+port+`")`, "true")
	d.text(`(p => (p.value = "` + port + `", p.dispatchEvent(new Event("change"))))(document.querySelector("#port"))`)
}

// middle is the middle of the first element that a selector finds.
func (d *devtools) middle(selector string) (x, y int) {
	d.t.Helper()
	at := d.text(`(() => { const r = document.querySelector(` + "`" + selector + "`" + `)?.getBoundingClientRect(); return r ? Math.round(r.x + r.width / 2) + " " + Math.round(r.y + r.height / 2) : "" })()`)
	if _, err := fmt.Sscan(at, &x, &y); err != nil {
		d.t.Fatalf("there is no %s", selector)
	}
	return x, y
}

// follows clicks on an element until an expression yields want: a frame on a busy machine may
// not be drawn yet, and then takes no click. A picture has all of them drawn.
func (d *devtools) follows(selector, expression, want string) {
	d.t.Helper()
	for end := time.Now().Add(patience); d.text(expression) != want && time.Now().Before(end); {
		d.call("Page.captureScreenshot", nil, nil)
		x, y := d.middle(selector)
		d.click(x, y)
		for again := time.Now().Add(5 * time.Second); d.text(expression) != want && time.Now().Before(again); {
			time.Sleep(50 * time.Millisecond)
		}
	}
	d.wait(expression, want)
}

// key presses a key that has a character, with nothing in focus.
func (d *devtools) key(text string) {
	d.t.Helper()
	d.text(`document.activeElement?.blur()`)
	for _, kind := range []string{"keyDown", "keyUp"} {
		d.call("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": text, "text": text}, nil)
	}
}

// typed replaces what stands in a field, and presses Enter.
func (d *devtools) typed(selector, text string) {
	d.t.Helper()
	d.text("document.querySelector(`" + selector + "`).select()")
	d.call("Input.insertText", map[string]any{"text": text}, nil)
	for _, kind := range []string{"keyDown", "keyUp"} {
		d.call("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}, nil)
	}
}
