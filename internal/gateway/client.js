// A client of wsd's gateway (docs/gateway.md): rooms of workspaces, over one WebSocket that
// is made again when it breaks. An ES module without dependencies, for pages and Node.js.
//
//   import { connect } from "./client.js";
//   const gateway = connect({ url: "ws://.../v1/ws" });           // a page
//   const gateway = connect({ url: "ws+unix:/run/wsd.sock:/v1/ws", WebSocket: (await import("ws")).WebSocket });
//   const room = gateway.join("demo");
//   room.on("snapshot", (s) => ...); room.on("state", (fact, frame) => ...); room.on("*", (frame) => ...);
//   gateway.on("link", ({ state, since, error }) => ...);         // live, polling, or lost: then what is shown is stale
//   gateway.on("poll", ({ workspaces }) => ...);                  // while no socket can be had: the list, when it has changed
//
// Numbered frames of a room come once each and in order. After "snapshot" forget what was
// known before it.

const PROTOCOL = "wsd.gateway.v1";
const FIRST = 250; // ms, ceiling of the first delay; it doubles
const MAX = 20_000; // ms, ceiling of every delay
const HEALTHY = 30_000; // ms after which a connection counts as a good one
const CONNECT = 10_000; // ms that a socket may take to be open
const SILENCE = 45_000; // ms without a frame: wsd asks every 15 s
const REFUSED = 3; // sockets in a row that never said hello: a page is not told why, so the list is asked for meanwhile
const POLL = 5_000; // ms between two questions for it; an unchanged one is a 304
const GOING_AWAY = 1001, RESTART = 1012, KICKED = 4403;

class Emitter {
  #handlers = new Map();

