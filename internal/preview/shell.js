// The preview page of a workspace. It frames what the workspace serves, in the sizes of
// devices, and tells what the workspace is at. It is of another origin than what it frames,
// and can do nothing with the workspace that a request to its front door cannot.

import { Panes } from "./panes.js";
import { Log } from "./log.js";
import { Curtain, listens } from "./curtain.js";

const SOON = 5 * 60_000; // ms before a stop at which the page says so
const YOUNG = 20_000; // ms after a start for which wsd's own page in the frames asks again by itself
const AGAIN = 2_000; // ms until wsd is asked again after it refused
const CLEARED = 10_000; // ms that a browser may take to forget before it is asked again
const LOOK = 4_000; // ms between two looks whether somebody is here; browsers remember for 5 s

const { name, at, devices, stages, most } = document.body.dataset;
const presets = JSON.parse(devices);
const params = new URL(location.href).searchParams;
const $ = (id) => document.getElementById(id);

let status = null; // the last of wsd
let lost = 0; // since when wsd says nothing
let port = Number(params.get("port")) || 0; // 0: the workspace's own
let path = local(params.get("path") ?? "/");
let mirror = params.get("mirror") !== "off";
let shown = ""; // the origin that the frames were loaded from, and
let from = ""; // the run; "": of one that was to be woken

const panes = new Panes($("panes"), $("stage"), presets, () => remember());
const log = new Log($("log"), $("logs"), $("errors"));
const curtain = new Curtain($("curtain"), name, JSON.parse(stages));

// Addresses.

/** A path of the framed origin, whatever was typed. */
function local(text) {
  let t = text.trim();
  try {
    const url = new URL(t);
    if (/^https?:$/.test(url.protocol)) t = url.pathname + url.search + url.hash;
  } catch {
    // no whole address
  }
  return "/" + t.replace(/^[/\\]+/, "");
}

function originOf(p) {
  return `http://${p === status.own ? "" : `${p}.`}${at}`;
}

/** The port that is shown; 0: there is none to show. */
function current() {
  return port || status.own || status.ports?.[0]?.port || 0;
}

function remember() {
  const q = new URLSearchParams();
  if (port) q.set("port", port);
  if (path !== "/") q.set("path", path);
  if (panes.ids().length) q.set("device", panes.ids().join(","));
  if (!mirror) q.set("mirror", "off");
  history.replaceState(null, "", q.size ? `/?${q}` : "/");
  draw();
}

// What is shown.

/** Loads the frames, which also wakes the workspace. */
async function load() {
  const origin = originOf(current());
  shown = panes.origin = origin;
  from = status.state === "running" ? status.run : "";
  const forgotten = await forget(origin);
  if (panes.origin !== origin) return; // another was asked for meanwhile
  if (!forgotten) return void setTimeout(() => panes.origin === origin && load(), AGAIN);
  for (const p of panes.list) p.load(path);
}

/** Has the browser forget what an earlier workspace of this name has left: the name was given anew, the origins are the same. False: it has not yet. */
async function forget(origin) {
  const once = await clear("the site", origin, "cookies"); // all its origins share them, so they go once
  return once && (await clear(origin, origin, "storage"));
}

/** Clears what was kept while this page showed whose with another workspace. What it never showed may be of this one, and stays. */
async function clear(whose, origin, what) {
  const key = `of ${whose}`;
  const id = status.id;
  const before = localStorage.getItem(key);
  if (before === id) return true;
  try {
    if (before !== null) await fetch(`${origin}/@wsd/clear?${what}`, { mode: "no-cors", credentials: "include", signal: AbortSignal.timeout(CLEARED) });
    localStorage.setItem(key, id);
    return true;
  } catch {
    return false; // wsd is not there, or the browser is busy
  }
}

function reload() {
  if (panes.list.every((p) => p.helped)) panes.list.forEach((p) => p.send("reload"));
  else if (status) load();
}

function go(to) {
  path = local(to);
  if (panes.list.every((p) => p.helped)) panes.list.forEach((p) => ((p.expected = path), p.send("go", { path })));
  else if (shown) panes.list.forEach((p) => p.load(path)); // else it is not known yet where from
  remember();
}

