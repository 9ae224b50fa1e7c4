// Spans of requests and commands, as OpenTelemetry's own SDK exports them.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { type Attributes, context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { type ClientOptions, Sandbox } from "shoreline";
import { type LocalServer, startLocal } from "shoreline/local";
import { openTelemetry } from "shoreline/opentelemetry";
import { refusingPort } from "../helpers/loopback.js";

const SECRET = "hunter2-hunter2";

const exporter = new InMemorySpanExporter();
trace.setGlobalTracerProvider(
  new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
);
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
const tracer = trace.getTracer("test");

let server: LocalServer;
let client: ClientOptions;
let sandbox: Sandbox;
/** The `traceparent` of each request. */
let sent: (string | null)[] = [];

before(async () => {
  server = await startLocal();
  const seen = (input: string, init?: RequestInit) => {
    sent.push(new Headers(init?.headers).get("traceparent"));
    // As an instrumentation of `fetch` would, whose span would be the second one.
    tracer.startSpan("instrumented").end();
    return fetch(input, init);
  };
  client = { apiUrl: server.url, apiKey: server.apiKey, tracer: openTelemetry(), fetch: seen };
  sandbox = await Sandbox.create(client);
});
after(async () => {
  await sandbox.terminate();
  await server.close();
});
beforeEach(() => {
  exporter.reset();
  sent = [];
});

/** Does `work` in a span of the program's own. */
function within<T>(name: string, work: () => Promise<T>): Promise<T> {
  return tracer.startActiveSpan(name, async (span) => {
    try {
      return await work();
    } finally {
      span.end();
    }
  });
}

const spans = () => exporter.getFinishedSpans();
const idOf = (span: ReadableSpan | undefined) => span?.spanContext().spanId;
const below = (parent: ReadableSpan | undefined) =>
  spans().filter((span) => span.parentSpanContext?.spanId === idOf(parent));
const requests = () => spans().filter(({ name }) => /^[A-Z]+$/.test(name));

function named(name: string): ReadableSpan {
  const [span, ...more] = spans().filter((each) => each.name === name);
  assert.ok(
    span && more.length === 0,
    `one span ${name} of ${spans()
      .map((each) => each.name)
      .join()}`,
  );
  return span;
}

/** What a span says, without where the server is. */
function told({ kind, attributes, status }: ReadableSpan): {
  kind: SpanKind;
  attributes: Attributes;
  status: SpanStatusCode;
} {
  return { kind, attributes, status: status.code };
}

/** Everything that was exported, as text. */
const text = () =>
  JSON.stringify(
    spans().map(({ name, attributes, status, events, links, resource }) => [
      ...[name, attributes, status, events, links],
      resource.attributes,
    ]),
  );

test("a run is a span below the caller's, and its requests are spans below it, with nothing secret", async () => {
  await within("job", async () => {
    const args = ["-c", `echo ${SECRET}; echo ${SECRET} >&2; echo $SECRET`];
    const { stdout } = await sandbox.run("/bin/sh", { args, env: { SECRET } });
    assert.equal(stdout, `${SECRET}\n${SECRET}`);
    await sandbox.writeFile(`${SECRET}/file`, SECRET);
    await sandbox.readFile(`${SECRET}/file`);
    await sandbox.fs.stat(`${SECRET}/file`);
    assert.equal((await sandbox.fs.glob("*/file").next()).value, `${SECRET}/file`);
  });
  const command = named("sh");
  assert.equal(command.parentSpanContext?.spanId, idOf(named("job")));
  const pid = command.attributes["process.pid"];
  assert.ok(typeof pid === "number" && pid > 0);
  assert.deepEqual(told(command), {
    kind: SpanKind.CLIENT,
    attributes: {
      "process.executable.name": "sh",
      "shoreline.sandbox.id": sandbox.sandboxId,
      "process.pid": pid,
      "process.exit.code": 0,
    },
    status: SpanStatusCode.UNSET,
  });
  const [run, ...more] = below(command);
  assert.ok(run && more.length === 0);
  const { hostname, port } = new URL(server.url);
  assert.deepEqual(told(run), {
    kind: SpanKind.CLIENT,
    attributes: {
      "http.request.method": "POST",
      "url.full": `${server.url}/s/${sandbox.sandboxId}/api/v1/processes/run`,
      "server.address": hostname,
      "server.port": Number(port),
      "http.response.status_code": 200,
    },
    status: SpanStatusCode.UNSET,
  });
  assert.deepEqual(
    below(named("job")).map(({ name }) => name),
    ["sh", "PUT", "GET", "GET", "GET"],
  );
  assert.ok(!spans().some(({ name }) => name === "instrumented"));
  // Each request has carried its own span.
  const { traceId } = command.spanContext();
  assert.deepEqual(
    sent,
    requests().map((span) => `00-${traceId}-${idOf(span)}-01`),
  );
  assert.ok(!text().includes(SECRET) && !text().includes(server.apiKey), text());
});

