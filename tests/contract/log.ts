// What is logged of a client's requests.
import { type ClientOptions, type LogEntry, Sandbox, type SocketConstructor } from "shoreline";
import { equal, ok, rejects, test } from "./harness.js";

const SECRET = "key-of-the-log";
const record = () =>
  Response.json({ id: "box", status: "running", sandbox_url: "http://peer.invalid/s/box" });

/** Calls with these answers, and what was logged. */
async function entries(
  answers: (() => Response | Promise<Response>)[],
  work: (options: ClientOptions) => Promise<unknown>,
  options: ClientOptions = { logLevel: "debug" },
): Promise<LogEntry[]> {
  const log: LogEntry[] = [];
  const fetch = async () => (answers.length > 1 ? answers.shift() : answers[0])?.() ?? record();
  const logger = (entry: LogEntry) => {
    log.push(entry);
    throw new Error("a logger that fails");
  };
  await work({ apiUrl: "http://peer.invalid", apiKey: SECRET, fetch, logger, ...options });
  for (const { durationMs } of log) ok(Number.isInteger(durationMs) && durationMs >= 0, "ms");
  return log.map((entry) => ({ ...entry, durationMs: 0 }));
}

test("log: requests with their status and trace, without query, key and body; a logger cannot break a call", async () => {
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  const headers = { traceresponse: `00-${traceId}-b7ad6b7169203331-01` };
  const text = () => new Response("precious", { headers });
  const log = await entries([record, text], async (options) => {
    const sandbox = await Sandbox.connect("box", options);
    await sandbox.readFile("/secret/name");
  });
  const path = "/v1/namespaces/default/sandboxes/box";
  equal(log, [
    { level: "debug", method: "GET", path, status: 200, durationMs: 0 },
    { level: "debug", method: "GET", path: "/s/box/api/v1/files", status: 200, durationMs: 0, traceId },
  ]);
});

test("log: failures and retries are warnings, which `warn` has alone", async () => {
  const broken = () => Promise.reject(new TypeError(`no way with ${SECRET}`));
  const busy = () => new Response("{}", { status: 503, headers: { "retry-after": "0" } });
  const connect = (options: ClientOptions) => Sandbox.connect("box", options);
  const log = await entries([busy, broken, record], connect, { logLevel: "warn" });
  const path = "/v1/namespaces/default/sandboxes/box";
  equal(log, [
    { level: "warn", method: "GET", path, status: 503, durationMs: 0 },
    { level: "warn", method: "GET", path, failure: "TypeError", durationMs: 0 },
  ]);
  equal(await entries([busy, record], connect, { logLevel: "off" }), []);
});

test("log: a stream that is resumed says after which event", async ({ sandbox, apiKey }) => {
  const log: LogEntry[] = [];
  let follows = 0;
  const cut = async (input: string, init?: RequestInit) => {
    const isFollow = input.includes("/follow");
    if (isFollow && follows++ > 0) await sandbox.closeStdin(pid);
    const answer = await fetch(input, init);
    if (!isFollow || follows > 1 || !answer.body) return answer;
    // It breaks after the first line.
    const reader = answer.body.getReader();
    let text = "";
    while (!text.includes('"a"')) {
      const { value, done } = await reader.read();
      ok(!done, "the first line comes");
      text += new TextDecoder().decode(value);
    }
    await reader.cancel();
    return new Response(text, answer);
  };
  const { sandboxUrl } = await sandbox.info();
  const other = await Sandbox.connect({
    sandboxId: sandbox.sandboxId,
    ...{ proxyUrl: sandboxUrl, apiKey, fetch: cut, logLevel: "debug" },
    logger: (entry) => log.push(entry),
  });
  const args = ["-c", "echo a; cat; echo b"];
  const { pid } = await other.startProcess("sh", { args, stdinMode: "pipe" });
  const lines: string[] = [];
  for await (const { line } of other.followOutput(pid)) lines.push(line);
  equal(lines, ["a", "b"]);
  const told = log.filter((entry) => entry.path.endsWith("/follow"));
  ok(told.length > 1, "it was resumed");
  equal(told.map(({ lastEventId }) => lastEventId !== undefined).slice(0, 2), [false, true]);
});

