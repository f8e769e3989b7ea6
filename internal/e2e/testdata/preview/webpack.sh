# A webpack project whose page tells the server which version of a module it has been given:
# /tab answers how many sockets there are, which load of the page it was, and the version.
mkdir -p /workspace/site && cd /workspace/site
npm init -y >/dev/null && npm pkg delete type
npm install --no-audit --no-fund webpack@5 webpack-dev-server@5
echo 'export const version = 0;' >version.js
cat >main.js <<'FILE2'
import { version } from "./version.js";
const load = Math.random();
const tell = (v) => fetch(`/told?${load} version ${v}`);
tell(version);
module.hot.accept("./version.js", () => tell(version));
FILE2
cat >serve.mjs <<'FILE2'
import webpack from "webpack";
import WebpackDevServer from "webpack-dev-server";
let told = "";
const page = { apply: (c) => c.hooks.thisCompilation.tap("page", (k) => k.hooks.processAssets.tap("page", () =>
  k.emitAsset("index.html", new webpack.sources.RawSource('<!doctype html><title>dev</title><a href="/next" style="position: fixed; inset: 0">next</a><script defer src="/main.js"></script>')))) };
const server = new WebpackDevServer({
  port: 5173, client: { webSocketURL: "auto://0.0.0.0:0/ws" }, static: false, setupExitSignals: false,
  setupMiddlewares(list, s) {
    s.app.use((q, a, next) => {
      if (q.url.startsWith("/told?")) told = decodeURI(q.url.slice(6));
      else if (q.url === "/tab") return a.end(`sockets ${s.webSocketServer?.clients.length ?? 0} load ${told}`);
      else return next();
      a.end();
    });
    return list;
  },
}, webpack({ mode: "development", context: "/workspace/site", entry: "./main.js", stats: "none", plugins: [page] }));
await server.start();
FILE2
nohup node serve.mjs >/tmp/vite.log 2>&1 &
