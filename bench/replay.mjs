// The server of `streaming.mjs`: it replays prepared bytes, as fast as they are read. The page that measures in a
// browser is served beside them.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { COLLECTED, FOLLOWED, longLine, repeated, RUN, RUN_NOTHING } from "./data.mjs";

const SMALL = 4 * 1024;
const LARGE = 64 * 1024;
const STREAMS = {
  many: [FOLLOWED.many.bytes, LARGE],
  accents: [FOLLOWED.accents.bytes, LARGE],
  few: [FOLLOWED.few.bytes, LARGE],
  "line-1": [longLine(1), SMALL],
  "line-4": [longLine(4), SMALL],
};
const PAGE = `<!doctype html><title>bench</title>
<script type="importmap">{ "imports": { "eventsource-parser": "/bench/node_modules/eventsource-parser/dist/index.js" } }</script>`;
const SCRIPT = /^\/(bench|target\/packed)\/[\w./-]+\.(?:mjs|js|wasm)$/;
const PATH = /\/api\/v1\/processes\/([\w-]+)\/output\/follow$/;

/** When the last connection of a silent stream closed, ms since the epoch. */
let closed;

function* pieces(bytes, length) {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

const server = createServer(async (request, response) => {
  const { method, url } = request;
  const json = (value) => response.setHeader("Content-Type", "application/json").end(JSON.stringify(value));
  if (url === "/collected") return json(COLLECTED);
  if (url.startsWith("/followed/")) return json(FOLLOWED[url.slice("/followed/".length)].expected);
  if (url === "/closed") return json({ at: closed });
  if (url.endsWith("/health")) return json({ healthy: true });
  if (url === "/") return response.setHeader("Content-Type", "text/html").end(PAGE);
  if (SCRIPT.test(url)) {
    response.setHeader("Content-Type", url.endsWith(".wasm") ? "application/wasm" : "text/javascript");
    return response.end(await readFile(new URL(`..${url}`, import.meta.url)));
  }
  response.setHeader("Content-Type", "text/event-stream");
  const stream = PATH.exec(url)?.[1];
  if (stream === "silent") {
    closed = undefined;
    response.write('event: output\ndata: {"line":"a","timestamp":0}\n\n');
    response.once("close", () => (closed = performance.timeOrigin + performance.now()));
  } else if (stream === "repeated") {
    await pipeline(Readable.from(repeated()), response).catch(() => {});
  } else if (method === "POST") {
    const { command } = JSON.parse(Buffer.concat(await request.toArray()).toString());
    // As servers do, which a client asks once whether they can run.
    if (command === undefined) {
      response.statusCode = 422;
      return json({ error: "command is required", code: "INVALID_REQUEST" });
    }
    await send(response, command === "true" ? RUN_NOTHING : RUN, LARGE);
  } else if (stream in STREAMS) {
    await send(response, ...STREAMS[stream]);
  } else {
    response.writeHead(404).end();
  }
});

async function send(response, bytes, length) {
  // Who leaves early may.
  await pipeline(Readable.from(pieces(bytes, length)), response).catch(() => {});
}

server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit()).resume();
