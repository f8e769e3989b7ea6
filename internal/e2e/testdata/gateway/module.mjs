// Uses the module that wsd serves, with npm's ws given to it.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
const { WebSocket } = createRequire(process.cwd() + "/")("ws");

const [socketPath, workspace, script] = process.argv.slice(2);
const { connect } = await import(pathToFileURL(script));
const print = (o) => process.stdout.write(JSON.stringify(o) + "\n");
const sockets = [];
class Noted extends WebSocket {
  constructor(...args) {
    super(...args);
    sockets.push(this);
  }
}
const gateway = connect({ url: `ws+unix:${socketPath}:/v1/ws`, WebSocket: Noted });
gateway.on("link", ({ state }) => print({ link: state }));
gateway.on("error", (p) => print({ error: p }));
const room = gateway.join(workspace);
room.on("joined", (p) => print({ joined: p.name, member: p.member, recovered: p.recovered, session: p.session }));
room.on("snapshot", (p) => print({ snapshot: p.workspace.name }));
room.on("presence", (p) => print({ presence: p.event, member: p.member?.id, members: [...room.members.keys()] }));
room.on("*", (f) => f.seq && f.type !== "snapshot" && print({ frame: f.type, seq: f.seq }));

createInterface({ input: process.stdin }).on("line", (word) => {
  if (word === "drop") sockets.at(-1).terminate();
  else if (word === "act") room.send("interaction", { what: "key" });
  else if (word === "end") {
    gateway.close();
    process.exit(0);
  }
});