// What wsd tells.

function follow() {
  const source = new EventSource("/status");
  source.addEventListener("message", (e) => {
    lost = 0;
    const before = status;
    status = JSON.parse(e.data);
    if (isNew(before)) load();
    draw();
  });
  source.addEventListener("error", () => {
    if (status?.state === "deleted") return source.close();
    lost ||= Date.now();
    draw();
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, AGAIN); // the browser gives up where it is answered
  });
}

/** Whether the frames do not hold what there is to see. */
function isNew(before) {
  if (current() === 0 || !curtain.opens(status, current(), before)) return false;
  if (from === "" && status.wakes && status.state === "running") from = status.run; // wsd answers what it holds, or asks again, by itself
  if (shown !== originOf(current()) || from !== status.run) return true;
  return before !== null && listens(before, current()) === false && Date.now() - Date.parse(status.started) > YOUNG && !panes.list.some((p) => p.helped);
}

const LOOKS = { running: "good", failed: "bad", deleted: "bad", stopped: "", paused: "" };

function draw() {
  panes.mark();
  $("mirror").hidden = panes.list.length === 1;
  $("mirror").setAttribute("aria-pressed", String(mirror));
  $("rotate").disabled = $("zoom").disabled = panes.whole;
  $("device").value = [...$("device").options].some((o) => o.value === panes.leader.id) ? panes.leader.id : panes.leader.device ? "custom" : "";
  $("back").disabled = !panes.leader.canBack;
  $("forward").disabled = !panes.leader.canForward;
  if (document.activeElement !== $("path")) $("path").value = path;
  document.title = `${panes.leader.title || name} - preview`;
  if (status === null) return;
  ports();
  $("tab").href = current() ? originOf(current()) + path : `http://${at}/`;
  $("state").className = lost ? "bad" : (LOOKS[status.state] ?? "busy");
  $("state").textContent = lost ? "wsd is away" : [status.state, status.level, ends()].filter(Boolean).join(" · ");
  notice();
  curtain.draw(status, current(), {
    start: () => load(),
    show: (p) => choose(p),
  });
}

/** When it stops, in words. */
function ends() {
  if (!status.stop_at || status.state !== "running") return "";
  const left = Date.parse(status.stop_at) - Date.now();
  if (left < 90_000) return `stops in ${Math.max(0, Math.round(left / 1000))} s`;
  return left < 5_400_000 ? `stops in ${Math.round(left / 60_000)} min` : `stops in ${Math.round(left / 3_600_000)} h`;
}

function notice() {
  const [text, button] = $("notice").children;
  const soon = status.state === "running" && status.stop_at && Date.parse(status.stop_at) - Date.now() <= SOON && status.level !== "active";
  const tell = (words, label, act) => {
    text.textContent = words;
    button.hidden = !label;
    button.textContent = label;
    button.onclick = act;
    $("notice").hidden = false;
  };
  if (lost) tell(`wsd cannot be reached since ${new Date(lost).toLocaleTimeString()}: what is shown may be stale. The page comes back by itself.`, "", null);
  else if (status.name !== name) tell(`This workspace is called ${status.name} now.`, "Go there", () => (location.host = location.host.replace(`preview.${name}.`, `preview.${status.name}.`)));
  else if (soon) tell(`Nobody seems to use ${name}: it ${ends()}.`, "Keep it", act);
  else $("notice").hidden = true;
}

let listed = "";
function ports() {
  const numbers = new Set([status.own, current(), ...(status.ports ?? []).map((p) => p.port)].filter(Boolean));
  const options = [...numbers].sort((a, b) => (b === status.own) - (a === status.own) || a - b).map((n) => {
    const p = status.ports?.find((p) => p.port === n);
    const about = p ? p.label || p.process || "" : status.ports ? "nothing listens" : "";
    return [String(n), `${n}${about ? ` ${about}` : ""}`];
  });
  const now = JSON.stringify([options, current()]);
  if (now === listed) return;
  listed = now;
  $("port").replaceChildren(...options.map(([value, label]) => new Option(label, value)));
  $("port").value = String(current());
}