test("calls at the same time are below the spans that they were made in", async () => {
  const names = Array.from({ length: 10 }, (_, i) => `job ${i}`);
  await Promise.all(
    names.map((name, i) =>
      within(name, async () => {
        const run = sandbox.run("sleep", { args: ["0"] });
        await Promise.all([run, sandbox.health(), sandbox.getProcess(100_000 + i).catch(() => undefined)]);
      }),
    ),
  );
  for (const [i, name] of names.entries()) {
    const own = below(named(name));
    const urls = own.map(({ attributes }) => String(attributes["url.full"] ?? "").replace(/.*\/v1/, ""));
    assert.deepEqual(urls.sort(), ["", "/health", `/processes/${100_000 + i}`].sort(), name);
    const [run, ...more] = below(own.find((span) => span.name === "sleep"));
    assert.ok(run && more.length === 0, name);
  }
});

test("a command that fails is a failed span, by a code and not by a message", async () => {
  await sandbox.run("sh", { args: ["-c", `echo ${SECRET} >&2; exit 3`] });
  await assert.rejects(sandbox.run(`/no/${SECRET}/program`, { args: [SECRET] }), { code: "not_found" });
  await assert.rejects(sandbox.run("kill", { args: [] as never, timeout: -1 }), { code: "invalid_argument" });
  const failure = (name: string) => {
    const { attributes, status } = named(name);
    return [attributes["process.exit.code"], attributes["error.type"], status];
  };
  const status = { code: SpanStatusCode.ERROR };
  assert.deepEqual(failure("sh"), [3, "command_failed", status]);
  assert.deepEqual(failure("program"), [undefined, "not_found", status]);
  assert.deepEqual(failure("kill"), [undefined, "invalid_argument", status]);
  assert.equal(below(named("kill")).length, 0);
  const [refused] = below(named("program"));
  assert.deepEqual([refused?.attributes["error.type"], refused?.status], ["404", status]);
  const { port, release } = await refusingPort();
  const gone = { ...client, apiUrl: `http://127.0.0.1:${port}`, fetch: undefined, maxRetries: 0 };
  exporter.reset();
  await assert.rejects(Sandbox.list(gone), { code: "connect_failed" });
  release();
  assert.deepEqual(told(named("GET")).attributes["error.type"], "TypeError");
  assert.ok(!text().includes(SECRET), text());
});

test("a line of shell that was taken for a program is named by its first word", async () => {
  await assert.rejects(sandbox.run(`/bin/ls --password ${SECRET}`), { code: "not_found" });
  assert.deepEqual(named("ls").attributes["process.executable.name"], "ls");
  assert.ok(!text().includes(SECRET), text());
});

test("a command that is iterated, and one that is left", async () => {
  const lines: string[] = [];
  for await (const { line } of sandbox.run("seq", { args: ["3"] })) lines.push(line);
  assert.equal(lines.length, 3);
  assert.equal(named("seq").attributes["process.exit.code"], 0);
  for await (const { line } of sandbox.run("sh", { args: ["-c", "echo a; exec sleep 1000"] })) {
    assert.equal(line, "a");
    break;
  }
  assert.equal(named("sh").attributes["error.type"], "aborted");
});

