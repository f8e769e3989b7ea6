# A Vite project whose page tells the server which version of a module it has been given:
# /tab answers how many sockets there are, which load of the page it was, and the version.
npm create vite@latest site -- --template vanilla </dev/null
cd site
npm install --no-audit --no-fund
rm -rf src
cat >index.html <<'FILE'
<!doctype html><title>dev</title>
<a href="/next" style="position: fixed; inset: 0">next</a>
<script type="module" src="/main.js"></script>
FILE
echo 'export const version = 0;' >version.js
cat >main.js <<'FILE'
import { version } from "./version.js";
const load = Math.random();
const tell = (v) => fetch(`/told?${load} version ${v}`);
tell(version);
import.meta.hot.accept("./version.js", (m) => tell(m.version));
FILE
cat >vite.config.js <<'FILE'
let told = "";
const report = (server) => {
  server.middlewares.use((q, a, next) => {
    if (q.url.startsWith("/told?")) told = decodeURI(q.url.slice(6));
    else if (q.url === "/tab") return a.end(`sockets ${server.ws.clients.size} load ${told}`);
    else return next();
    a.end();
  });
};
export default { plugins: [{ name: "report", configureServer: report }] };
FILE
nohup npx vite >/tmp/vite.log 2>&1 &
