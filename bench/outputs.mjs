// `npm run bench:outputs`: a command that a page runs beside 200 outputs that it follows, and alone. The outputs share a
// WebSocket; each gets a line every half second, in both cases.
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { Sandbox } from "../pkg/entry/node.js";
import { startLocal } from "../pkg/local/index.js";

const root = fileURLToPath(new URL("../pkg", import.meta.url));
const OUTPUTS = 200;
const ROUNDS = 9;
const COMMANDS = 20;
const WRITER = "$| = 1; while (1) { print ++$n, qq(\\n); select(undef, undef, undef, 0.5) }";
const TYPES = { js: "text/javascript", wasm: "application/wasm" };

const files = createServer(async (request, response) => {
  const path = normalize(new URL(request.url, "http://page").pathname);
  const type = TYPES[path.split(".").at(-1)] ?? "text/html";
  const body =
    path === "/" ? "<!doctype html><title>outputs</title>" : await readFile(join(root, path)).catch(() => "");
  response.setHeader("content-type", type).end(body);
});
await new Promise((resolve) => files.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${files.address().port}`;
const server = await startLocal({ allowOrigins: [origin] });
const { url: apiUrl, apiKey } = server;
const { sandboxId } = await Sandbox.create({ apiUrl, apiKey });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
const page = await browser.newPage();
await page.goto(origin);
const rounds = await page.evaluate(
  async ({ OUTPUTS, ROUNDS, COMMANDS, WRITER, sandboxId, apiUrl, apiKey }) => {
    const { Sandbox: Own } = await import("/entry/browser.js");
    const sandbox = await Own.connect(sandboxId, { apiUrl, apiKey });
    const processes = [];
    for (let i = 0; i < OUTPUTS; i++)
      processes.push(await sandbox.startProcess("perl", { args: ["-e", WRITER] }));
    const timed = async () => {
      const began = performance.now();
      for (let i = 0; i < COMMANDS; i++) await sandbox.run("true", { check: true });
      return (performance.now() - began) / COMMANDS;
    };
    await timed();
    const rounds = [];
    for (let round = 0; round < ROUNDS; round++) {
      const alone = await timed();
      const abort = new AbortController();
      const events = processes.map(({ pid }) =>
        sandbox.followStdout(pid, { transport: "auto", signal: abort.signal }),
      );
      await Promise.all(events.map((each) => each.next()));
      let lines = 0;
      const following = events.map(async (each) => {
        for await (const batch of each.batches()) lines += batch.length;
      });
      const beside = await timed();
      abort.abort();
      await Promise.allSettled(following);
      rounds.push({ alone, beside, lines });
    }
    return rounds;
  },
  { OUTPUTS, ROUNDS, COMMANDS, WRITER, sandboxId, apiUrl, apiKey },
);
await browser.close();
files.close();
await server.close();

const median = (all) => all.toSorted((a, b) => a - b)[all.length >> 1];
const of = (what) => median(rounds.map((round) => round[what])).toFixed(1);
const ratio = median(rounds.map(({ alone, beside }) => beside / alone)).toFixed(2);
if (rounds.some(({ lines }) => lines < OUTPUTS)) throw new Error("not every output was followed");
const text = `# Many outputs in one page

A page in headless Chromium follows ${OUTPUTS} outputs by \`transport: "auto"\`, over one WebSocket, and runs a command;
${ROUNDS} rounds of ${COMMANDS} commands, medians; \`npm run bench:outputs\`. Two cores, which the server, the ${OUTPUTS} processes
and the browser share.

| What | measured | wanted |
|---|---|---|
| a command beside the outputs, beside one alone | ${ratio} (${of("beside")} and ${of("alone")} ms) | at most 2 |
`;
writeFileSync(new URL("OUTPUTS.md", import.meta.url), text);
console.log(text);
