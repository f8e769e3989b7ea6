// A site that logs in by a cookie and does not want to be framed, on two ports. Each page
// but /still is one link.
import { createServer } from "node:http";

let loads = 0;
const server = (req, res) => {
  const url = new URL(req.url, "http://x");
  if (!["/", "/next", "/still"].includes(url.pathname)) {
    res.writeHead(404).end();
    return;
  }
  const cookies = (req.headers.cookie ?? "").split("; ").sort().join(" ");
  res.writeHead(200, {
    "Content-Type": "text/html; charset=utf-8", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
    "Content-Security-Policy": "script-src 'nonce-n1'", "Set-Cookie": ["lax=1; SameSite=Lax", "strict=1; SameSite=Strict; HttpOnly"],
  });
  res.end(`<!doctype html><html><head><title>${url.pathname} ${++loads} ${cookies}</title></head>
<body style="margin:0"><a ${url.pathname === "/still" ? "" : `href="/next"`} style="display:block;height:3000px">next</a>
<script nonce="n1">
  document.title += localStorage.kept ? " again" : " anew";
  localStorage.kept = 1;
  console.error("wrong on " + location.pathname, { why: "<b>test</b>" });
</script></body></html>`);
};
for (const port of [8080, 3000]) createServer(server).listen(port);