test("log: a token in the path of a relay is left out", async () => {
  const health = () => Response.json({ healthy: true });
  const log = await entries([health], async (options) => {
    const proxyUrl = "http://peer.invalid/sandboxes/box/token/secret-token";
    await (await Sandbox.connect({ ...options, sandboxId: "box", proxyUrl })).health();
  });
  equal(
    log.map(({ path }) => path),
    ["/sandboxes/box/token/…/api/v1/health"],
  );
});

test("log: an unknown level and a logger that is no function are refused", async () => {
  const reach = { apiUrl: "http://peer.invalid", apiKey: SECRET };
  await rejects(Sandbox.list({ ...reach, logLevel: "loud" as "debug" }), "invalid_argument");
  await rejects(Sandbox.list({ ...reach, logLevel: "debug", logger: 1 as never }), "invalid_argument");
});

/** A terminal's WebSocket. The case is the server. */
class Line extends EventTarget {
  static readonly all: Line[] = [];
  static made: () => void;
  readyState = 1;

  constructor() {
    super();
    if (Line.all.push(this) > 1) Line.made();
    queueMicrotask(() => this.dispatchEvent(new Event("open")));
  }

  readonly send = (): void => undefined;

  close(): void {
    this.closes(1000, "");
  }

  closes(code: number, reason: string): void {
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
  }
}

test("log: a terminal's WebSocket each time it opens and closes, without its token", async () => {
  const attached = async (logLevel: "warn" | "debug") => {
    Line.all.length = 0;
    const WebSocket = Line as unknown as SocketConstructor;
    return entries([record], terminal, { logLevel, WebSocket, proxyUrl: "http://peer.invalid" });
  };
  const terminal = async (options: ClientOptions) => {
    const sandbox = await Sandbox.connect({ sandboxId: "box", ...options });
    const second = new Promise<void>((resolve) => (Line.made = resolve));
    const pty = await sandbox.connectPty("session", SECRET, { reattach: { maxDelayMs: 1 } });
    const exit = pty.wait();
    Line.all[0]?.closes(1006, SECRET);
    await second;
    await pty.connect();
    Line.all[1]?.closes(1000, "exit:5");
    equal(await exit, 5);
  };
  const request = { method: "GET", path: "/api/v1/pty/session/ws", durationMs: 0 };
  const broke = { ...request, level: "warn", closeCode: 1006 };
  const opened = { ...request, level: "debug", status: 101 };
  equal(await attached("debug"), [opened, broke, opened, { ...request, level: "debug", closeCode: 1000 }]);
  equal(await attached("warn"), [broke]);
});

test("log: output over a WebSocket, with the socket and each stream that it carries", async ({
  sandbox,
  apiKey,
}) => {
  const log: LogEntry[] = [];
  let closed!: () => void;
  const over = new Promise<void>((resolve) => (closed = resolve));
  const { sandboxUrl } = await sandbox.info();
  const other = await Sandbox.connect({
    sandboxId: sandbox.sandboxId,
    ...{ proxyUrl: sandboxUrl, apiKey, logLevel: "debug" },
    logger: (entry) => {
      log.push(entry);
      if (entry.closeCode !== undefined) closed();
    },
  });
  const { pid } = await other.startProcess("echo", { args: [SECRET] });
  const lines: string[] = [];
  for await (const { line } of other.followStdout(pid, { transport: "websocket" })) lines.push(line);
  equal(lines, [SECRET]);
  await over;
  const told = log.map(({ method, path, status, closeCode }) => {
    const [, route] = path.split("/api/v1/");
    return `${method} ${route} ${status ?? closeCode}`;
  });
  const [start, ...rest] = told;
  equal(start, "POST processes 201");
  equal(rest.slice(0, 2).sort(), [`GET channels 101`, `GET processes/${pid}/stdout/follow 200`].sort());
  equal(rest.slice(2), [`GET channels ${log.at(-1)?.closeCode}`]);
  equal(log.at(-1)?.level, "debug");
  ok(!JSON.stringify(log).includes(SECRET) && !JSON.stringify(log).includes(apiKey), "nothing secret");
});
