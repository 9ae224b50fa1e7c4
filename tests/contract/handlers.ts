// Handlers: promises that they return are awaited, and their errors are the call's.
import type { AbortError, OutputEvent, Pty } from "shoreline";
import { equal, ok, rejects, sandboxOf, test } from "./harness.js";

const mine = new RangeError("mine");
const throwing = () => {
  throw mine;
};
const rejecting = async () => {
  await Promise.resolve();
  throw mine;
};
const kinds: [string, () => unknown][] = [
  ["throws", throwing],
  ["rejects", rejecting],
];

/** A turn of the event loop. */
const turn = () => new Promise<void>((resolve) => setTimeout(resolve));

/** Fails unless the promise rejects with the handler's own error. */
async function fails(promise: PromiseLike<unknown>): Promise<void> {
  let error: unknown;
  await promise.then(undefined, (thrown: unknown) => (error = thrown));
  ok(error === mine, String(error));
}

test("an async handler of a run gets one event at a time, and the result comes after it", async ({
  sandbox,
}) => {
  let [busy, seen] = [0, 0];
  const handler = async () => {
    equal(++busy, 1);
    await turn();
    busy--;
    seen++;
  };
  const result = await sandbox.run("sh", {
    args: ["-c", "seq 20; seq 20 >&2"],
    onStdout: handler,
    onStderr: handler,
  });
  equal([result.exitCode, seen], [0, 40]);
});

for (const [how, handler] of kinds)
  test(`a handler of a run that ${how}: that is the run's error, and the command is ended`, async ({
    sandbox,
  }) => {
    let pid = NaN;
    const onStdout = (event: OutputEvent) => {
      pid = Number(event.line);
      return handler();
    };
    await fails(sandbox.run("sh", { args: ["-c", "echo $$; exec sleep 1000"], onStdout }));
    const process = sandbox.process({ pid, sandboxId: sandbox.sandboxId });
    equal((await process.wait()).signal, 9);
  });

test("an abort does not wait for a handler's promise", async ({ sandbox }) => {
  const controller = new AbortController();
  const onStdout = () => {
    controller.abort(mine);
    return new Promise(() => undefined);
  };
  const running = sandbox.run("sh", {
    args: ["-c", "echo a; exec sleep 1000"],
    signal: controller.signal,
    onStdout,
  });
  equal((await rejects<AbortError>(running, "aborted")).reason === mine, true);
});

/** A stream that breaks off after a line. */
const broken = () => {
  const chunks = ['data: {"line":"a","timestamp":1,"stream":"stdout"}\n\n'];
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = chunks.shift();
      if (chunk === undefined) controller.error(new TypeError("terminated"));
      else controller.enqueue(new TextEncoder().encode(chunk));
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
};

for (const [how, handler] of kinds)
  test(`an onReconnect that ${how}: that is the iteration's error`, async () => {
    const { sandbox } = await sandboxOf(() => Promise.resolve(broken()));
    const lines: string[] = [];
    const loop = async () => {
      for await (const { line } of sandbox.followOutput(1, { onReconnect: handler })) lines.push(line);
    };
    await fails(loop());
    equal(lines, ["a"]);
  });

test("a reconnect waits for the promise of onReconnect, and an abort does not", async () => {
  const controller = new AbortController();
  const { sandbox, sent } = await sandboxOf(() => Promise.resolve(broken()));
  const onReconnect = async () => {
    // For longer than the reconnect would wait otherwise.
    for (let i = 0; i < 50; i++) await turn();
    equal(sent.length, 1);
    controller.abort(mine);
    await new Promise(() => undefined);
  };
  const options = { onReconnect, signal: controller.signal, reconnect: { maxDelayMs: 1 } };
  const loop = async () => {
    for await (const { line } of sandbox.followOutput(1, options)) equal(line, "a");
  };
  await rejects(loop(), "aborted");
});

/** A terminal whose program waits for a line. */
const waiting = {
  command: "sh",
  args: ["-c", "stty -echo; echo ready; read line; echo $line; exec sleep 1000"],
};

for (const [how, handler] of kinds) {
  test(`an onData that ${how} leaves the session, and the others get the data`, async ({ sandbox }) => {
    let text = "";
    const pty = await sandbox.createPty({ ...waiting, onData: handler });
    pty.onData((data) => (text += new TextDecoder().decode(data)));
    await fails(pty.wait());
    await fails(pty.readable.getReader().closed);
    const error = await rejects(pty.sendInput("x"), "session_closed");
    ok(error.cause === mine, "the cause is the handler's error");
    const again = await sandbox.connectPty(pty.sessionId, pty.token);
    await again.sendInput("went on\n");
    const reader = again.readable.getReader();
    for (let shown = ""; !shown.includes("went on");)
      shown += new TextDecoder().decode((await reader.read()).value);
    await again.kill();
    ok(text.length > 0, "the other handler got data");
  });

  test(`an onExit that ${how} is the error of wait, and the others are called`, async ({ sandbox }) => {
    const codes: unknown[] = [];
    const pty = await sandbox.createPty({
      command: "sh",
      args: ["-c", "read line; exit 7"],
      onExit: handler,
    });
    pty.onExit(async (code) => {
      await turn();
      codes.push(code);
    });
    await pty.sendInput("x\n");
    await fails(pty.wait());
    equal([codes, pty.exit], [[7], { exitCode: 7, signal: null }]);
  });

  test(`an onReattach that ${how} leaves the session`, async ({ sandbox }) => {
    await using pty: Pty = await sandbox.createPty({ ...waiting, onReattach: handler });
    pty.disconnect();
    await pty.connect();
    await pty.sendInput("x\n");
    await fails(pty.wait());
  });
}

test("output waits for the promise of onReattach", async ({ sandbox }) => {
  const order: string[] = [];
  let tell!: () => void;
  const told = new Promise<void>((resolve) => (tell = resolve));
  let shown!: () => void;
  const end = new Promise<void>((resolve) => (shown = resolve));
  await using pty = await sandbox.createPty({
    ...waiting,
    onData: (data) => {
      const text = new TextDecoder().decode(data);
      order.push(text.includes("typed") ? "typed" : "other");
      if (text.includes("typed")) shown();
    },
    onReattach: async () => {
      tell();
      await turn();
      await sandbox.health();
      order.push("reattached");
    },
  });
  pty.disconnect();
  await pty.connect();
  await pty.sendInput("typed\n");
  await told;
  await end;
  // The terminal's echo comes first, and the program's own output after it or later.
  const first = new Set(order.filter((what) => what !== "other"));
  equal([...first], ["reattached", "typed"]);
});