function choose(p) {
  port = p === status.own ? 0 : p;
  load();
  remember();
}

// What people do here.

function act() {
  fetch("/act", { method: "POST" }).catch(() => {}); // wsd is away, which the page shows
}

/** Somebody did something in this tab, in the frames too: browsers tell a page so of what it frames, and no script can make that up. */
function look() {
  if (document.hidden || !navigator.userActivation?.isActive || status?.state !== "running") return;
  act();
}
setInterval(look, LOOK);
setInterval(() => document.hidden || draw(), 5_000);
document.addEventListener("visibilitychange", () => document.hidden || draw());

addEventListener("message", (e) => {
  const pane = panes.of(e.source);
  const m = e.data;
  if (!pane || e.origin !== panes.origin || m?.wsd !== 1) return;
  switch (m.type) {
    case "hello":
      pane.meets(true, String(m.overridden ?? "").slice(0, 200));
      break;
    case "at":
      moved(pane, m);
      break;
    case "console":
      log.add(m.level, m.text, panes.list.length > 1 ? (pane.device?.name ?? "") : "");
      break;
    case "scroll":
      if (mirror && Number.isFinite(m.x) && Number.isFinite(m.y)) panes.others(pane).forEach((p) => p.send("scroll", { x: m.x, y: m.y }));
      break;
  }
});

function moved(pane, m) {
  pane.path = local(String(m.path).slice(0, 4000));
  pane.title = String(m.title ?? "").slice(0, 200);
  pane.canBack = m.back === true;
  pane.canForward = m.forward === true;
  const followed = pane.path === pane.expected;
  pane.expected = null;
  if (pane !== panes.leader) return;
  if (mirror && !followed) {
    for (const p of panes.others(pane)) {
      if (p.path === pane.path) continue;
      p.expected = pane.path;
      p.send("follow", { path: pane.path, soft: m.soft === true });
    }
  }
  path = pane.path;
  remember();
}

$("reload").addEventListener("click", reload);
$("back").addEventListener("click", () => history.back()); // a tab and what it frames have one history
$("forward").addEventListener("click", () => history.forward());
$("path").addEventListener("keydown", (e) => {
  if (e.key === "Enter") (e.target.blur(), go(e.target.value));
  else if (e.key === "Escape") (e.target.blur(), draw());
});
$("port").addEventListener("change", (e) => choose(Number(e.target.value)));
$("device").append(new Option("Whole window", ""), ...presets.map((d) => new Option(`${d.name} ${d.width}×${d.height}`, d.id)), new Option("Custom size", "custom"));
$("device").addEventListener("change", (e) => pick(e.target.value));
$("rotate").addEventListener("click", rotate);
$("add").addEventListener("click", add);
$("zoom").addEventListener("change", (e) => {
  panes.zoom = e.target.value;
  panes.resize();
});
$("mirror").addEventListener("click", toggleMirror);

function pick(id) {
  const device = id === "custom" ? panes.find("500x700") : panes.find(id);
  if (!device) while (panes.list.length > 1) panes.remove(panes.list.at(-1)); // nothing stands beside the whole window
  panes.leader.set(device);
  panes.resize();
  remember();
}

function rotate() {
  panes.leader.rotate();
  panes.resize();
  remember();
}

function add() {
  const free = presets.find((d) => !panes.list.some((p) => p.id === d.id)) ?? presets[0];
  const first = panes.list[0];
  const pane = panes.add(first.device ? free : panes.find("tablet"));
  if (shown) pane.load(path);
  remember();
}

function toggleMirror() {
  mirror = !mirror;
  remember();
}

const KEYS = { r: reload, o: rotate, c: () => log.toggle(), m: toggleMirror, "+": add, "/": () => $("path").select() };
addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName)) return;
  const preset = /^[1-9]$/.test(e.key) ? presets[Number(e.key) - 1] : null;
  const does = preset ? () => pick(preset.id) : e.key === "0" ? () => pick("") : KEYS[e.key];
  if (!does) return;
  e.preventDefault();
  does();
});

panes.show((params.get("device") ?? "").split(",").filter(Boolean).slice(0, Number(most)));
draw();
follow();
