import { EventSource } from "eventsource";
import { Sandbox } from "shoreline";
import {
  givesEveryLine,
  type Context,
  equal,
  ok,
  recorder,
  rejects,
  type Sent,
  sha256,
  test,
} from "./harness.js";
import { MANY_LINES } from "./run.js";

const transport = "eventsource";

/** Where there is none, the EventSource of this suite has something to hand over all the same. */
class Message extends Event {
  readonly data: unknown;
  readonly lastEventId: string;

  constructor(type: string, init: { data?: unknown; lastEventId?: string } = {}) {
    super(type);
    this.data = init.data;
    this.lastEventId = init.lastEventId ?? "";
  }
}
(globalThis as { MessageEvent?: unknown }).MessageEvent ??= Message;

/** Whether a message can have an id at all; in workerd it cannot, and events are counted. */
const numbered = () => new MessageEvent("x", { lastEventId: "7" }).lastEventId === "7";

/** A sandbox behind an address that needs no key, as a page has it behind a relay. */
async function keyless({
  sandbox,
  apiKey,
}: Context): Promise<{ sandbox: Sandbox; sent: Sent[]; open: Set<EventSource> }> {
  const withKey: typeof fetch = (input, init) => {
    const headers = new Headers(init?.headers);
    headers.set("Authorization", `Bearer ${apiKey}`);
    return fetch(input, { ...init, headers });
  };
  const { fetch: noted, sent } = recorder(withKey);
  const open = new Set<EventSource>();
  class Source extends EventSource {
    constructor(url: string | URL) {
      super(url, { fetch: (input, init) => noted(String(input), { ...init, headers: { ...init.headers } }) });
      open.add(this);
    }

    override close(): void {
      super.close();
      open.delete(this);
    }
  }
  const { sandboxUrl } = await sandbox.info();
  ok(sandboxUrl !== undefined, "the server says where the sandbox is");
  const options = { fetch: noted, EventSource: Source as never };
  const { sandboxId } = sandbox;
  return { sandbox: await Sandbox.connect({ sandboxId, proxyUrl: sandboxUrl, ...options }), sent, open };
}

async function closed(open: Set<EventSource>): Promise<void> {
  while (open.size > 0) await new Promise((resolve) => setTimeout(resolve, 10));
}

test("an EventSource gives every line of both streams, and their bytes", async (context) => {
  const { sandbox, open } = await keyless(context);
  await givesEveryLine(sandbox, transport);
  // The server closes at the end, which is seen a little later.
  await closed(open);
});

test("an EventSource gives unfinished lines too", async (context) => {
  const { sandbox, open } = await keyless(context);
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
  await closed(open);
});

test("200,000 lines through an EventSource and a reader that is slow have the SHA-256 of what was written", async (context) => {
  const { sandbox, sent, open } = await keyless(context);
  const { pid } = await sandbox.startProcess("sh", { args: ["-c", MANY_LINES] });
  const hash = (await context.sandbox.run("sh", { args: ["-c", `${MANY_LINES} | sha256sum`] })).stdout.slice(
    0,
    64,
  );
  const lines: string[] = [];
  for await (const events of sandbox.followStdout(pid, { transport }).batches()) {
    for (const { line } of events) lines.push(line);
    // It has no back-pressure: it is closed, and resumed.
    if (lines.length < 50_000) await closed(open);
  }
  equal(await sha256(`${lines.join("\n")}\n`), hash);
  const follows = sent.filter(({ url }) => url.includes("/follow"));
  ok(follows.length > 1, "it was closed");
  ok(
    !numbered() || follows.slice(1).every(({ url }) => /\?last_event_id=\d+$/.test(url)),
    `it goes on after the last event: ${follows.map(({ url }) => url).join(" ")}`,
  );
});

test("leaving a loop over an EventSource closes it, and so does an abort", async (context) => {
  const { sandbox, open } = await keyless(context);
  const { pid } = await sandbox.startProcess("sh", { args: ["-c", "echo a; exec sleep 1000"] });
  for await (const event of sandbox.followOutput(pid, { transport })) {
    equal(event.line, "a");
    break;
  }
  equal(open.size, 0, "sources that are open");
  const abort = new AbortController();
  const events = sandbox.followOutput(pid, { transport, signal: abort.signal });
  await events.next();
  equal(open.size, 1, "sources that are open");
  const next = rejects(events.next(), "aborted");
  abort.abort();
  await next;
  equal(open.size, 0, "sources that are open");
  await sandbox.killProcess(pid);
});

test("what an EventSource cannot do is an error that says so, and what the server says too", async (context) => {
  const { sandbox } = await keyless(context);
  await rejects(sandbox.followOutput(4_000_000, { transport }).next(), "not_found");
  await rejects(context.sandbox.followOutput(1, { transport: "smoke" as never }).next(), "invalid_argument");
  const { url, apiKey } = context;
  const { sandboxId } = context.sandbox;
  const withKey = await Sandbox.connect(sandboxId, {
    apiUrl: url,
    apiKey,
    EventSource: EventSource,
  });
  const error = await rejects(withKey.followOutput(1, { transport }).next(), "missing_capability");
  ok(error.message.includes("apiKey"), error.message);
});