  /** Calls fn for each event of the type; returns a function that ends that. */
  on(type, fn) {
    if (!this.#handlers.has(type)) this.#handlers.set(type, new Set());
    this.#handlers.get(type).add(fn);
    return () => this.#handlers.get(type)?.delete(fn);
  }

  emit(type, ...args) {
    for (const fn of [...(this.#handlers.get(type) ?? [])]) fn(...args);
  }
}

/** One room. Its members are kept as wsd tells of them. */
export class Room extends Emitter {
  epoch = "";
  seq = 0;
  session = "";
  id = ""; // of the workspace, once wsd has let us in
  member = "";
  members = new Map();

  constructor(gateway, workspace, options) {
    super();
    this.gateway = gateway;
    this.workspace = workspace;
    this.options = options;
  }

  /** Tells wsd something; false: the link is lost, and it was dropped. */
  send(type, payload) {
    return this.gateway.send(type, this.id || this.workspace, payload);
  }

  leave() {
    this.gateway.forget(this);
    this.send("leave");
  }

  _enter() {
    const { observe, types } = this.options;
    this.send("join", { epoch: this.epoch, since: this.seq, session: this.session, observe: !!observe, types: types ?? [] });
  }

  _reset() {
    this.epoch = "";
    this.seq = 0;
  }

  _take(frame) {
    const p = frame.payload ?? {};
    switch (frame.type) {
      case "joined":
        this.id = frame.workspace;
        this.session = p.session ?? "";
        this.member = p.member ?? "";
        this.emit("joined", p, frame);
        return;
      case "resync":
        this._reset();
        this._enter();
        return;
      case "left":
        this.gateway.forget(this);
        break;
      case "presence":
        this.#present(p);
        break;
      case "snapshot":
        this.epoch = frame.epoch;
        this.seq = frame.seq ?? 0;
        break;
      default:
        if (frame.seq) {
          if (frame.epoch === this.epoch && frame.seq <= this.seq) return;
          this.epoch = frame.epoch;
          this.seq = frame.seq;
        }
    }
    this.emit(frame.type, p, frame);
    this.emit("*", frame);
  }

  #present(p) {
    if (p.event === "members") this.members = new Map((p.members ?? []).map((m) => [m.id, m]));
    else if (p.event === "leave") this.members.delete(p.member.id);
    else this.members.set(p.member.id, p.member);
  }
}

/** The connection. Events: "link", "bye" and "error" (a frame of ours was refused). */
export class Gateway extends Emitter {
  state = "lost";
  since = Date.now();
  #socket = null;
  #rooms = new Set();
  #attempt = 0;
  #retry = 0;
  #begun = 0;
  #timer = null;
  #silence = null;
  #closed = false;
  #failed = 0; // sockets in a row without hello
  #poller = null;
  #etag = "";

  constructor(options) {
    super();
    this.options = options;
    this.WebSocket = options.WebSocket ?? globalThis.WebSocket;
    if (!this.WebSocket) throw new Error("there is no WebSocket here: pass one as options.WebSocket");
    if (typeof globalThis.addEventListener === "function" && globalThis.document) {
      globalThis.addEventListener("online", () => this.now());
      globalThis.document.addEventListener("visibilitychange", () => globalThis.document.hidden || this.now());
    }
    this.#open();
  }

  /** Enters a room; workspace "*" with observe is the room of everything. */
  join(workspace, options = {}) {
    const room = new Room(this, workspace, options);
    this.#rooms.add(room);
    if (this.state === "live") room._enter();
    return room;
  }

  forget(room) {
    this.#rooms.delete(room);
  }

  send(type, workspace, payload) {
    if (this.#socket?.readyState !== 1) return false;
    this.#socket.send(JSON.stringify({ v: 1, type, workspace, payload }));
    return true;
  }

  /** Tries to connect at once, if it waits to. */
  now() {
    if (this.#timer === null || this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#open();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
    this.#rest();
    this.#socket?.close(1000);
  }

  #open() {
    this.#begun = Date.now();
    const socket = new this.WebSocket(this.options.url, [PROTOCOL]);
    this.#socket = socket;
    let error = null;
    this.#silence = setTimeout(() => socket.close(), CONNECT); // a browser waits for minutes
    socket.addEventListener("open", () => this.#heard(socket));
    socket.addEventListener("message", (m) => {
      this.#heard(socket);
      let frame;
      try {
        frame = JSON.parse(m.data);
      } catch {
        return;
      }
      this.#take(frame);
    });
    socket.addEventListener("error", (e) => (error = e.error ?? e.message ?? "the connection failed"));
    socket.addEventListener("close", (e) => {
      clearTimeout(this.#silence);
      if (this.#socket === socket) this.#lost(e.code, error);
    });
  }

  #heard(socket) {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => socket.close(), SILENCE);
  }

  #take(frame) {
    const p = frame.payload ?? {};
    switch (frame.type) {
      case "hello":
        this.hello = p;
        this.#failed = 0;
        this.#rest();
        this.#link("live", null);
        this.send("hello", undefined, { client: this.options.client ?? "client.js" });
        for (const room of this.#rooms) room._enter();
        return;
      case "ping":
        this.send("pong", undefined, { t: p.t });
        return;
      case "pong":
        return;
      case "bye":
        this.#retry = p.retry_after_ms ?? 0;
        this.emit("bye", p);
        return;
      case "error":
        this.emit("error", p, frame);
        return;
    }
    for (const room of [...this.#rooms]) {
      if (frame.type === "resync" && !frame.workspace) room._reset();
      else if (frame.workspace === room.id || (frame.type === "joined" && room.id === "" && this.#names(room, frame))) room._take(frame);
    }
  }

  #names(room, frame) {
    return [frame.workspace, frame.payload?.name].includes(room.workspace) || frame.workspace.startsWith(room.workspace);
  }

  #link(state, error) {
    if (state !== this.state) this.since = Date.now();
    this.state = state;
    this.emit("link", { state, since: this.since, error });
  }

  // Asks for the list now and then, until a socket says hello.
  async #poll(poller) {
    let state = "lost";
    try {
      const headers = this.#etag ? { "If-None-Match": this.#etag } : {};
      const answer = await fetch(this.#list(), { headers, cache: "no-store", signal: AbortSignal.timeout(POLL) });
      const list = answer.status === 200 ? await answer.json() : null;
      if (this.#poller !== poller) return;
      if (list !== null || answer.status === 304) state = "polling";
      if (list !== null) {
        this.#etag = answer.headers.get("ETag") ?? "";
        this.emit("poll", list);
      }
    } catch {
      // wsd cannot be reached: what is shown is stale
    }
    if (this.#poller !== poller) return;
    if (state !== this.state) this.#link(state, null);
    poller.timer = setTimeout(() => this.#poll(poller), POLL);
  }

  /** Where the list is: beside the socket, unless options.poll says so; "" where fetch cannot ask. */
  #list() {
    return this.options.poll ?? (/^wss?:/.test(this.options.url) ? this.options.url.replace(/^ws/, "http").replace(/\/ws$/, "/workspaces") : "");
  }

  #rest() {
    clearTimeout(this.#poller?.timer);
    this.#poller = null;
    this.#etag = "";
  }

  #lost(code, error) {
    this.#socket = null;
    if (this.#closed) return;
    if (this.state === "live") this.#link("lost", error ?? code);
    else if (this.state === "lost") this.emit("link", { state: "lost", since: this.since, error: error ?? code });
    if (code === KICKED) {
      this.#closed = true; // somebody ended the session: coming back is for a person to decide
      return;
    }
    if (++this.#failed >= REFUSED && this.#poller === null && this.#list() !== "") {
      this.#poller = {};
      this.#poll(this.#poller);
    }
    if (Date.now() - this.#begun >= HEALTHY) this.#attempt = 0;
    const soon = this.#attempt === 0 && (code === GOING_AWAY || code === RESTART);
    const delay = this.#retry + (soon ? 0 : Math.random() * Math.min(MAX, FIRST * 2 ** this.#attempt));
    this.#attempt++;
    this.#retry = 0;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#open();
    }, delay);
  }
}

/** Connects. options: url, WebSocket (default: the page's), client (a name for wsd's log). */
export function connect(options) {
  return new Gateway(options);
}

/**
 * Tells a room whether somebody looks at this page and when they last did something, which
 * is what keeps a workspace in use. Returns a function that ends that.
 */
export function track(room, page = globalThis) {
  let input = 0;
  let told = 0; // the last input that wsd was told of as it came
  const tell = () => {
    room.send("visibility", { visible: !page.document.hidden, input_age_ms: input ? Date.now() - input : -1 });
  };
  const acted = () => {
    input = Date.now();
    if (input - told > 30_000) {
      told = input;
      tell();
    }
  };
  const kinds = ["keydown", "pointerdown", "wheel"];
  for (const kind of kinds) page.addEventListener(kind, acted, { passive: true, capture: true });
  page.document.addEventListener("visibilitychange", tell);
  const off = room.on("joined", tell);
  return () => {
    off();
    for (const kind of kinds) page.removeEventListener(kind, acted, { capture: true });
    page.document.removeEventListener("visibilitychange", tell);
  };
}
