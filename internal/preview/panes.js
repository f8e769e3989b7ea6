// The frames of the preview page: one that fills the stage, or devices side by side.

const SANDBOX = "allow-scripts allow-same-origin allow-forms allow-popups allow-popups-to-escape-sandbox allow-modals allow-downloads";
const CUSTOM = /^(\d{2,4})x(\d{2,4})$/;
const LABEL = 35; // px above a screen
const MARGIN = 40; // px around all of them
const LATE = 2_000; // ms after a load in which wsd's script speaks if it is in the document

/** One frame, and what its document tells of itself. Anything of that is untrusted. */
class Pane {
  path = "/";
  title = "";
  canBack = false;
  canForward = false;
  helped = false; // the script of wsd runs in its document
  next = ""; // address to load once the frame is empty
  doubted = false; // the page has loaded it, and nothing shows yet that a document came
  timer = 0;
  overridden = "";
  expected = null; // where it was told to follow

  constructor(panes, device) {
    this.panes = panes;
    this.element = document.createElement("section");
    this.element.className = "pane";
    this.screen = document.createElement("div");
    this.screen.className = "screen";
    this.frame = document.createElement("iframe");
    this.frame.setAttribute("sandbox", SANDBOX);
    this.frame.allow = "fullscreen; clipboard-write";
    this.frame.title = "The workspace";
    this.frame.addEventListener("load", () => this.#loaded());
    this.screen.append(this.frame);
    this.element.append(this.#label(), this.screen);
    this.set(device);
  }

  /** device: null fills the stage. */
  set(device) {
    this.device = device;
    this.name.textContent = device?.name ?? "";
    this.resize();
  }

  get id() {
    return this.device?.id ?? "";
  }

  rotate() {
    if (this.device) this.set({ ...this.device, width: this.device.height, height: this.device.width, rotated: !this.device.rotated });
  }

  resize() {
    const style = this.frame.style;
    if (!this.device) {
      for (const s of [style, this.screen.style]) s.removeProperty("width"), s.removeProperty("height");
      style.removeProperty("transform");
      return;
    }
    const { width, height } = this.device;
    const scale = this.panes.scale(this.device);
    style.width = `${width}px`;
    style.height = `${height}px`;
    style.transform = scale === 1 ? "" : `scale(${scale})`; // zoom would change what the page takes for its pixels
    this.screen.style.width = `${Math.round(width * scale) + 2}px`;
    this.screen.style.height = `${Math.round(height * scale) + 2}px`;
    this.width.value = width;
    this.height.value = height;
    this.share.textContent = scale === 1 ? "" : `${Math.round(scale * 100)} %`;
  }

  load(path) {
    this.doubted = true;
    this.#load(path);
  }

  #load(path) {
    this.path = path;
    this.meets(false, "");
    const to = this.panes.origin + path;
    this.next = "";
    if (!this.frame.src) {
      this.frame.src = to;
    } else if (path.includes("#")) {
      this.next = to; // from the same address a fragment is a place within the document, which may be an old one
      this.#replace("about:blank");
    } else {
      this.#replace(to);
    }
  }

  #replace(url) {
    this.frame.contentWindow.location.replace(url); // no step back leads to what was there
  }

  /** Takes whether wsd's script is in the document, and what that says of it. */
  meets(helped, overridden) {
    this.helped = helped;
    this.doubted &&= !helped;
    this.overridden = overridden;
    this.mark.hidden = this.overridden === "";
    this.mark.title = `The workspace sends "${this.overridden}". This page may frame it all the same; others may not.`;
  }

  send(type, more) {
    this.frame.contentWindow?.postMessage({ wsd: 1, type, ...more }, this.panes.origin);
  }

