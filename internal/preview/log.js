// The console of the preview page. What it shows comes from the workspace: it is text, and
// bounded.

const KEPT = 300; // entries
const LONGEST = 2000; // characters of one

export class Log {
  #entries = [];
  #count = 0; // of errors since it was cleared
  #drawn = true;

  constructor(element, button, badge) {
    this.element = element;
    this.list = element.querySelector("ol");
    this.button = button;
    this.badge = badge;
    element.querySelector("#clear").addEventListener("click", () => this.clear());
    button.addEventListener("click", () => this.toggle());
  }

  toggle() {
    this.element.hidden = !this.element.hidden;
    this.button.setAttribute("aria-expanded", String(!this.element.hidden));
    this.#later();
  }

  clear() {
    this.#entries = [];
    this.#count = 0;
    this.#later();
  }

  /** Adds an entry; the same one again is only counted. */
  add(level, text, about) {
    level = level === "warn" ? "warn" : "error";
    text = String(text).slice(0, LONGEST);
    if (level === "error") this.#count++;
    const last = this.#entries.at(-1);
    if (last && last.level === level && last.text === text && last.about === about) last.times++;
    else this.#entries.push({ level, text, about, times: 1, when: new Date() });
    if (this.#entries.length > KEPT) this.#entries.splice(0, this.#entries.length - KEPT);
    this.#later();
  }

  // Draws once a frame, however much comes.
  #later() {
    if (!this.#drawn) return;
    this.#drawn = false;
    requestAnimationFrame(() => {
      this.#drawn = true;
      this.#draw();
    });
  }

  #draw() {
    this.badge.hidden = this.#count === 0;
    this.badge.textContent = this.#count > 999 ? "999+" : String(this.#count);
    this.badge.setAttribute("aria-label", `${this.#count} errors`);
    if (this.element.hidden) return;
    const end = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 40;
    this.list.replaceChildren(...(this.#entries.length ? this.#entries.map((e) => this.#row(e)) : [none()]));
    if (end) this.list.scrollTop = this.list.scrollHeight;
  }

  #row(e) {
    const row = document.createElement("li");
    row.className = e.level;
    const cell = (kind, text) => {
      const span = document.createElement("span");
      span.className = kind;
      span.textContent = text;
      row.append(span);
    };
    cell("about", e.when.toLocaleTimeString());
    cell("what", e.text);
    cell("about", [e.about, e.times > 1 ? `${e.times} times` : ""].filter(Boolean).join(" · "));
    return row;
  }
}

function none() {
  const row = document.createElement("li");
  row.className = "none";
  row.textContent = "Errors and warnings of the workspace's pages come here.";
  return row;
}
