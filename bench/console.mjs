// `npm run bench:console`: output in the web console, beside the same output iterated in the same page and not shown.
// Lines are counted before a time is believed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { Sandbox } from "../pkg/entry/node.js";
import { startLocal } from "../pkg/local/index.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const LINES = 100_000;
const RUNS = 7;
const COMMAND = `seq -f 'a line of output, number %.0f, of some length' 1 ${LINES}`;
/** A frame that takes longer is seen. */
const SEEN = 50;

const server = await startLocal();
const { url: TENSORLAKE_API_URL, apiKey: TENSORLAKE_API_KEY } = server;
const program = spawn(process.execPath, [join(root, "pkg", "cli", "main.js"), "console", "--no-open"], {
  env: { ...process.env, TENSORLAKE_API_URL, TENSORLAKE_API_KEY },
  stdio: ["ignore", "pipe", "ignore"],
});
const [link] = await once(program.stdout, "data");
const sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey, name: "bench" });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
const page = await browser.newPage({ viewport: { width: 1200, height: 760 } });
await page.goto(String(link).trim());
await page.getByRole("tab", { name: "Processes" }).waitFor();

/** In the page: the frames while something is done, ms each. */
const watch = () =>
  page.evaluate(() => {
    const frames = [];
    let last = performance.now();
    const next = () => {
      const now = performance.now();
      frames.push(now - last);
      last = now;
      if (!globalThis.watched?.over) requestAnimationFrame(next);
    };
    globalThis.watched = { frames, over: false, began: last };
    requestAnimationFrame(next);
  });
const watched = () =>
  page.evaluate(() => {
    globalThis.watched.over = true;
    return { frames: globalThis.watched.frames, took: performance.now() - globalThis.watched.began };
  });

/** Shows the output of a process that has ended: its PID, the time and the frames. */
async function show() {
  const { pid } = await sandbox.startProcess("sh", { args: ["-c", COMMAND] });
  for await (const batch of sandbox.followOutput(pid).batches()) void batch;
  const item = page
    .getByRole("navigation", { name: "Processes" })
    .getByRole("button", { name: new RegExp(`(^|\\D)${pid} ·`) });
  await item.waitFor();
  await watch();
  await item.click();
  await page.waitForFunction(() => {
    const told =
      document.querySelector("#console")?.shadowRoot?.querySelector(".output .told")?.textContent ?? "";
    return told.includes("complete") && told;
  });
  const seen = await watched();
  const count = await page.locator("[data-lines]").getAttribute("data-lines");
  if (Number(count) !== LINES) throw new Error(`${count} lines were shown`);
  await page.getByRole("tab", { name: "Files" }).click();
  await page.getByRole("tab", { name: "Processes" }).click();
  return { pid, ...seen };
}

const shown = [];
const iterated = [];
for (let run = 0; run < RUNS; run++) {
  const { pid, ...seen } = await show();
  shown.push(seen);

  const drained = await page.evaluate(
    async ({ apiUrl, sandboxId, pid: process, key }) => {
      const { Sandbox: Own } = await import("/entry/browser.js");
      const own = await Own.connect(sandboxId, { apiUrl, apiKey: key });
      const began = performance.now();
      let lines = 0;
      for await (const batch of own.followOutput(process).batches())
        for (const { line } of batch) lines += line.length > 0 ? 1 : 0;
      return { lines, took: performance.now() - began };
    },
    { apiUrl: server.url, sandboxId: sandbox.sandboxId, pid, key: server.apiKey },
  );
  if (drained.lines !== LINES) throw new Error(`${drained.lines} lines were iterated`);
  iterated.push(drained.took);
}
// Rows of which each line takes several.
await page.setViewportSize({ width: 820, height: 760 });
await page.evaluate(() => sessionStorage.setItem("shoreline-wrap", "true"));
const wrapped = [];
for (let run = 0; run < RUNS; run++) wrapped.push(await show());
await browser.close();
program.kill();
await server.close();

const median = (all) => all.toSorted((a, b) => a - b)[all.length >> 1];
const took = median(shown.map((run) => run.took));
const alone = median(iterated);
const longest = shown.map(({ frames }) => Math.max(...frames));
const longestWrapped = wrapped.map(({ frames }) => Math.max(...frames));
const late = shown.map(({ frames }) => frames.filter((ms) => ms > SEEN).length);
const rows = [
  ["shown, beside iterated", `${(took / alone).toFixed(2)} (${took.toFixed(0)} and ${alone.toFixed(0)} ms)`],
  [
    "the longest frame, ms (median; worst)",
    `${median(longest).toFixed(0)}; ${Math.max(...longest).toFixed(0)}`,
  ],
  [
    "the same where each line wraps",
    `${median(longestWrapped).toFixed(0)}; ${Math.max(...longestWrapped).toFixed(0)}`,
  ],
  [
    `frames longer than ${SEEN} ms, of all`,
    `${median(late)} of ${median(shown.map(({ frames }) => frames.length))}`,
  ],
];
const text = `# Output in the web console

${LINES.toLocaleString("en")} lines in headless Chromium without a graphics card, ${RUNS} runs, medians; \`npm run bench:console\`. Two cores, which
the server and the browser share. Every line was counted.

| What | |
|---|---|
${rows.map((row) => `| ${row.join(" | ")} |`).join("\n")}
`;
console.log(text);
writeFileSync(join(root, "bench", "CONSOLE.md"), text);