  // The frame may have gone by itself to a document without the script, which the one before
  // cannot tell while it is left: one that is there says so again.
  #loaded() {
    this.meets(false, "");
    const to = this.next;
    this.next = "";
    if (to) return this.#replace(to);
    if (!this.frame.src) return;
    this.send("hello");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#again(), LATE);
  }

  // The frame may show that the browser lost the request (see again.js), which looks the same
  // from here as a document without the script. It is loaded once more.
  #again() {
    if (!this.doubted) return;
    this.doubted = false;
    this.#load(this.path);
  }

  #label() {
    const label = document.createElement("div");
    label.className = "label";
    const number = (what) => {
      const input = document.createElement("input");
      input.inputMode = "numeric";
      input.setAttribute("aria-label", what);
      input.addEventListener("change", () => this.#resized());
      return input;
    };
    const by = document.createElement("span");
    by.textContent = "×";
    this.name = document.createElement("span");
    this.name.className = "name";
    this.width = number("Width");
    this.height = number("Height");
    this.share = document.createElement("span");
    this.mark = document.createElement("span");
    this.mark.className = "badge";
    this.mark.textContent = "framing allowed here";
    this.mark.hidden = true;
    const close = document.createElement("button");
    close.textContent = "✕";
    close.title = "Take this device away";
    close.setAttribute("aria-label", "Take this device away");
    close.addEventListener("click", () => this.panes.remove(this));
    label.append(this.name, this.width, by, this.height, this.share, this.mark, close);
    return label;
  }

  #resized() {
    const device = custom(`${this.width.value.trim()}x${this.height.value.trim()}`);
    if (device) this.set(device);
    else this.resize(); // back to what it was
    this.panes.changed();
  }
}

/** The device of a size such as 500x700; null where that is none. */
function custom(size) {
  const [, width, height] = CUSTOM.exec(size) ?? [];
  if (!width || width < 50 || height < 50) return null;
  return { id: `${+width}x${+height}`, name: "Custom", width: +width, height: +height };
}

/** All panes. changed is called when there are others, or of other sizes. */
export class Panes {
  list = [];
  origin = ""; // of what is framed
  zoom = "fit";
  #last = null;

  constructor(element, stage, devices, changed) {
    this.element = element;
    this.stage = stage;
    this.devices = devices;
    this.changed = changed;
    new ResizeObserver(() => this.resize()).observe(stage);
    addEventListener("blur", () => this.changed()); // a frame has the focus, or another window
  }

  /** Shows devices by their ids, WIDTHxHEIGHT, or either with "~" before it: rotated. Unknown ones are left out. */
  show(ids) {
    const found = ids.map((id) => this.find(id)).filter(Boolean);
    this.list = (found.length ? found : [null]).map((d) => new Pane(this, d));
    this.element.replaceChildren(...this.list.map((p) => p.element));
    this.resize();
  }

  find(id) {
    const rotated = id.startsWith("~");
    const plain = rotated ? id.slice(1) : id;
    const d = this.devices.find((d) => d.id === plain) ?? custom(plain);
    return d && rotated ? { ...d, width: d.height, height: d.width, rotated } : d;
  }

  /** The ids of what is shown, for show. */
  ids() {
    return this.list.filter((p) => p.device).map((p) => (p.device.rotated ? "~" : "") + p.id);
  }

  add(device) {
    if (!this.list[0].device) this.list[0].set(this.devices[0] === device ? this.devices.at(-2) : this.devices[0]);
    const pane = new Pane(this, device);
    this.list.push(pane);
    this.element.append(pane.element);
    this.resize();
    this.changed();
    return pane;
  }

  remove(pane) {
    if (this.list.length === 1) pane.set(null);
    else {
      this.list.splice(this.list.indexOf(pane), 1);
      pane.element.remove();
    }
    this.resize();
    this.changed();
  }

  resize() {
    this.element.classList.toggle("whole", this.whole);
    for (const p of this.list) p.resize();
  }

  /** Shows which pane the controls are of, where there are several. */
  mark() {
    for (const p of this.list) p.element.classList.toggle("leader", this.list.length > 1 && p === this.leader);
  }

  /** How large a device is drawn; "fit" makes all of them fit, and none larger than it is. */
  scale(device) {
    if (this.zoom !== "fit") return Number(this.zoom);
    const height = (this.stage.clientHeight - LABEL - MARGIN) / device.height;
    const all = this.list.reduce((sum, p) => sum + (p.device?.width ?? 0), 0) || device.width;
    const width = (this.stage.clientWidth - MARGIN * (this.list.length || 1)) / Math.max(all, device.width);
    return Math.max(0.2, Math.min(1, height, width));
  }

  /** The pane of a window; null where that is none of ours. */
  of(source) {
    return this.list.find((p) => p.frame.contentWindow === source) ?? null;
  }

  get whole() {
    return !this.list[0].device;
  }

  /** The pane that the person works in, or did last. */
  get leader() {
    this.#last = this.list.find((p) => p.frame === document.activeElement) ?? this.#last;
    return this.list.includes(this.#last) ? this.#last : this.list[0];
  }

  others(pane) {
    return this.list.filter((p) => p !== pane);
  }
}
