// Cancelling settles at once, and releases what was held.
import { type Pty, Sandbox, type SocketConstructor } from "shoreline";
import { equal, ok, recorded, rejects, sandboxOf, type Sent, test } from "./harness.js";

const SLEEP = { args: ["1000"] };

test("cancelling a process's output while it is read closes the connection", async (context) => {
  const { sandbox, sent } = await recorded(context);
  const proc = await sandbox.startProcess("sleep", SLEEP);
  const reader = proc.stdout.getReader();
  const read = reader.read();
  await sandbox.health();
  await reader.cancel();
  equal((await read).done, true);
  // In a browser it is a channel of a WebSocket.
  const follow = sent.find(({ url }) => url.includes("/follow"));
  ok(follow?.signal.aborted !== false, "the connection was closed");
  await proc.kill();
});

test("leaving batches while one is read closes the connection", async (context) => {
  const { sandbox, sent } = await recorded(context);
  const proc = await sandbox.startProcess("sleep", SLEEP);
  const batches = proc.output().batches();
  const next = batches.next();
  await sandbox.health();
  equal(await batches.return(undefined), { done: true });
  equal([(await next).done, (await batches.next()).done], [true, true]);
  ok(sent.find(({ url }) => url.endsWith("/follow"))?.signal.aborted === true, "it was ended");
  await proc.kill();
});

test("an input whose source fails is no end of the input", async (context) => {
  const { sandbox, sent } = await recorded(context);
  const proc = await sandbox.startProcess("cat", { stdinMode: "pipe" });
  let given = false;
  const source = new ReadableStream({
    pull(controller) {
      if (given) controller.error(new RangeError("the source failed"));
      else controller.enqueue("part\n");
      given = true;
    },
  });
  equal(await source.pipeTo(proc.stdin).catch((error: unknown) => error instanceof RangeError), true);
  equal((await sandbox.getProcess(proc.pid)).status, "running");
  ok(!sent.some(({ url }) => url.endsWith("/stdin/close")), "the input was not closed");
  await sandbox.closeStdin(proc.pid);
  equal((await sandbox.getStdout((await proc.wait()).pid)).lines, ["part"]);
});

test("a file that is not written releases what it was to be written from", async ({ sandbox }) => {
  const source = () => {
    let left = 3;
    let release!: () => void;
    const released = new Promise<void>((resolve) => (release = resolve));
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (left-- > 0) {
          controller.enqueue(new Uint8Array(100_000));
          return;
        }
        controller.close();
        release();
      },
      cancel: release,
    });
    return { stream, released };
  };
  const bad = source();
  await rejects(sandbox.writeFile("", bad.stream), "invalid_argument");
  await bad.released;
  const progress = source();
  const onProgress = () => {
    throw new RangeError("mine");
  };
  const failed = sandbox.writeFile("released-by-progress", progress.stream, { onProgress });
  equal(await failed.catch((error: unknown) => error instanceof RangeError), true);
  await progress.released;
  const { sandbox: broken } = await sandboxOf(() => Promise.reject(new TypeError("fetch failed")));
  const lost = source();
  await rejects(broken.writeFile("x", lost.stream), "connection_lost");
  await lost.released;
  const locked = source();
  locked.stream.getReader();
  await rejects(sandbox.writeFile("x", locked.stream), "invalid_argument");
});

test("a file that is not read any further closes the connection", async () => {
  const { sandbox, sent } = await sandboxOf(() =>
    Promise.resolve(
      new Response(
        new ReadableStream({
          pull: (body) => {
            body.enqueue(new Uint8Array(10));
          },
        }),
      ),
    ),
  );
  const onProgress = () => {
    throw new RangeError("mine");
  };
  const failed = sandbox.readFile("endless", { onProgress });
  equal(await failed.catch((error: unknown) => error instanceof RangeError), true);
  const { signal } = sent[0] as Sent;
  if (!signal.aborted)
    await new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => {
        resolve();
      });
    });
});

/** A terminal's socket. The case is the server. */
class Line extends EventTarget {
  static readonly all: Line[] = [];
  static accepts = true;
  static #made: (() => void) | undefined;
  binaryType = "blob";
  readyState = 0;

  constructor() {
    super();
    Line.all.push(this);
    Line.#made?.();
    if (Line.accepts)
      queueMicrotask(() => {
        this.readyState = 1;
        this.dispatchEvent(new Event("open"));
      });
  }

  /** Waits for so many sockets. */
  static async made(count: number): Promise<void> {
    while (Line.all.length < count) await new Promise<void>((resolve) => (Line.#made = resolve));
  }

  static last(): Line {
    return Line.all.at(-1) as Line;
  }

  readonly send = (): void => undefined;

  close(): void {
    this.closes(1000, "");
  }

  closes(code: number, reason: string): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
  }
}

async function lineTo(): Promise<Pty> {
  const fetch = () => Promise.resolve(Response.json({}));
  const WebSocket = Line as unknown as SocketConstructor;
  const proxyUrl = "http://peer.invalid";
  const sandbox = await Sandbox.connect({ sandboxId: "peer", proxyUrl, apiKey: "key", fetch, WebSocket });
  Line.all.length = 0;
  Line.accepts = true;
  return sandbox.connectPty("session", "token", { reattach: { maxAttempts: 1000, maxDelayMs: 1 } });
}

test("disconnecting a terminal while it is attached again ends that, and those who wait", async () => {
  const pty = await lineTo();
  const settled = async () => {
    const waiting = pty.wait();
    const read = pty.readable.getReader().read();
    pty.disconnect();
    await rejects(waiting, "session_closed");
    await rejects(read, "session_closed");
    await rejects(pty.wait(), "session_closed");
    await rejects(pty.sendInput("x"), "session_closed");
  };
  // Before the next attempt, and in the middle of one.
  Line.last().closes(1006, "");
  await settled();
  equal(Line.all.length, 1);
  await pty.connect();
  Line.accepts = false;
  Line.last().closes(1006, "");
  await Line.made(3);
  await settled();
  equal([Line.all.length, Line.last().readyState], [3, 3]);
  // An attempt that opens after all is closed.
  const connecting = pty.connect();
  await Line.made(4);
  const late = Line.last();
  pty.disconnect();
  late.readyState = 1;
  late.dispatchEvent(new Event("open"));
  await rejects(connecting, "session_closed");
  equal(late.readyState, 3);
  Line.accepts = true;
  await pty.connect();
  Line.last().closes(1000, "exit:5");
  equal(await pty.wait(), 5);
});
