// A dev server as bundlers have them: a page whose client holds a socket for hot replacement,
// pings the server when that is lost, and asks for its state now and then; idle itself.
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const page = `<!doctype html><title>dev</title><script>
function hold() {
  const s = new WebSocket("ws://" + location.host + "/", "vite-hmr");
  s.onclose = () => setTimeout(hold, 500);
}
hold();
setInterval(() => fetch("/state?hidden=" + document.hidden).catch(() => {}), 1000);
const other = new URLSearchParams(location.search).get("open");
if (other) open(other); // in a tab that comes to the front
</script>`;
const sockets = new Set();
let hidden = "unknown";
const server = createServer((q, a) => {
  const url = new URL(q.url, "http://dev");
  if (url.pathname === "/tab") return a.end(`${sockets.size} sockets, hidden: ${hidden}`);
  if (url.pathname === "/state") hidden = url.searchParams.get("hidden");
  a.setHeader("content-type", "text/html");
  a.end(url.pathname === "/" ? page : "{}");
});
server.on("upgrade", (q, socket) => {
  const key = createHash("sha1").update(q.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\nSec-WebSocket-Protocol: vite-hmr\r\n\r\n`);
  sockets.add(socket);
  socket.on("close", () => sockets.delete(socket)).on("error", () => {}).resume();
});
setInterval(() => { // as hot replacement says hello again and again
  for (const s of sockets) s.write(Buffer.from([0x81, 0x02, 0x7b, 0x7d]));
}, 1000);
server.listen(Number(process.env.PORT ?? 8080), "0.0.0.0");
