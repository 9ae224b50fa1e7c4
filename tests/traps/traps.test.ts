// A core that fails inside. Its build for this test has an export that panics after an await.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** Where the package with that build is. */
const trapped = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..", "trapped");

const PRELUDE = `
import { Sandbox } from "shoreline";
const never = () => new Promise(() => {});
class Socket extends EventTarget {
  readyState = 1;
  constructor() {
    super();
    queueMicrotask(() => this.dispatchEvent(new Event("open")));
  }
  send() {}
  close() {}
}
const connect = (fetch) =>
  Sandbox.connect({ sandboxId: "a", proxyUrl: "http://a.invalid", apiKey: "key", fetch, WebSocket: Socket });
const healthy = async () => Response.json({ healthy: true });
const tell = (name, promise) =>
  promise.then(
    () => console.log(name, "resolved"),
    (error) => console.log(name, error.code, error.cause?.name, error.cause?.message),
  );
`;

/** What a program prints. One that hangs prints nothing more. */
function printed(program: string): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module"], {
    cwd: trapped,
    input: PRELUDE + program,
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.deepEqual([status, stderr], [0, ""], stdout);
  return stdout;
}

const DEAD = "core_dead RuntimeError unreachable\n";

test("a panic after an await rejects every call under way, and the next client works", () => {
  const stdout = printed(`
    for (const round of [1, 2]) {
      const sandbox = await connect(never);
      const pty = await sandbox.connectPty("session", "token");
      const calls = [
        tell("terminal", pty.wait()),
        tell("call", sandbox.health()),
        tell("follow", sandbox.followOutput(1).next()),
        tell("run", sandbox.run("ls")),
      ];
      await new Promise((resolve) => setTimeout(resolve));
      globalThis.core.trap();
      await Promise.all(calls);
      await tell("later", sandbox.health());
      await tell("terminal later", pty.sendInput("x"));
      console.log((await (await connect(healthy)).health()).healthy);
    }
    // Nothing is left that would keep the process.
    process.exit();`);
  const round = [
    ...["terminal", "call", "follow", "run", "later"].map((name) => `${name} ${DEAD}`),
    "terminal later session_closed undefined undefined\n",
    "true\n",
  ];
  assert.deepEqual(stdout.split(/(?<=\n)/).sort(), [...round, ...round].sort());
});

test("a function of the runtime that throws in the middle of a call is no hang", () => {
  const stdout = printed(`
    const busy = await connect(async () => new Response("", { status: 503 }));
    const waiting = tell("other", (await connect(never)).health());
    const { random } = Math;
    Math.random = () => { throw new TypeError("no random numbers"); };
    await tell("call", busy.health());
    await waiting;
    Math.random = random;
    console.log((await (await connect(healthy)).health()).healthy);
    process.exit();`);
  const lines = ["call", "other"].map((name) => `${name} core_dead TypeError no random numbers\n`);
  assert.deepEqual(stdout.split(/(?<=\n)/).sort(), [...lines, "true\n"].sort());
});
