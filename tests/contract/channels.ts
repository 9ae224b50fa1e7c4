// Output over one WebSocket, which all streams of a sandbox share.
import { type ClientOptions, ConnectionError, Sandbox } from "shoreline";
import { givesEveryLine, equal, ok, recorded, rejects, sandboxOf, sha256, test } from "./harness.js";
import { MANY_LINES } from "./run.js";

const transport = "websocket";

test("a WebSocket gives every line of both streams, and their bytes", async (context) => {
  const { sandbox, sent } = await recorded(context);
  await givesEveryLine(sandbox, transport);
  equal(sent.filter(({ url }) => url.includes("/follow")).length, 0, "requests to follow");
});

test("a WebSocket gives unfinished lines too", async (context) => {
  const { sandbox } = context;
  const { pid } = await sandbox.startProcess("sh", {
    args: ["-c", "echo whole; printf 'go on? '; read answer; echo $answer"],
    stdinMode: "pipe",
  });
  const texts: string[] = [];
  for await (const { text, partial } of sandbox.followStdout(pid, { transport, pieces: true })) {
    texts.push(text);
    if (partial) await sandbox.writeStdin(pid, "yes\n");
  }
  equal(texts, ["whole\n", "go on? ", "yes\n"]);
});

test("forty outputs that share a WebSocket have the SHA-256 of what was written", async ({ sandbox }) => {
  const script = (number: number) => `for i in $(seq 2000); do echo ${String(number)} $i; done`;
  const written = (number: number) =>
    Array.from({ length: 2000 }, (_, i) => `${String(number)} ${String(i + 1)}\n`).join("");
  const follow = async (number: number) => {
    const { pid } = await sandbox.startProcess("sh", { args: ["-c", script(number)] });
    let text = "";
    for await (const batch of sandbox.followStdout(pid, { transport }).batches())
      text += batch.map((event) => event.text).join("");
    equal(await sha256(text), await sha256(written(number)), String(number));
  };
  await Promise.all(Array.from({ length: 40 }, (_, number) => follow(number)));
});

test("an output that nobody reads holds up no other of its WebSocket", async ({ sandbox }) => {
  const lines = { args: ["-c", MANY_LINES] };
  const slow = sandbox.followStdout((await sandbox.startProcess("sh", lines)).pid, { transport });
  const begun = await slow.next();
  const hash = (await sandbox.run("sh", { args: ["-c", `${MANY_LINES} | sha256sum`] })).stdout.slice(0, 64);
  const read = async (events: typeof slow, first: string) => {
    let text = first;
    for await (const batch of events.batches()) text += batch.map((event) => event.text).join("");
    return sha256(text);
  };
  const quick = sandbox.followStdout((await sandbox.startProcess("sh", lines)).pid, { transport });
  equal(await read(quick, ""), hash);
  // All of it is there, however late.
  equal(await read(slow, begun.value?.text ?? ""), hash);
});

test("a command is run over a WebSocket, and a large one by a request", async (context) => {
  const { sandbox, sent } = await recorded(context);
  const lines: string[] = [];
  const result = await sandbox.run("sh", {
    args: ["-c", "echo out; echo err >&2; exit 3"],
    transport,
    onStdout: ({ line }) => lines.push(line),
  });
  equal([result.stdout, result.stderr, result.exitCode, lines], ["out", "err", 3, ["out"]]);
  equal(sent.length, 0, "requests");
  await rejects(sandbox.run("no-such-program", { transport }), "not_found");
  const large = "x".repeat(100_000);
  equal((await sandbox.run("echo", { args: [large], transport })).stdout, large);
  equal(sent.length, 1, "requests");
});

test("leaving a loop over a WebSocket, an abort, and an abort of a run", async ({ sandbox }) => {
  const { pid } = await sandbox.startProcess("sh", { args: ["-c", "echo a; exec sleep 1000"] });
  for await (const event of sandbox.followOutput(pid, { transport })) {
    equal(event.line, "a");
    break;
  }
  const abort = new AbortController();
  const events = sandbox.followOutput(pid, { transport, signal: abort.signal });
  await events.next();
  const next = rejects(events.next(), "aborted");
  const running = sandbox.run("sleep", { args: ["1000"], transport, signal: abort.signal });
  const run = rejects(running, "aborted");
  abort.abort();
  await Promise.all([next, run]);
  await sandbox.killProcess(pid);
});

