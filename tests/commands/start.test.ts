// `npm start`, by the script that it runs.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { eventually, mark, marked, test, waiting } from "../helpers/processes.js";

interface Ended {
  stdout: Buffer;
  stderr: string;
  status: [code: number | null, signal: NodeJS.Signals | null];
}

function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, ["scripts/start.mjs", ...args], { stdio: ["ignore", "pipe", "pipe"] });
}

async function ended(child: ChildProcess): Promise<Ended> {
  const collected: Record<"stdout" | "stderr", Buffer[]> = { stdout: [], stderr: [] };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.on("data", (chunk: Buffer) => collected[name].push(chunk));
  }
  const status = (await once(child, "close")) as Ended["status"];
  return { stdout: Buffer.concat(collected.stdout), stderr: String(Buffer.concat(collected.stderr)), status };
}

test("the main job: hello, five steps as they come, a failing command", async () => {
  const child = start();
  let atFirst: string | undefined;
  let text = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    text += String(chunk);
    if (text.includes("Step 1/5")) atFirst ??= text;
  });
  const { stdout, stderr, status } = await ended(child);
  assert.deepEqual(status, [0, null], stderr);
  const [id, ...lines] = String(stdout).trimEnd().split("\n");
  assert.match(id ?? "", /^sandbox [0-9a-z]{21}$/);
  assert.deepEqual(lines.slice(0, 7), [
    "Hello from sandbox!",
    "exit code 0",
    ...[1, 2, 3, 4, 5].map((i) => `Step ${i}/5`),
  ]);
  assert.match(lines[7] ?? "", /^exit code 1, stderr: .*no-such-file/);
  assert.equal(lines.length, 8);
  assert.ok(!atFirst?.includes("Step 5/5"), "the first step came before the last was made");
});

test("a command: its output to the right streams, byte for byte, and its exit code", async () => {
  const script = "printf 'out\\377'; printf 'err' >&2; exit 7";
  const { stdout, stderr, status } = await ended(start("sh", "-c", script));
  assert.deepEqual(stdout, Buffer.from("out\xff", "latin1"));
  assert.equal(stderr, "err");
  assert.deepEqual(status, [7, null]);
});

test("a command with much output has all of it", async () => {
  const { stdout, status } = await ended(start("seq", "300000"));
  assert.deepEqual(status, [0, null]);
  assert.equal(stdout.length, 1_988_895);
});

test("a command that a signal ends: 128 and the signal", async () => {
  assert.deepEqual((await ended(start("sh", "-c", "kill -TERM $$"))).status, [143, null]);
});

test("a command that is not there: 127, and why", async () => {
  const { stderr, status } = await ended(start("no-such-program"));
  assert.deepEqual(status, [127, null]);
  assert.match(stderr, /^[^\n]*no-such-program[^\n]*\n$/);
});

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  test(`${signal} ends the command and everything that was started`, async (t) => {
    const text = mark(t);
    const child = start("sh", ...waiting(text));
    const end = ended(child);
    // Whatever Node starts looks like Node for a moment.
    await eventually("the command runs", () => marked(text, "sh\0").length > 0);
    child.kill(signal);
    const { stderr, status } = await end;
    assert.deepEqual([status, stderr], [[code, null], ""]);
    await eventually("the command has ended", () => marked(text).length === 0);
  });
}

test("a reader that goes away ends the command", async (t) => {
  const text = mark(t);
  const child = start("sh", "-c", `: ${text}; while :; do echo y; done`);
  await once(child.stdout as NodeJS.ReadableStream, "data");
  child.stdout?.destroy();
  assert.deepEqual(await once(child, "close"), [141, null]);
  await eventually("the command has ended", () => marked(text).length === 0);
});

test("a signal during set-up ends what it runs", async (t) => {
  const text = mark(t);
  const source = `
    import { run } from "./scripts/steps.mjs";
    await run("sh", ["-c", "sh -c '" + process.env.SCRIPT + "' & wait"]);
    console.log("went on");`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", source], {
    env: { ...process.env, SCRIPT: waiting(text)[1] },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const end = ended(child);
  await eventually("it runs", () => marked(text).length > 0);
  child.kill("SIGINT");
  const { stdout, status } = await end;
  assert.deepEqual([status, String(stdout)], [[null, "SIGINT"], ""]);
  await eventually("it has ended", () => marked(text).length === 0);
});