test("what an aborted run still sends is below it", async () => {
  const leave = new AbortController();
  let killed!: () => void;
  const kill = new Promise<void>((resolve) => (killed = resolve));
  const fetched = async (input: string, init?: RequestInit) => {
    const answer = await fetch(input, init);
    if (init?.method === "DELETE") killed();
    return answer;
  };
  const other = await Sandbox.connect(sandbox.sandboxId, { ...client, fetch: fetched });
  const run = other.run("sleep", { args: ["1000"], signal: leave.signal });
  const left = assert.rejects(run, { code: "aborted" });
  leave.abort();
  await Promise.all([left, kill]);
  assert.deepEqual(
    below(named("sleep")).map(({ name }) => name),
    ["POST", "DELETE"],
  );
});

test("a process that is started and followed, through a connection that breaks", async () => {
  let follows = 0;
  const breaking = async (input: string, init?: RequestInit) => {
    const answer = await fetch(input, init);
    if (!input.includes("/follow") || follows++ > 0 || !answer.body) return answer;
    const reader = answer.body.getReader();
    const first = await reader.read();
    await reader.cancel();
    return new Response(first.value, answer);
  };
  const other = await Sandbox.connect(sandbox.sandboxId, { ...client, fetch: breaking });
  exporter.reset();
  await within("job", async () => {
    const { pid } = await other.startProcess("sh", { args: ["-c", "echo a; sleep 0.3; echo b"] });
    const seen: string[] = [];
    for await (const { line } of other.followOutput(pid)) seen.push(line);
    assert.deepEqual(seen, ["a", "b"]);
    assert.equal(named("sh").attributes["process.pid"], pid);
    assert.equal(named("follow").attributes["process.pid"], pid);
  });
  assert.deepEqual(
    below(named("job")).map(({ name }) => name),
    ["sh", "follow"],
  );
  const follow = below(named("follow"));
  assert.ok(follow.length >= 2 && follow.every(({ name }) => name === "GET"));
  exporter.reset();
  for await (const { line } of other.followOutput((await other.startProcess("yes")).pid)) {
    assert.equal(line, "y");
    break;
  }
  assert.deepEqual([named("follow").status.code, named("yes").status.code], [0, 0]);
});

test("calls without a sandbox, and requests to a port of one, are spans below the caller's", async () => {
  await within("job", () => Sandbox.list(client));
  await within("other", async () => {
    await assert.rejects(sandbox.fetch(1, "/?query"), { code: "connect_failed" });
  });
  const urls = (name: string) => below(named(name)).map(({ attributes }) => attributes["url.full"]);
  const all = `${server.url}/v1/namespaces/default/sandboxes`;
  assert.deepEqual(urls("job"), [all]);
  assert.equal(urls("other")[0], `${all}/${sandbox.sandboxId}`);
});

test("a tracer that is none is refused", async () => {
  await assert.rejects(Sandbox.list({ ...client, tracer: {} as never }), { code: "invalid_argument" });
});

test("without @opentelemetry/api the package works, and its entry for it says what is missing", () => {
  const folder = mkdtempSync(join(tmpdir(), "shoreline-"));
  try {
    const own = join(createRequire(import.meta.url).resolve("shoreline/package.json"), "..");
    cpSync(own, join(folder, "node_modules", "shoreline"), { recursive: true });
    const program = `
      import { Sandbox } from "shoreline";
      import { createRequire } from "node:module";
      const require = createRequire(process.cwd() + "/x");
      const reach = { proxyUrl: "http://a.invalid", apiKey: "key", fetch: async () => Response.json({ healthy: true }) };
      const sandbox = await Sandbox.connect({ sandboxId: "a", ...reach });
      console.log((await sandbox.health()).healthy);
      await import("shoreline/opentelemetry").catch(({ message }) => console.log(message.includes("@opentelemetry/api")));
      try { require("shoreline/opentelemetry"); } catch ({ message }) { console.log(message.includes("@opentelemetry/api")); }`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module"], {
      cwd: folder,
      input: program,
      encoding: "utf8",
    });
    assert.deepEqual([stdout, stderr], ["true\ntrue\ntrue\n", ""]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("`require` gives it too", () => {
  const required = createRequire(import.meta.url)("shoreline/opentelemetry") as {
    openTelemetry: typeof openTelemetry;
  };
  assert.equal(typeof required.openTelemetry().fetch, "function");
});
