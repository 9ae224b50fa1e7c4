// Measures contenders: `measure.mjs WHAT URL NAME…`, where WHAT may end with a number. It checks what they read, then
// prints what it measured by name as JSON: times in ms, memory in bytes.
import { setTimeout as pause } from "node:timers/promises";
import { collectors, followers, sha256, shoreline } from "./contenders.mjs";
import { byTurns, follow, get, must } from "./turns.mjs";

const [what, url, ...names] = process.argv.slice(2);
const [kind, number] = what.split(" ");
/** Follows for which the CPU time is taken, where fewer are at once. */
const ENOUGH = 1_500;

const kinds = {
  follow: () => follow(url, "many", names),

  accents: () => follow(url, "accents", names),

  async collect() {
    const expected = await get(url, "/collected");
    const times = await byTurns(names, 7, async (name, first) => {
      const { stdout, stderr } = await collectors[name](url, "many");
      if (!first) return;
      must((await sha256([stdout])) === expected.stdout, name, "other standard output");
      must((await sha256([stderr])) === expected.stderr, name, "other standard error");
    });
    return Object.fromEntries(names.map((name) => [name, { times: times[name] }]));
  },

  /** Of the first whole run in a process, beyond what there was before. */
  async memory() {
    const { outputBytes } = await get(url, "/collected");
    const [name] = names;
    await collectors[name](url, "true");
    const before = process.memoryUsage.rss();
    await collectors[name](url, "many");
    return { [name]: { memory: (process.resourceUsage().maxRSS * 1024 - before) / outputBytes } };
  },

  /** So many follows at once in one process: the CPU time and the memory of each. */
  async together() {
    const [name] = names;
    const expected = await get(url, "/followed/few");
    const atOnce = async (count) => {
      const all = await Promise.all(Array.from({ length: count }, () => followers[name](url, "few", false)));
      for (const seen of all) must(seen.events === expected.events, name, "other events");
    };
    for (let i = 0; i < 20; i++) await atOnce(1);
    globalThis.gc();
    const before = process.memoryUsage.rss();
    const cpu = process.cpuUsage();
    let done = 0;
    for (; done < Math.max(number, ENOUGH); done += +number) await atOnce(+number);
    const { user, system } = process.cpuUsage(cpu);
    const memory = (process.resourceUsage().maxRSS * 1024 - before) / number;
    return { [name]: { times: [(user + system) / 1000 / done], memory } };
  },

  /** So many follows that wait: the memory of each. */
  async idle() {
    const [name] = names;
    await followers[name](url, "few", false);
    globalThis.gc();
    const before = process.memoryUsage.rss();
    const reached = [];
    for (let i = 0; i < number; i++) {
      const seen = Promise.withResolvers();
      reached.push(seen.promise);
      followers[name](url, "silent", false, seen.resolve).catch(seen.reject);
    }
    await Promise.all(reached);
    globalThis.gc();
    return { [name]: { memory: (process.memoryUsage.rss() - before) / number } };
  },

  /** Memory of a follow after its last line, less its memory after the first 100,000. */
  async lines() {
    const sandbox = await shoreline(url);
    let count = 0;
    let before;
    const heldNow = async () => {
      globalThis.gc();
      await pause(0);
      globalThis.gc();
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    for await (const batch of sandbox.followOutput("repeated").batches()) {
      count += batch.length;
      if (before === undefined && count >= 100_000) before = await heldNow();
    }
    must(count === +number, "shoreline", `${count} lines`);
    return { shoreline: { memory: (await heldNow()) - before } };
  },

  async line() {
    const line = await sha256(["x".repeat(1024 * 1024)]);
    const read = (size) =>
      byTurns(names, 7, async (name, first) => {
        const seen = await followers[name](url, `line-${size}`, first && size === 1);
        must(seen.events === 1, name, "not one line");
        must((seen.lines ?? line) === line, name, "another line");
      });
    const [one, four] = [await read(1), await read(4)];
    return Object.fromEntries(names.map((name) => [name, { times: four[name], ofOne: one[name] }]));
  },

  async latency() {
    const sandbox = await shoreline(url);
    const headers = { "Content-Type": "application/json", Accept: "text/event-stream" };
    const init = { method: "POST", body: '{"command":"true"}', headers };
    const calls = {
      run: async () => must((await sandbox.run("true")).exitCode === 0, "run", "another exit code"),
      fetch: async () => {
        const text = await (await fetch(`${url}/api/v1/processes/run`, init)).text();
        must(text.endsWith('{"exit_code":0}\n\n'), "fetch", "another exit code");
      },
    };
    await byTurns(names, 500, (name) => calls[name]());
    const times = await byTurns(names, 1_000, (name) => calls[name]());
    return Object.fromEntries(names.map((name) => [name, { times: times[name] }]));
  },

  /** From the start of the process on. */
  async first() {
    const [name] = names;
    if (name === "shoreline") await (await shoreline(url)).health();
    else await get(url, "/api/v1/health");
    return { [name]: { times: [performance.now()] } };
  },

  async close() {
    const sandbox = await shoreline(url);
    const times = [];
    for (let i = 0; i < 20; i++) {
      let left;
      for await (const event of sandbox.followOutput("silent")) {
        must(event.line === "a", "shoreline", "another line");
        left = performance.timeOrigin + performance.now();
        break;
      }
      let at;
      while (at === undefined) ({ at } = await get(url, "/closed"));
      times.push(at - left);
    }
    return { shoreline: { times } };
  },

  /** Of a reader that takes an event and sleeps. */
  async slow() {
    const sandbox = await shoreline(url);
    for (let i = 0; i < 3; i++) await followers.events(url, "many", false);
    globalThis.gc();
    const before = process.memoryUsage.rss();
    await sandbox.followOutput("many").next();
    await pause(1_000);
    globalThis.gc();
    return { shoreline: { memory: Math.max(0, process.memoryUsage.rss() - before) } };
  },
};

console.log(JSON.stringify(await kinds[kind]()));
process.exit();
