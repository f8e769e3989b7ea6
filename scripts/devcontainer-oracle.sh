#!/bin/bash
# devcontainer-oracle.sh holds what we read from devcontainer.json files against the
# reference implementation, @devcontainers/cli: every file of the tests is given to both,
# and what both support must be the same. It needs node, and the npm registry the first
# time, so it is not part of make test.
#
# Usage: devcontainer-oracle.sh [FOLDER]     FOLDER (default: a temporary one) keeps the CLI
# Exit status: 0 if nothing differs.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly VERSION=0.89.0
work=$(mktemp -d "${TMPDIR:-/tmp}/wsd-oracle.XXXXXX")
trap 'rm -rf "$work"' EXIT
home=${1:-$work}
cli=$home/node_modules/.bin/devcontainer
if [ ! -x "$cli" ]; then
	npm install --silent --no-save --prefix "$home" "@devcontainers/cli@$VERSION" >&2
fi

# No engine is asked: an image of which nothing is known answers for all of them.
cat >"$work/docker" <<'STUB'
#!/bin/sh
case $1 in
inspect) echo '[{"Id":"sha256:0","Architecture":"amd64","Os":"linux","Config":{"User":"","Env":[],"Labels":{}}}]' ;;
ps) ;;
version) echo 28.0.0 ;;
*) exit 1 ;;
esac
STUB
chmod +x "$work/docker"

cat >"$work/compare.js" <<'JS'
const fs = require('fs'), path = require('path');
const [ours, theirs, project] = process.argv.slice(2).map((f, i) => i < 2 ? JSON.parse(fs.readFileSync(f)) : f);
const spec = ours.Spec, conf = theirs.configuration, merged = theirs.mergedConfiguration;
const target = /(?:target|dst|destination)=([^,]*)/.exec(theirs.workspace.workspaceMount)[1];
// Its files are below the mount of the workspace, ours below /workspace.
const text = s => String(s).split(target).join('/workspace').split(project).join('/home/ann/shop')
	.replace(/\$\{devcontainerId\}/g, 'd0123456789');
const noted = key => (spec.notes || []).some(n => n.key === key || n.key.startsWith(key + '.'));
let differ = 0;
const same = (what, a, b) => {
	const [x, y] = [a, b].map(v => JSON.stringify(v === undefined ? null : v));
	if (x !== y) { differ++; console.log(`  ${what}: we have ${x}, they have ${y}`); }
};
const vars = (key, own, other) => {
	const kept = Object.entries(other || {}).filter(([k]) => k in (own || {}) || !noted(`${key}.${k}`));
	const sorted = o => Object.fromEntries(Object.entries(o).sort(([a], [b]) => a < b ? -1 : 1));
	same(key, sorted(own || {}), sorted(Object.fromEntries(kept.map(([k, v]) => [k, v === null ? '' : text(v)]))));
};
same('name', ours.Name, text(conf.name || ''));
if (!conf.build && !conf.dockerFile) same('image', spec.image, conf.image);
else {
	const folder = path.dirname(path.relative(project, conf.configFilePath.fsPath));
	const rel = p => path.posix.normalize(path.isAbsolute(p) ? path.relative(project, p) || '.' : path.join(folder, p)).replace(/\/$/, '') || '.';
	const b = conf.build || {}, old = 'dockerFile' in conf; // the output shows both, the old one counts
	const file = old ? conf.dockerFile : b.dockerfile;
	same('build.context', ours.Context, rel((old ? conf.context : b.context) || path.dirname(file)));
	same('build.dockerfile', path.join(ours.Context, spec.build.dockerfile), rel(file));
	same('build.target', spec.build.target, b.target);
	vars('build.args', spec.build.args, b.args);
}
vars('containerEnv', spec.env, merged.containerEnv);
vars('remoteEnv', spec.remote_env, merged.remoteEnv);
const user = merged.remoteUser || merged.containerUser;
same('user', spec.user, noted('remoteUser') && user !== 'root' ? user.split(':')[0] : user);
same('dir', spec.dir, text(theirs.workspace.workspaceFolder));
const phases = { onCreate: 'on_create', updateContent: 'update_content', postCreate: 'post_create', postStart: 'post_start', postAttach: 'post_attach' };
const order = Object.keys(phases), words = c => typeof c === 'string' ? ['/bin/sh', '-c', text(c)] : c.map(text);
const some = c => c && c.length > 0;
const upTo = order.indexOf((merged.waitFor || 'updateContentCommand').replace('Command', ''));
order.forEach((stage, i) => {
	const list = (merged[stage + 'Commands'] || []).flatMap(c => typeof c === 'object' && !Array.isArray(c)
		? Object.entries(c).filter(([, v]) => some(v)).map(([k, v]) => [k, words(v)]) : some(c) ? [['', words(c)]] : []);
	const mine = (spec.hooks || []).filter(h => h.phase === phases[stage]);
	same(stage, mine.map(h => [h.name || '', h.command]), list);
	same(stage + ' awaited', mine.map(h => !!h.await), list.map(() => i <= upTo));
});
const ports = (merged.forwardPorts || []).map(String).filter(p => !/^(?!localhost)[^:]*[a-z][^:]*:/.test(p)).map(p => Number(p.split(':').pop()));
const known = [spec.port, ...(spec.ports || []).map(p => p.port)];
same('forwarded ports that are missing', ports.filter(p => !known.includes(p)), []);
const wants = merged.hostRequirements || {};
if (wants.cpus > 1) same('cpus', spec.limits.cpus, wants.cpus);
same('secrets', (spec.secrets || []).map(s => s.name), Object.keys(conf.secrets || {}).filter(k => !noted(`secrets.${k}`)));
process.exit(differ ? 1 : 0);
JS

failed=0 compared=0
for file in internal/template/devcontainer/testdata/*.jsonc; do
	name=$(basename "$file" .jsonc)
	[ "$name" = features ] && continue # it would fetch them
	project=$work/$name/shop
	at=$project/.devcontainer
	mkdir -p "$at" "$project/docker" "$project/ops"
	for place in "$at/Dockerfile" "$project/Dockerfile" "$project/docker/dev.Dockerfile" "$project/ops/Dockerfile"; do
		echo "FROM debian:12 AS development" >"$place"
	done
	case $name in root-*) cp "$file" "$project/.devcontainer.json" ;; *) cp "$file" "$at/devcontainer.json" ;; esac
	if ! HOME=/home/ann USER=ann TRICK="\${localEnv:HOME} \${containerWorkspaceFolder}" env -u TZ -u USERPROFILE "$cli" read-configuration \
		--docker-path "$work/docker" --workspace-folder "$project" --include-merged-configuration >"$work/out" 2>"$work/err"; then
		echo "$name: the reference implementation fails: $(tail -n 1 "$work/err")"
		failed=1
		continue
	fi
	compared=$((compared + 1))
	if ! node "$work/compare.js" "${file%.jsonc}.golden.json" "$work/out" "$project" >"$work/diff"; then
		echo "$name:"
		cat "$work/diff"
		failed=1
	fi
done
echo "$compared files compared with @devcontainers/cli $("$cli" --version 2>/dev/null)"
exit "$failed"
