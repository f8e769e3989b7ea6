// What stands in front of the frames while there is nothing to see in them: how far a start
// is, or why there is none and what helps.

const LONG = 15_000; // ms after which a start takes longer than usual
const TOO_LONG = 40_000; // ms after which trying again is offered
const UNDER_WAY = ["creating", "initializing", "stopping"];

export class Curtain {
  #stages = []; // of what is under way: name, begun, ended
  #timer = null;
  #last = null; // the arguments of the last draw

  /** words are those that wsctl has for stages and states. */
  constructor(element, name, words) {
    this.element = element;
    this.name = name;
    this.words = words;
    [this.title, this.text, this.list, this.hint, this.actions] = element.querySelectorAll("h1, .text, ol, .hint, .actions");
  }

  /** Whether the frames are to be loaded now: the page was opened, or there is something new to see. */
  opens(status, port, before) {
    if (before === null) return status.state !== "failed" && status.state !== "deleted" && status.state !== "deleting";
    return status.state === "running" && listens(status, port) !== false;
  }

  draw(status, port, acts) {
    this.#last = [status, port, acts];
    this.#follow(status, port);
    const view = this.#view(status, port, acts);
    this.element.hidden = view === null;
    clearTimeout(this.#timer);
    if (view === null) return;
    this.title.textContent = view.title;
    this.text.textContent = view.text ?? "";
    say(this.hint, view.hint ?? "");
    this.list.replaceChildren(...(view.stages ?? []).map(row));
    const buttons = (view.actions ?? []).map(([label, act]) => {
      const button = document.createElement("button");
      button.textContent = label;
      button.addEventListener("click", act);
      return button;
    });
    if (buttons.map((b) => b.textContent).join() !== [...this.actions.children].map((b) => b.textContent).join()) this.actions.replaceChildren(...buttons); // a button that has the focus keeps it
    if (view.stages) this.#timer = setTimeout(() => this.draw(...this.#last), 500);
  }

  // Keeps the stages of what is under way, by the clock of this page.
  #follow(status, port) {
    const waits = status.state === "running" && listens(status, port) === false;
    const stage = waits ? `waiting for port ${port}` : (this.words[status.stage || status.state] ?? status.stage);
    if (!UNDER_WAY.includes(status.state) && !waits) {
      this.#stages = [];
      return;
    }
    const now = this.#stages.at(-1);
    if (now && now.name === stage) now.share = status.share;
    else if (stage) {
      if (now) now.ended = Date.now();
      this.#stages.push({ name: stage, begun: Date.now(), share: status.share });
      this.#stages.splice(0, this.#stages.length - 12);
    }
  }

  get #elapsed() {
    return this.#stages.length ? Date.now() - this.#stages[0].begun : 0;
  }

  #view(status, port, acts) {
    const name = this.name;
    const start = ["Start it", acts.start];
    switch (status.state) {
      case "deleted":
        return { title: `${name} is gone`, text: "The workspace was deleted.", hint: "See which there are with `wsctl list`." };
      case "deleting":
        return { title: `${name} is being deleted`, stages: this.#stages };
      case "failed":
        return { title: `${name} has failed`, text: "A request does not start it.", hint: `See why with \`wsctl show ${name}\` and \`wsctl logs ${name}\`, then \`wsctl start ${name}\`.` };
      case "stopped":
      case "paused":
        if (!status.wakes) return { title: `${name} is ${status.state}`, text: sentence(status.why), hint: `It was told not to start by a request: \`wsctl start ${name}\`.` };
        return { title: `${name} is ${status.state}`, text: sentence(status.why), actions: [start] };
      case "running":
        if (port === 0) return { title: `${name} has no port to show`, text: "Nothing listens inside.", hint: `Start your server in \`wsctl shell ${name}\`.` };
        if (listens(status, port) !== false) return null;
        return this.#silent(status, port, acts);
    }
    const long = this.#elapsed > LONG;
    return {
      title: status.state === "stopping" ? `${name} is stopping` : `${name} is starting`,
      text: long ? "This takes longer than usual." : "",
      hint: long ? `Follow it with \`wsctl events -f --workspace ${name}\`, or \`wsctl logs -f ${name}\`.` : "",
      stages: this.#stages,
      actions: this.#elapsed > TOO_LONG ? [["Try again", acts.start]] : [],
    };
  }

  #silent(status, port, acts) {
    const view = {
      title: `Nothing listens on port ${port}`, text: `${this.name} runs.`, hint: `Start your server in \`wsctl shell ${this.name}\`; what it says shows \`wsctl logs ${this.name}\`.`,
      actions: status.ports.map((p) => [`Show port ${p.port}${p.process ? ` (${p.process})` : ""}`, () => acts.show(p.port)]),
    };
    return this.#elapsed < LONG ? { ...view, title: `Waiting for port ${port}`, hint: "", stages: this.#stages } : view;
  }
}

/** Whether something inside listens on a port; undefined: that is not known. */
export function listens(status, port) {
  return status.ports ? status.ports.some((p) => p.port === port) : undefined;
}

function row(stage) {
  const item = document.createElement("li");
  if (!stage.ended) item.className = "now";
  const cell = (text) => {
    const span = document.createElement("span");
    span.textContent = text;
    item.append(span);
  };
  cell(stage.ended ? "✓" : "·");
  cell(stage.name + (stage.share && !stage.ended ? ` ${stage.share} %` : ""));
  cell(`${(((stage.ended ?? Date.now()) - stage.begun) / 1000).toFixed(1)} s`);
  return item;
}

function sentence(text) {
  return text ? `${text[0].toUpperCase()}${text.slice(1)}.` : "";
}

/** Writes a sentence whose commands stand in `backticks`. */
function say(element, text) {
  element.replaceChildren(...text.split("`").map((part, i) => {
    if (i % 2 === 0) return document.createTextNode(part);
    const code = document.createElement("code");
    code.textContent = part;
    return code;
  }));
}