test("what a server refuses over a WebSocket is the error that it is elsewhere", async (context) => {
  const { sandbox, url, apiKey } = context;
  await rejects(sandbox.followOutput(4_000_000, { transport }).next(), "not_found");
  const proxyUrl = (id: string) => `${url}/s/${id}`;
  const sandboxId = "no-such-sandbox";
  const missing = await Sandbox.connect({ sandboxId, proxyUrl: proxyUrl(sandboxId), apiKey });
  await rejects(missing.followOutput(1, { transport }).next(), "sandbox_not_found");
  const wrong = { sandboxId: sandbox.sandboxId, proxyUrl: proxyUrl(sandbox.sandboxId), apiKey: "wrong" };
  await rejects((await Sandbox.connect(wrong)).followOutput(1, { transport }).next(), "authentication");
  // A key that is asked for is asked for again.
  const { pid } = await sandbox.startProcess("echo", { args: ["here"] });
  const keys = ["old", apiKey];
  const changing = await Sandbox.connect({ ...wrong, apiKey: () => keys.shift() ?? "" });
  equal((await changing.followOutput(pid, { transport }).next()).value?.line, "here");
  await rejects(sandbox.run("true", { transport: "eventsource" as never }), "invalid_argument");
});

/** A message of a client: its opcode, its channel, and the rest. */
interface Asked {
  op: number;
  channel: number;
  payload: Uint8Array;
  text: string;
}

const OPEN = 1;
const CREDIT = 2;
const CLOSE = 3;
const OPENED = 4;
const DATA = 6;
const END = 7;

/** A server that plays a part; its sockets open unless `opens` says otherwise. */
class Played {
  readonly sockets: PlayedSocket[] = [];
  readonly WebSocket: NonNullable<ClientOptions["WebSocket"]>;

  constructor(answer: (socket: PlayedSocket, asked: Asked) => void, opens = true) {
    const { sockets } = this;
    this.WebSocket = class extends PlayedSocket {
      constructor(url: string) {
        super(url, answer, opens);
        sockets.push(this);
      }
    } as never;
  }

  /** A sandbox of it. Requests are answered with 404, as by other servers, unless `fetch` is given. */
  async sandbox(
    fetch = () => Promise.resolve(new Response("no such route", { status: 404 })),
  ): Promise<Sandbox> {
    return (await sandboxOf(fetch, { WebSocket: this.WebSocket })).sandbox;
  }
}

class PlayedSocket {
  readyState = 0;
  binaryType = "";
  readonly asked: Asked[] = [];
  readonly #answer: (socket: PlayedSocket, asked: Asked) => void;
  readonly #listeners: [string, (event: object) => void][] = [];

  constructor(
    readonly url: string,
    answer: (socket: PlayedSocket, asked: Asked) => void,
    opens: boolean,
  ) {
    this.#answer = answer;
    queueMicrotask(() => {
      this.readyState = opens ? 1 : 3;
      this.#emit(opens ? "open" : "close", { code: 1006, reason: "" });
    });
  }

  addEventListener(type: string, listener: (event: object) => void): void {
    this.#listeners.push([type, listener]);
  }

  send(message: Uint8Array): void {
    const view = new DataView(message.buffer, message.byteOffset);
    const payload = message.slice(5);
    const text = new TextDecoder().decode(payload.subarray(4));
    const asked = { op: message[0] ?? 0, channel: view.getUint32(1), payload, text };
    this.asked.push(asked);
    this.#answer(this, asked);
  }

  tell(op: number, channel: number, payload: string | Uint8Array = ""): void {
    const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
    const message = new Uint8Array(5 + bytes.length);
    message.set([op, 0, 0, 0, channel]);
    message.set(bytes, 5);
    this.give(message.buffer);
  }

  give(data: unknown): void {
    this.#emit("message", { data });
  }

  close(code = 1000, reason = ""): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.#emit("close", { code, reason });
  }

  #emit(type: string, event: object): void {
    for (const [of, listener] of this.#listeners) if (of === type) listener(event);
  }
}

