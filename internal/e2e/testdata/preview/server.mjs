// A site that logs in by a cookie and does not want to be framed, on two ports. What it has
// no page for it does not know.
import { createServer } from "node:http";

const pages = {
  "/": { link: "/next" },
  "/next": { link: "/next" },
  "/still": {},
  "/out": { link: "/strict" },
  "/strict": { policy: () => "script-src 'none'" },
  "/outer": { frame: "/inner" }, // of the other port, which no other page may frame
  "/inner": { policy: (req) => `frame-ancestors http://${req.headers.host.replace("3000.", "")}` },
  "/last": { link: "/close" }, // port 8080, until /open is asked for on the other
};

let loads = 0;
const answer = (req, res) => {
  const url = new URL(req.url, "http://x");
  const page = pages[url.pathname];
  if (url.pathname === "/close") return servers[0].close(), servers[0].closeAllConnections();
  if (url.pathname === "/open") servers[0].listen(8080);
  if (!page) {
    res.writeHead(404).end();
    return;
  }
  const cookies = (req.headers.cookie ?? "").split("; ").sort().join(" ");
  res.writeHead(200, {
    "Content-Type": "text/html; charset=utf-8", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
    "Content-Security-Policy": page.policy?.(req) ?? "script-src 'nonce-n1'", "Set-Cookie": ["lax=1; SameSite=Lax", "strict=1; SameSite=Strict; HttpOnly"],
  });
  res.end(`<!doctype html><html><head><title>${url.pathname} ${++loads} ${cookies}</title></head>
<body style="margin:0"><a ${page.link ? `href="${page.link}"` : ""} style="display:block;height:3000px">next</a>
<script nonce="n1">
  const untouched = [console.error, history.pushState].every((f) => String(f).includes("native code"));
  if (location.pathname === "/inner") parent.postMessage(untouched ? "untouched" : "changed", "*");
  addEventListener("message", (e) => e.source === frames[0] && ((document.title += " " + e.data), console.error(e.data)));
  document.title += localStorage.kept ? " again" : " anew";
  localStorage.kept = 1;
  console.error("wrong on " + location.pathname, { why: "<b>test</b>" });
</script>${page.frame ? `<iframe src="http://3000.${req.headers.host}${page.frame}"></iframe>` : ""}</body></html>`);
};

const servers = [createServer(answer).listen(8080), createServer(answer).listen(3000)];
