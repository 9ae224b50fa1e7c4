// `npm run bench:cli`: what the command line costs: processor time of a short command beside Node itself, round trips, and
// output that is passed on beside the same output iterated by a program, by turns in one run.
// `npm run bench:cli -- --before FILE` compares the output with that of another build, whose `pkg/cli/main.js` is FILE.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Sandbox } from "../pkg/entry/node.js";
import { startLocal } from "../pkg/local/index.js";

const ROUNDS = 15;
const STREAMS = 5;
const PAIRS = 9;
/** 50 MB of lines of 11 bytes. */
const BYTES = 50_000_000;
const LINES = `yes 0123456789 | head -c ${BYTES}`;

const program = join(dirname(fileURLToPath(import.meta.url)), "..", "pkg", "cli", "main.js");
const server = await startLocal();
const client = { apiUrl: server.url, apiKey: server.apiKey };
const sandbox = await Sandbox.create({ ...client, name: "bench" });

/** Milliseconds of processor time and of real time that Node takes with these arguments, by the shell's own clock. */
async function costOf(args, url = server.url) {
  const script = 'TIMEFORMAT="%U %S %R"; time "$@" > /dev/null 2>&1';
  const child = spawn("bash", ["-c", script, "bash", process.execPath, ...args], {
    env: { ...process.env, TENSORLAKE_API_URL: url, TENSORLAKE_API_KEY: server.apiKey },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let text = "";
  child.stderr.setEncoding("utf8").on("data", (part) => (text += part));
  await once(child, "close");
  const [user, system, real] = text.trim().split(" ").map(Number);
  return { cpu: (user + system) * 1000, real: real * 1000 };
}

/** Counts the requests of a command. */
async function requestsOf(args) {
  let count = 0;
  const proxy = createServer((incoming, outgoing) => {
    count++;
    const options = { method: incoming.method, headers: incoming.headers };
    const passed = request(`${server.url}${incoming.url}`, options, async (response) => {
      const isJson = response.headers["content-type"]?.includes("json");
      if (!isJson) {
        outgoing.writeHead(response.statusCode, response.headers);
        response.pipe(outgoing);
        return;
      }
      // The address of the sandbox leads through here too.
      const chunks = await response.toArray();
      const text = Buffer.concat(chunks).toString().replaceAll(server.url, url);
      outgoing.writeHead(response.statusCode, { "content-type": "application/json" });
      outgoing.end(text);
    });
    incoming.pipe(passed);
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const url = `http://127.0.0.1:${proxy.address().port}`;
  await costOf([program, ...args], url);
  proxy.close();
  return count;
}

const median = (all) => all.toSorted((one, other) => one - other)[Math.floor(all.length / 2)];

/** Reads the output as a program does, and keeps nothing. */
async function iterated() {
  const began = performance.now();
  let lines = 0;
  const command = sandbox.run("sh", { args: ["-c", LINES], maxOutputBytes: 0 });
  for await (const batch of command[Symbol.asyncIterator]().batches()) lines += batch.length;
  await command;
  if (lines < BYTES / 11 - 1) throw new Error(`${lines} lines`);
  return performance.now() - began;
}

const before = process.argv[process.argv.indexOf("--before") + 1];
if (process.argv.includes("--before")) {
  const pairs = [];
  for (let round = 0; round < PAIRS; round++) {
    const args = ["exec", "bench", "sh", "-c", LINES];
    pairs.push({ before: await costOf([before, ...args]), now: await costOf([program, ...args]) });
  }
  console.log("| 50 MB of lines of 11 bytes | before | now | ratio |\n|---|---|---|---|");
  for (const [what, title] of Object.entries({ real: "real time", cpu: "processor time" })) {
    const [one, other] = ["before", "now"].map((which) => median(pairs.map((pair) => pair[which][what])));
    const ratios = pairs.map((pair) => pair.before[what] / pair.now[what]);
    const [least, most] = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(1));
    console.log(
      `| ${title} | ${one.toFixed(0)} ms | ${other.toFixed(0)} ms | ${median(ratios).toFixed(1)} (${least} to ${most}) |`,
    );
  }
  await sandbox.terminate();
  await server.close();
  process.exit();
}

const commands = { ls: ["ls"], "exec true": ["exec", "bench", "true"], "--version": ["--version"] };
const rows = Object.fromEntries(Object.keys(commands).map((name) => [name, []]));
for (let round = 0; round < ROUNDS; round++)
  for (const [name, args] of Object.entries(commands)) {
    const [node, ours] = [await costOf(["-e", "0"]), await costOf([program, ...args])];
    rows[name].push({ more: ours.cpu - node.cpu, ratio: ours.cpu / node.cpu, real: ours.real });
  }
console.log(
  "| command | processor time beyond `node -e 0` | wanted | ratio | real time | requests | wanted |",
);
console.log("|---|---|---|---|---|---|---|");
for (const [name, all] of Object.entries(rows)) {
  const of = (what) => median(all.map((one) => one[what]));
  const requests = name === "--version" ? 0 : await requestsOf(commands[name]);
  const wanted = { ls: ["at most 150 ms", ""], "exec true": ["", "at most 2"] }[name] ?? ["", ""];
  console.log(
    `| \`${name}\` | ${of("more").toFixed(0)} ms | ${wanted[0]} | ${of("ratio").toFixed(1)} | ${of("real").toFixed(0)} ms | ${requests} | ${wanted[1]} |`,
  );
}

const streams = [];
for (let round = 0; round < STREAMS; round++) {
  const { real } = await costOf([program, "exec", "bench", "sh", "-c", LINES]);
  streams.push({ ours: real, iterated: await iterated() });
}
const rate = (ms) => `${(BYTES / 1000 / ms).toFixed(1)} MB/s`;
const ratio = median(streams.map((one) => one.iterated / one.ours)).toFixed(2);
console.log("\n| output | `exec` | iterated by a program | rate of `exec` : iterated |");
console.log("|---|---|---|---|");
console.log(
  `| 50 MB of lines of 11 bytes | ${rate(median(streams.map(({ ours }) => ours)))} | ${rate(median(streams.map((one) => one.iterated)))} | ${ratio} |`,
);
await sandbox.terminate();
await server.close();
