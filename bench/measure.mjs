// Measures contenders: `measure.mjs WHAT URL NAME…`. It checks what they read, then prints what it measured by
// name as JSON: times in ms, memory in bytes.
import { setTimeout as pause } from "node:timers/promises";
import { collectors, followers, sha256, shoreline } from "./contenders.mjs";

const [what, url, ...names] = process.argv.slice(2);
/** Follows at once. */
const TOGETHER = 1_500;

function must(condition, name, otherwise) {
  if (!condition) throw new Error(`${what}, ${name}: ${otherwise}`);
}

const get = async (path) => (await fetch(url + path)).json();

/** Times of each by turns, so that a busy moment of the machine is not one's alone; the first is not timed. */
async function byTurns(passes, work) {
  const times = Object.fromEntries(names.map((name) => [name, []]));
  for (let pass = 0; pass <= passes; pass++) {
    for (const name of names) {
      const began = performance.now();
      await work(name, pass === 0);
      if (pass > 0) times[name].push(performance.now() - began);
    }
  }
  return times;
}

/** Reads all of a stream's lines. */
async function follow(stream) {
  const expected = await get(`/followed/${stream}`);
  const lost = {};
  const times = await byTurns(7, async (name, first) => {
    const seen = await followers[name](url, stream, first);
    // Of the one that loses lines it is told how many.
    if (name === "official SDK") lost[name] = 1 - seen.events / expected.events;
    else for (const [key, value] of Object.entries(seen)) must(value === expected[key], name, `other ${key}`);
  });
  return Object.fromEntries(names.map((name) => [name, { times: times[name], lost: lost[name] }]));
}

const kinds = {
  follow: () => follow("many"),

  accents: () => follow("accents"),

  async collect() {
    const expected = await get("/collected");
    const times = await byTurns(7, async (name, first) => {
      const { stdout, stderr } = await collectors[name](url, "many");
      if (!first) return;
      must(sha256([stdout]) === expected.stdout, name, "other standard output");
      must(sha256([stderr]) === expected.stderr, name, "other standard error");
    });
    return Object.fromEntries(names.map((name) => [name, { times: times[name] }]));
  },

  /** Of the first whole run in a process, beyond what there was before. */
  async memory() {
    const { outputBytes } = await get("/collected");
    const [name] = names;
    await collectors[name](url, "true");
    const before = process.memoryUsage.rss();
    await collectors[name](url, "many");
    return { [name]: { memory: (process.resourceUsage().maxRSS * 1024 - before) / outputBytes } };
  },

  /** So many follows at once in one process: the CPU time and the memory of each. */
  async together() {
    const [name] = names;
    const expected = await get("/followed/few");
    await followers[name](url, "few", false);
    globalThis.gc();
    const before = process.memoryUsage.rss();
    const cpu = process.cpuUsage();
    const all = await Promise.all(Array.from({ length: TOGETHER }, () => followers[name](url, "few", false)));
    for (const seen of all) must(seen.events === expected.events, name, "other events");
    const { user, system } = process.cpuUsage(cpu);
    const memory = (process.resourceUsage().maxRSS * 1024 - before) / TOGETHER;
    return { [name]: { times: [(user + system) / 1000], memory } };
  },

  async line() {
    const line = sha256(["x".repeat(1024 * 1024)]);
    const read = (size) =>
      byTurns(7, async (name, first) => {
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
    await byTurns(500, (name) => calls[name]());
    const times = await byTurns(1_000, (name) => calls[name]());
    return Object.fromEntries(names.map((name) => [name, { times: times[name] }]));
  },

  /** From the start of the process on. */
  async first() {
    const [name] = names;
    if (name === "shoreline") await (await shoreline(url)).health();
    else await get("/api/v1/health");
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
      while (at === undefined) ({ at } = await get("/closed"));
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

console.log(JSON.stringify(await kinds[what]()));
process.exit();
