// Runs in the documents that wsd's preview page frames, before their own scripts, and in no
// other: it comes with each that a browser loads into a frame while that page is open.
// It tells that page, and nobody else, where the frame is and what went wrong in it, and
// does what the page asks: say that it is there, reload, go somewhere, scroll. It changes nothing of the document.
(() => {
  const script = document.currentScript;
  const shell = script.dataset.shell;
  const overridden = new URL(script.src).searchParams.get("overridden") ?? "";
  script.remove();
  const above = location.ancestorOrigins?.[0] ?? (window.parent === window.top ? shell : ""); // not every browser tells it
  if (window.parent === window || above !== shell) return;

  const LONGEST = 2000; // characters of one message of the console
  const DRIVEN = 500; // ms that a scroll goes on after what a person did
  const tell = (type, more) => window.parent.postMessage({ wsd: 1, type, ...more }, shell);

  // Where it is.
  const at = () => location.pathname + location.search + location.hash;
  const moved = (soft) => {
    const n = window.navigation;
    tell("at", { path: at(), title: document.title, soft, back: n?.canGoBack ?? false, forward: n?.canGoForward ?? false });
  };
  for (const name of ["pushState", "replaceState"]) {
    const original = history[name];
    history[name] = function (...args) {
      const result = original.apply(this, args);
      moved(true);
      return result;
    };
  }
  addEventListener("popstate", () => moved(true));
  addEventListener("hashchange", () => moved(true));
  addEventListener("pageshow", () => moved(false));
  const hello = () => tell("hello", { overridden });
  hello();
  moved(false);

  // What goes wrong.
  const word = (value) => {
    if (value instanceof Error) return String(value.stack || value);
    if (typeof value !== "object" || value === null) return String(value);
    try {
      return JSON.stringify(value) ?? String(value);
    } catch {
      return Object.prototype.toString.call(value);
    }
  };
  const said = (level, text) => tell("console", { level, text: text.slice(0, LONGEST) });
  for (const level of ["error", "warn"]) {
    const original = console[level];
    console[level] = function (...args) {
      try {
        said(level, args.map(word).join(" "));
      } catch {
        // an argument that cannot be worded is no reason to break the page
      }
      return original.apply(this, args);
    };
  }
  addEventListener("error", (e) => {
    const source = e.target?.src ?? e.target?.href;
    if (e.target !== window && source) said("error", `cannot load ${source}`);
    else if (e.message) said("error", `${e.error ? word(e.error) : e.message}${e.error ? "" : ` (${e.filename}:${e.lineno})`}`);
  }, true);
  addEventListener("unhandledrejection", (e) => said("error", `unhandled rejection: ${word(e.reason)}`));
  addEventListener("securitypolicyviolation", (e) => said("error", `blocked by the page's Content-Security-Policy (${e.effectiveDirective}): ${e.blockedURI}`));

  // Who scrolls: a person here, or the page that follows another device.
  let driven = 0;
  let followed = null; // the place that the page asked for
  for (const kind of ["wheel", "touchmove", "keydown", "pointerdown"]) addEventListener(kind, () => (driven = Date.now()), { passive: true, capture: true });
  const room = () => ({ x: Math.max(1, document.documentElement.scrollWidth - innerWidth), y: Math.max(1, document.documentElement.scrollHeight - innerHeight) });
  addEventListener("scroll", (e) => {
    if (e.target !== document) return;
    if (followed && Math.abs(scrollX - followed.x) <= 1 && Math.abs(scrollY - followed.y) <= 1) return;
    if (Date.now() - driven > DRIVEN && !document.documentElement.matches(":hover")) return;
    driven = Math.max(driven, Date.now() - DRIVEN / 2); // it runs out by itself
    followed = null;
    const r = room();
    tell("scroll", { x: scrollX / r.x, y: scrollY / r.y });
  }, { passive: true, capture: true });

  addEventListener("message", (e) => {
    if (e.source !== window.parent || e.origin !== shell || e.data?.wsd !== 1) return;
    const m = e.data;
    const to = new URL(m.path ?? "", location.href);
    if (to.origin !== location.origin) return;
    switch (m.type) {
      case "hello":
        hello();
        break;
      case "reload":
        location.reload();
        break;
      case "go":
        location.assign(to);
        break;
      case "follow": // without an entry of its own in the history of the tab
        if (to.href === location.href) break;
        if (m.soft) {
          history.replaceState(null, "", to);
          dispatchEvent(new PopStateEvent("popstate", { state: null }));
        } else location.replace(to);
        break;
      case "scroll": {
        const r = room();
        followed = { x: m.x * r.x, y: m.y * r.y };
        scrollTo({ left: followed.x, top: followed.y, behavior: "instant" });
        break;
      }
    }
  });
})();
