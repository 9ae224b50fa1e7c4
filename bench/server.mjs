// `npm run bench:server`: the local server beside bare spawns, in the same run. Counts are checked before
// a time is believed.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const binary = join(root, "target", "release", "shoreline-local");
if (!existsSync(binary)) {
  console.error("build it first: npm run build");
  process.exit(1);
}
const isolation = process.argv[2] ?? "none";
/** Starts a server with an isolation level. Returns its process, URL and key. */
async function started(isolation) {
  const server = spawn(binary, ["--port", "0", "--json", "--until-stdin-closes", "--isolation", isolation], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  const line = await new Promise((resolve) => createInterface(server.stdout).once("line", resolve));
  return { server, ...JSON.parse(line) };
}
const measured = await started(isolation);
const { server } = measured;
const agent = new Agent({ keepAlive: true, maxSockets: 1000 });

/** Sends a request and hands its body's chunks to `onChunk`. */
function call(method, path, body, onChunk = () => {}, { url, apiKey } = measured) {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${apiKey}`,
      ...(body && { "content-type": "application/json" }),
    };
    const sent = request(`${url}${path}`, { method, headers, agent }, (answer) => {
      if (answer.statusCode >= 300) reject(new Error(`${path}: ${answer.statusCode}`));
      answer.on("data", onChunk);
      answer.on("end", resolve);
      answer.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(body && JSON.stringify(body));
  });
}

async function json(method, path, body, at) {
  const chunks = [];
  await call(method, path, body, (chunk) => chunks.push(chunk), at);
  return JSON.parse(Buffer.concat(chunks).toString());
}

const { sandbox_id: id } = await json("POST", "/sandboxes", {});
const at = (path) => `/s/${id}/api/v1${path}`;
const run = (command, args, onChunk) => call("POST", at("/processes/run"), { command, args }, onChunk);
const memory = () =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"))[1]) / 1024;
const median = (times) => times.sort((a, b) => a - b)[times.length >> 1];
const rows = [];
const note = (what, value, wanted) => {
  rows.push([what, value, wanted]);
  console.log(`${what}: ${value} (wanted: ${wanted})`);
};

note("idle memory", `${memory().toFixed(1)} MB`, "under 15 MB");

async function latency() {
  const [here, bare] = [[], []];
  for (let i = 0; i < 300; i++) {
    let text = "";
    let began = performance.now();
    await run("true", [], (chunk) => (text += chunk));
    here.push(performance.now() - began);
    if (!text.includes('"exit_code":0')) throw new Error(text);
    began = performance.now();
    await new Promise((resolve) => spawn("true", { stdio: "ignore" }).on("exit", resolve));
    bare.push(performance.now() - began);
  }
  const [ours, theirs] = [median(here), median(bare)];
  note("run true, p50", `${ours.toFixed(2)} ms, bare spawn ${theirs.toFixed(2)} ms`, "1.3 x bare + 1 ms");
}

/** The numbers in a stream of events, as `seq` wrote them. */
function hasher() {
  const hash = createHash("sha256");
  let [rest, count] = ["", 0];
  return {
    take(chunk) {
      rest += chunk.toString("latin1");
      const lines = [];
      let at = 0;
      for (;;) {
        const start = rest.indexOf('{"line":"', at);
        const end = start < 0 ? -1 : rest.indexOf('"', start + 9);
        if (end < 0) break;
        lines.push(rest.slice(start + 9, end));
        at = end;
      }
      rest = rest.slice(at);
      count += lines.length;
      if (lines.length > 0) hash.update(`${lines.join("\n")}\n`);
    },
    done: () => `${count} ${hash.digest("hex")}`,
  };
}

const LINES = 1_000_000;
const wanted = (() => {
  const out = spawnSync("seq", [String(LINES)], { maxBuffer: 1 << 28 }).stdout;
  return `${LINES} ${createHash("sha256").update(out).digest("hex")}`;
})();

async function live() {
  const check = hasher();
  await run("seq", [String(LINES)], (chunk) => check.take(chunk));
  if (check.done() !== wanted) throw new Error("lines were lost");
  const times = [];
  for (let i = 0; i < 5; i++) {
    let bytes = 0;
    const began = performance.now();
    await run("seq", [String(LINES)], (chunk) => (bytes += chunk.length));
    times.push(performance.now() - began);
    if (bytes < LINES * 70) throw new Error("bytes are missing");
  }
  const rate = LINES / median(times) / 1000;
  note("1,000,000 lines, live", `${rate.toFixed(1)} M lines/s`, "0.8 M lines/s or more");
}

async function concurrent() {
  const [here, bare] = [[], []];
  for (let i = 0; i < 3; i++) {
    let began = performance.now();
    await Promise.all(Array.from({ length: 500 }, () => run("true", [])));
    here.push(performance.now() - began);
    began = performance.now();
    const one = () => new Promise((resolve) => spawn("true", { stdio: "ignore" }).on("exit", resolve));
    await Promise.all(Array.from({ length: 500 }, one));
    bare.push(performance.now() - began);
  }
  const [ours, theirs] = [median(here), median(bare)];
  note("500 concurrent run true", `${ours.toFixed(0)} ms, spawns ${theirs.toFixed(0)} ms`, "spawns + 500 ms");
}

async function followers() {
  const { pid } = await json("POST", at("/processes"), { command: "seq", args: [String(LINES)] });
  const began = performance.now();
  let bytes = 0;
  const followed = Array.from({ length: 500 }, () =>
    call("GET", at(`/processes/${pid}/output/follow`), undefined, (chunk) => (bytes += chunk.length)),
  );
  await Promise.all(followed);
  const seconds = (performance.now() - began) / 1000;
  let once = 0;
  await call("GET", at(`/processes/${pid}/output/follow`), undefined, (chunk) => (once += chunk.length));
  if (bytes !== 500 * once) throw new Error(`${bytes} bytes for 500 x ${once}`);
  const rate = (500 * LINES) / seconds / 1e6;
  note("500 followers of 1,000,000 lines", `${rate.toFixed(1)} M lines/s in all, every byte`, "every byte");
}

async function growth() {
  for (let i = 0; i < 2000; i++) await run("true", []);
  const before = memory();
  for (let i = 0; i < 10_000; i++) await run("true", []);
  note("memory after 10,000 more runs", `${(memory() - before).toFixed(1)} MB more`, "no growth");
}

/** Sandboxes made at once, and ended. */
async function creates(isolation) {
  const of = await started(isolation);
  const times = [];
  for (let i = 0; i < 5; i++) {
    const began = performance.now();
    const made = await Promise.all(Array.from({ length: 200 }, () => json("POST", "/sandboxes", {}, of)));
    times.push(performance.now() - began);
    const ids = new Set(made.map((sandbox) => sandbox.sandbox_id));
    if (ids.size !== 200) throw new Error(`${ids.size} sandboxes`);
    for (const id of ids) await call("DELETE", `/sandboxes/${id}`, undefined, undefined, of);
  }
  of.server.stdin.end();
  note(`200 sandboxes at once (${isolation})`, `${median(times).toFixed(0)} ms`, "1800 ms");
}

await latency();
await growth();
await concurrent();
await live();
await followers();
server.stdin.end();
for (const level of ["none", "bubblewrap"]) await creates(level);
agent.destroy();
const table = rows.map((row) => `| ${row.join(" | ")} |`).join("\n");
const file = join(root, "bench", "SERVER.md");
const text = `# The local server

\`node bench/server.mjs ${isolation}\`, ${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, two cores.
The client is Node in the same machine, whose own cost is in every figure.

| what | measured | wanted |
|---|---|---|
${table}
`;
writeFileSync(file, text);
