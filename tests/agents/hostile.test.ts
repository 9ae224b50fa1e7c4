// What a model may send: each call has a result that it can act on, within bounds, and the sandbox lives on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Sandbox } from "shoreline";
import { sandboxTools } from "shoreline/agents";
import { bad, good, sandbox, server, toolsOf } from "./box.js";

const call = toolsOf();
const MOST = 30_000;

const NONSENSE: unknown[] = [
  ...[null, 7, true, "run it", [], [1], () => 1, Symbol("x"), 10n],
  ...[
    { comand: "ls" },
    { command: 7 },
    { command: ["ls"] },
    { command: "ls", cwd: "/" },
    { pid: "1" },
    { pid: -1 },
  ],
  ...[
    { pid: 1.5 },
    { pid: NaN },
    { path: {} },
    { path: "" },
    { path: "a\0b" },
    { path: "x".repeat(100_000) },
  ],
  ...[
    { pattern: "x", limit: Infinity },
    { pattern: "(", glob: "{" },
    { port: 0 },
    { port: 70_000 },
    { port: "80" },
  ],
  ...[JSON.parse('{"__proto__": {"command": "ls"}}') as unknown, { toString: 1 }],
];

test("any input is answered in words, and what does not fit the schema is refused", async () => {
  for (const tool of sandboxTools(sandbox)) {
    for (const input of NONSENSE) {
      const { isError, text, structured } = await tool.execute(input);
      const what = `${tool.name}: ${text}`;
      assert.ok(Buffer.byteLength(text) <= MOST, what);
      assert.ok(isError && structured.error, what);
      assert.match(structured.error.code, /^(invalid_input|not_found|E[A-Z]+|conflict)$/, what);
      assert.ok(structured.error.message.length > 20, what);
    }
  }
  await bad(call("run_command", { comand: "ls" }), "invalid_input", /command/);
  await good(call("run_command", { command: "true" }));
});

test("output without end takes a bounded result, and the command its time limit", async () => {
  const endless = call("run_command", { command: "yes", timeout_seconds: 1, yield_after_seconds: 60 });
  const { text, data } = await bad(endless, "run_timeout", /time limit/);
  assert.ok(Buffer.byteLength(text) <= MOST && (data.omitted?.bytes ?? 0) > 100_000, text.slice(-500));
  assert.equal(data.timed_out, true);
  if (data.more)
    await bad(call("read_output", { pid: data.pid, cursor: data.cursor }), "run_timeout", /time limit/);
  const line = "yes 0123456789 | head -c 20000000; echo; echo end";
  const much = await good(call("run_command", { command: line, yield_after_seconds: 120 }));
  assert.ok(Buffer.byteLength(much.text) <= MOST);
  assert.ok(much.data.output.endsWith("\nend\n"), much.data.output.slice(-100));
});

test("what removes everything and what starts processes without end harms its sandbox only", async () => {
  const own = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
  const tools = new Map(sandboxTools(own).map((one) => [one.name, one]));
  const run = async (command: string) => tools.get("run_command")?.execute({ command, timeout_seconds: 5 });
  await run("rm -rf --no-preserve-root /* ~ . 2>/dev/null");
  await run("f() { f | f & }; for i in $(seq 50); do sleep 100 & done; kill -9 -1");
  const after = await run("echo alive");
  assert.ok(after && (after.text.startsWith("alive") || after.isError), after?.text);
  await own.terminate();
  assert.equal(
    (await tools.get("run_command")?.execute({ command: "true" }))?.structured.error?.code,
    "sandbox_not_found",
  );
  await good(call("run_command", { command: "true" }));
});

test("a thousand calls at once: a bounded number wait, the others are told to come again", async () => {
  const results = await Promise.all(
    Array.from({ length: 1000 }, (_, i) => call("run_command", { command: `echo ${i}` })),
  );
  const busy = results.filter(({ structured }) => structured.error?.code === "busy");
  const done = results.filter(({ isError }) => !isError);
  assert.equal(busy.length + done.length, 1000);
  assert.ok(done.length >= 64 && busy.length > 0, `${done.length} were done`);
  for (const [i, { isError, text }] of results.entries())
    assert.ok(isError || text.startsWith(`${i}\n`), text);
  await good(call("run_command", { command: "true" }));
});
