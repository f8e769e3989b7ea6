import http from "node:http";
import net from "node:net";
import { createServer } from "vite";
import webpack from "webpack";
import WebpackDevServer from "webpack-dev-server";
import * as esbuild from "esbuild";

const vite = async (port, server) => (await createServer({ configFile: false, logLevel: "warn", cacheDir: `/tmp/vite-${port}`, server: { port, strictPort: true, ...server } })).listen();

// proxy stands in front of port 5173. It may say another Host for requests and for upgrades;
// without upgrade it answers those as it answers everything.
function proxy(port, { host, upgradeHost, upgrade }) {
  const ask = (q, a) => q.pipe(http.request({ port: 5173, path: q.url, method: q.method, headers: { ...q.headers, host: host ?? q.headers.host } }, (r) => {
    a.writeHead(r.statusCode, r.headers);
    r.pipe(a);
  }));
  const server = http.createServer((q, a) => {
    if (q.headers.upgrade) return a.writeHead(200, { "content-type": "text/html" }).end("<p>no socket");
    ask(q, a);
  });
  if (upgrade) {
    server.on("upgrade", (q, client) => {
      const inner = net.connect(5173, "localhost", () => {
        const fields = Object.entries({ ...q.headers, host: upgradeHost ?? q.headers.host }).map(([k, v]) => `${k}: ${v}\r\n`);
        inner.write(`GET ${q.url} HTTP/1.1\r\n${fields.join("")}\r\n`);
        inner.pipe(client).pipe(inner);
      });
      for (const end of [inner, client]) end.on("error", () => { inner.destroy(); client.destroy(); });
    });
  }
  return new Promise((listening) => server.listen(port, "localhost", listening));
}

const bundle = (port, client) => new WebpackDevServer(
  { port, hot: true, client, static: false, setupExitSignals: false },
  webpack({ mode: "development", context: "/workspace/site", entry: "./main.js", stats: "none", plugins: [{
    apply(c) {
      c.hooks.thisCompilation.tap("page", (k) => k.hooks.processAssets.tap("page", () =>
        k.emitAsset("index.html", new webpack.sources.RawSource('<!doctype html><script defer src="/main.js"></script>'))));
    },
  }] }),
).start();

await vite(5173, {});
await vite(5174, { ws: { clientPort: 5174 } });
await vite(5175, { hmr: { protocol: "wss", clientPort: 443 } });
await vite(5176, { ws: { port: 24999 } });
const middleware = await createServer({ configFile: false, logLevel: "warn", cacheDir: "/tmp/vite-5177", appType: "spa", server: { middlewareMode: true } });
await new Promise((listening) => http.createServer(middleware.middlewares).listen(5177, "localhost", listening));
await proxy(5178, { upgrade: true });
await proxy(5179, { upgrade: true, upgradeHost: "dev.internal" });
await proxy(5180, { upgrade: true, host: "dev.internal", upgradeHost: "dev.internal" });
await proxy(5181, { upgrade: false });
await bundle(8081, {});
await bundle(8082, { webSocketURL: "auto://0.0.0.0:0/ws" });
const context = await esbuild.context({ entryPoints: ["main.js"], bundle: true, outdir: "/workspace/site/out" });
await context.watch();
await context.serve({ port: 8083, host: "127.0.0.1", servedir: "/workspace/site" });
console.log("all listen");
