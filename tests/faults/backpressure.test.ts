// What nobody reads is not fetched: the server has to wait, and the client's memory does not grow.
import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { type TestContext, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { eventually } from "../helpers/processes.js";
import { type Behind, behindProxy, requested } from "./behind-proxy.js";
import type { Seen } from "./proxy.js";

const PRODUCED = 400_000_000;
/** In lines of 1000 bytes. */
const PRODUCER = ["-c", `head -c ${PRODUCED} /dev/zero | tr '\\0' x | fold -w 1000`];
const ALLOWED = 8 * 1024 * 1024;

/**
 * A reader in a process of its own, so that only its memory is measured. For each line on its input it
 * takes an event, where the line says so, and tells how much memory it has, in bytes.
 */
const READER = `
  import { createInterface } from "node:readline";
  import { Sandbox } from "shoreline";
  const { how, args, ...address } = JSON.parse(process.argv[1]);
  const sandbox = await Sandbox.connect(address);
  const follow = async (command, args) =>
    sandbox.followOutput((await sandbox.startProcess(command, { args })).pid);
  const read = async (command, args) =>
    (how === "run" ? sandbox.run(command, { args }) : await follow(command, args))[Symbol.asyncIterator]();
  // What is loaded, compiled and grown once is there before it is measured.
  for await (const event of await read("seq", ["50000"])) event.text;
  const events = await read("sh", args);
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === "read") await events.next();
    gc();
    const { rss, heapUsed, external } = process.memoryUsage();
    console.log(JSON.stringify({ rss, used: heapUsed + external }));
  }
`;

interface Memory {
  rss: number;
  /** By JavaScript, the core and buffers. */
  used: number;
}

class Reader {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: Interface;

  constructor(t: TestContext, address: Behind["address"], how: string) {
    const given = JSON.stringify({ ...address, how, args: PRODUCER });
    this.#child = spawn(process.execPath, ["--expose-gc", "--input-type=module", "--eval", READER, given], {
      // There an import of the package finds it.
      cwd: fileURLToPath(new URL(".", import.meta.url)),
      stdio: ["pipe", "pipe", "inherit"],
    });
    t.after(() => this.#child.kill("SIGKILL"));
    this.#answers = createInterface({ input: this.#child.stdout });
  }

  async ask(what: "read" | "measure"): Promise<Memory> {
    const answer = once(this.#answers, "line");
    this.#child.stdin.write(`${what}\n`);
    const [line] = (await answer) as [string];
    return JSON.parse(line) as Memory;
  }
}

/** Waits until the client has stopped to read, and gives how much it was sent. */
async function stalled({ socket }: Seen): Promise<number> {
  let before = -1;
  let quiet = 0;
  while (quiet < 5) {
    const still = socket.bytesWritten === before && socket.writableNeedDrain;
    quiet = still ? quiet + 1 : 0;
    before = socket.bytesWritten;
    await pause(100);
  }
  return before;
}

for (const [how, method, end] of [
  ["follow", "GET", "/follow"],
  ["run", "POST", "/run"],
] as const) {
  test(`${how}: 400 MB are written, and who takes one event holds less than 8 MB`, async (t) => {
    await behindProxy({}, async ({ direct, proxy, address }) => {
      const reader = new Reader(t, address, how);
      const first = await reader.ask("measure");
      await reader.ask("read");
      const seen = await requested(proxy, method, end, 2);
      const pid = (await direct.listProcesses()).at(-1)?.pid ?? NaN;
      await eventually(
        "the command has written everything",
        async () => (await direct.getProcess(pid)).status === "exited",
        600_000,
      );
      // A client that the machine lets wait has not stopped: it reads on until two looks are the same.
      let sent = NaN;
      await eventually("the client has stopped to read", async () => {
        const before = sent;
        sent = await stalled(seen);
        return sent === before;
      });
      const last = await reader.ask("measure");
      const grown = { rss: last.rss - first.rss, used: last.used - first.used };
      t.diagnostic(`sent ${sent} of ${PRODUCED} bytes; grown by ${JSON.stringify(grown)}`);
      assert.ok(sent < ALLOWED, `the client was sent ${sent} bytes`);
      assert.ok(grown.rss < ALLOWED, `the process grew by ${grown.rss} bytes`);
      assert.ok(grown.used < ALLOWED, `what it uses grew by ${grown.used} bytes`);
    });
  });
}