const line = (id: number) =>
  `id: ${String(id)}\nevent: output\ndata: {"line":"${String(id)}","timestamp":1765432100123,"stream":"stdout"}\n\n`;
const EOF = "event: eof\ndata: {}\n\n";
const once = { transport, reconnect: { maxAttempts: 0 } } as const;

async function linesOf(output: AsyncIterable<{ line: string }>): Promise<string[]> {
  const lines: string[] = [];
  for await (const event of output) lines.push(event.line);
  return lines;
}

test("all streams of a WebSocket that breaks go on after their last events on another", async () => {
  const played = new Played((socket, { op, channel, text }) => {
    if (op !== OPEN) return;
    const [, after = "0"] = /last-event-id: (\d+)\n/.exec(text) ?? [];
    socket.tell(OPENED, channel);
    socket.tell(DATA, channel, line(Number(after) + 1));
    if (after === "2") {
      socket.tell(DATA, channel, EOF);
      socket.tell(END, channel);
    } else if (channel === 3) socket.close(1011, "it broke");
  });
  const sandbox = await played.sandbox();
  const all = await Promise.all([1, 2, 3].map((pid) => linesOf(sandbox.followOutput(pid, { transport }))));
  equal(all, Array(3).fill(["1", "2", "3"]));
  ok(played.sockets.length >= 3, "each of them breaks once");
  const [{ asked, url } = { asked: [], url: "" }] = played.sockets;
  equal(url, "ws://peer.invalid/api/v1/channels");
  ok(asked[0]?.text.startsWith("GET /api/v1/processes/1/output/follow\n") === true, String(asked[0]?.text));
  ok(asked[0].text.includes("authorization: Bearer key\n"), "the key is in the message");
  ok(
    played.sockets.every(({ readyState }) => readyState === 3),
    "every socket is closed",
  );
});

test("a WebSocket that breaks for good is an error with its reason", async () => {
  const sandbox = await new Played((socket) => {
    socket.close(1008, "the key is missing or wrong");
  }).sandbox();
  const error = await rejects(linesOf(sandbox.followOutput(1, once)), "connection_lost");
  ok(error instanceof ConnectionError, "it is a ConnectionError");
  let cause: unknown = error;
  while ((cause as Error).cause !== undefined) cause = (cause as Error).cause;
  ok(String(cause).includes("(1008: the key is missing or wrong)"), String(cause));
  const running = sandbox.run("ls", { transport });
  await rejects(running, "run_outcome_unknown");
});

test("a server that breaks the rules of channels does not fill the memory, and is left", async () => {
  const parts: ((socket: PlayedSocket, channel: number) => void)[] = [
    (socket) => {
      socket.give("text");
    },
    (socket) => {
      socket.give(new Uint8Array([6, 0, 0]).buffer);
    },
    (socket) => {
      socket.tell(99, 1);
    },
    (socket, channel) => {
      // More than it has credit for.
      for (let i = 0; i < 100; i++) socket.tell(DATA, channel, `: ${"x".repeat(10_000)}\n`);
    },
    (socket, channel) => {
      socket.tell(8, channel);
    },
  ];
  for (const part of parts) {
    const played = new Played((socket, { op, channel }) => {
      if (op !== OPEN) return;
      socket.tell(OPENED, channel);
      part(socket, channel);
    });
    await rejects(linesOf((await played.sandbox()).followOutput(1, once)), "stream_broken");
    ok(
      played.sockets.every(({ readyState }) => readyState === 3),
      "its socket is closed",
    );
  }
});

test("credit is given back as a reader takes what came", async () => {
  const part = `: ${"x".repeat(1021)}\n`;
  const played = new Played((socket, { op, channel }) => {
    if (op !== OPEN) return;
    socket.tell(OPENED, channel);
    socket.tell(DATA, channel, line(1));
    for (let i = 0; i < 200; i++) socket.tell(DATA, channel, part);
    socket.tell(DATA, channel, line(2));
  });
  const sandbox = await played.sandbox();
  const events = sandbox.followOutput(1, { transport });
  await events.next();
  const [socket] = played.sockets as [PlayedSocket];
  const credits = () => socket.asked.filter(({ op }) => op === CREDIT).map(({ payload }) => payload);
  await events.next();
  equal(credits().length, 1, "messages with credit");
  const given = new DataView((credits()[0] as Uint8Array).buffer).getUint32(0);
  ok(given >= 200 * 1024 && given < 202 * 1024, String(given));
  // Leaving is told, and the socket closes with the last channel.
  await events.return();
  equal(socket.asked.at(-1)?.op, CLOSE, "the last message");
  equal(socket.readyState, 3);
});

