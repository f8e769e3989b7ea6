# Dev servers, each with a fault or without, and proxies in front of one of them.
mkdir -p /workspace/site && cd /workspace/site
npm init -y >/dev/null && npm pkg delete type
npm install --no-audit --no-fund vite@8 webpack@5 webpack-dev-server@5 esbuild@0.28
echo '<!doctype html><title>site</title><script type="module" src="/main.js"></script>' >index.html
echo 'console.log("site");' >main.js
cp /tmp/servers.mjs servers.mjs
nohup node servers.mjs >/tmp/servers.log 2>&1 &
