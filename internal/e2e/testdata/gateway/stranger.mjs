// A client written from docs/gateway.md alone, with npm's ws. It obeys words on its
// standard input and prints what it is told, one JSON object a line.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
const { WebSocket } = createRequire(process.cwd() + "/")("ws");

const [socketPath, workspace] = process.argv.slice(2);
const print = (o) => process.stdout.write(JSON.stringify(o) + "\n");
const known = { epoch: undefined, seq: 0, session: undefined };
let ws;

function connect() {
  ws = new WebSocket(`ws+unix:${socketPath}:/v1/ws`, ["wsd.gateway.v1"]);
  ws.on("error", (err) => print({ broken: String(err) }));
  ws.on("close", (code) => print({ closed: code }));
  ws.on("message", (data) => receive(JSON.parse(data.toString())));
}

function send(type, workspace, payload) {
  ws.send(JSON.stringify({ v: 1, type, workspace, payload }));
}

function receive(frame) {
  const p = frame.payload;
  switch (frame.type) {
    case "hello":
      print({ hello: p.user });
      send("join", workspace, { epoch: known.epoch, since: known.seq || undefined, session: known.session });
      return;
    case "ping":
      send("pong", undefined, { t: p.t });
      return;
    case "joined":
      known.session = p.session;
      print({ joined: p.name, member: p.member, recovered: p.recovered, session: p.session });
      return;
    case "snapshot":
      known.epoch = frame.epoch;
      known.seq = frame.seq ?? 0;
      print({ snapshot: p.workspace.name });
      return;
    case "presence":
      print({ presence: p.event, member: p.member?.id, members: p.members?.map((m) => m.id) });
      return;
    case "error":
    case "bye":
    case "left":
      print({ [frame.type]: p });
      return;
  }
  if (frame.seq) {
    if (frame.epoch === known.epoch && frame.seq <= known.seq) return;
    known.epoch = frame.epoch;
    known.seq = frame.seq;
    print({ frame: frame.type, seq: frame.seq });
  }
}

createInterface({ input: process.stdin }).on("line", (word) => {
  if (word === "drop") ws.terminate();
  else if (word === "back") connect();
  else if (word === "act") send("interaction", workspace, { what: "key" });
  else process.exit(0);
});
connect();