test("a WebSocket that is silent for too long is left for another", async () => {
  const played: Played = new Played((socket, { op, channel }) => {
    if (op !== OPEN || socket === played.sockets[0]) return;
    socket.tell(OPENED, channel);
    if (socket === played.sockets[1]) return;
    socket.tell(DATA, channel, line(1) + EOF);
    socket.tell(END, channel);
  });
  const options = { WebSocket: played.WebSocket, connectTimeout: 0.05, idleTimeout: 0.05 };
  const { sandbox } = await sandboxOf((input) => {
    const stream = /stdout$|stderr$/.exec(input as string)?.[0];
    if (!stream) return Promise.resolve(Response.json({}, { status: 400 }));
    return Promise.resolve(Response.json({ lines: stream === "stdout" ? ["1"] : [] }));
  }, options);
  equal(await linesOf(sandbox.followOutput(1, { transport })), ["1"]);
  equal(played.sockets.length, 3, "sockets");
});

test("a server without channels, and one whose WebSockets do not get through", async () => {
  const closed = () => new Played(() => undefined, false);
  const without = await closed().sandbox();
  const error = await rejects(without.followOutput(1, { transport }).next(), "unsupported");
  ok(error.message.includes("`transport`"), error.message);
  await rejects(without.run("ls", { transport }), "unsupported");
  const upgrade = () => Promise.resolve(new Response("{}", { status: 426 }));
  const blocked = await closed().sandbox(upgrade);
  const lost = await rejects(blocked.followOutput(1, once).next(), "connection_lost");
  ok(String(lost.cause).includes('"auto"'), String(lost.cause));
  const refusing = await closed().sandbox(() => Promise.resolve(new Response("{}", { status: 403 })));
  await rejects(refusing.followOutput(1, { transport }).next(), "permission");
});

test("auto follows by a WebSocket in browsers where the server has channels, else by fetch", async () => {
  const inBrowser = "document" in globalThis || "importScripts" in globalThis;
  const answer = (url: string) =>
    new Response(url.endsWith("/info") ? '{"version":"1","channels":9}' : line(1) + EOF, {
      headers: { "content-type": url.endsWith("/info") ? "application/json" : "text/event-stream" },
    });
  const plays = (socket: PlayedSocket, { op, channel }: Asked) => {
    if (op !== OPEN) return;
    socket.tell(OPENED, channel);
    socket.tell(DATA, channel, line(1) + EOF);
    socket.tell(END, channel);
  };
  for (const opens of [true, false]) {
    const played = new Played(plays, opens);
    const asked: string[] = [];
    const { sandbox } = await sandboxOf(
      (url) => {
        asked.push((url as string).replace(/.*\//, ""));
        return Promise.resolve(answer(url as string));
      },
      { WebSocket: played.WebSocket },
    );
    for (let i = 0; i < 3; i++)
      equal(await linesOf(sandbox.followOutput(1, { transport: "auto" })), ["1"], "lines");
    // Where no socket passes, it is tried once.
    equal(played.sockets.length, inBrowser ? (opens ? 3 : 1) : 0, "sockets");
    const follows = inBrowser && opens ? 0 : 3;
    equal(asked, [...(inBrowser ? ["info"] : []), ...Array<string>(follows).fill("follow")]);
  }
  // A server without them is asked once, too.
  const { sandbox, sent } = await sandboxOf((url) =>
    Promise.resolve(
      (url as string).endsWith("/info") ? new Response("{}", { status: 404 }) : answer(url as string),
    ),
  );
  for (let i = 0; i < 2; i++) equal(await linesOf(sandbox.followOutput(1, { transport: "auto" })), ["1"]);
  equal(sent.filter(({ url }) => url.endsWith("/info")).length, inBrowser ? 1 : 0, "questions");
});
