// What a server, or something between it and us, can do wrong. The peer is played by `fetch`.
import { ApiError, ConnectionError, ProtocolError, Sandbox, type ShorelineError } from "shoreline";
import { equal, ok, rejects, sandboxOf, test } from "./harness.js";

const HTML = "<!doctype html><title>Sign in</title>";

export function answer(body: BodyInit | null, type?: string, status = 200): Response {
  return new Response(body, { status, headers: type === undefined ? {} : { "Content-Type": type } });
}

/** An event stream in these chunks; `cut` breaks it off after them. */
export function events(chunks: string[], { cut = false } = {}): Response {
  const encoder = new TextEncoder();
  const queue = [...chunks];
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = queue.shift();
      if (chunk !== undefined) controller.enqueue(encoder.encode(chunk));
      else if (cut) controller.error(new TypeError("terminated"));
      else controller.close();
    },
  });
  return answer(body, "text/event-stream");
}

export const line = (text: string, stream = "stdout") =>
  `data: ${JSON.stringify({ line: text, timestamp: 1765432100123, stream })}\n\n`;
export const STARTED = 'data: {"pid":42,"started_at":1765432100000}\n\n';
export const EXITED = 'data: {"exit_code":0}\n\n';
const EOF = "event: eof\ndata: {}\n\n";
const process = { pid: 42, status: "running", command: "ls", started_at: 1765432100000 };
export const once = { reconnect: { maxAttempts: 0 } };

async function linesOf(output: AsyncIterable<{ line: string }>): Promise<string[]> {
  const lines: string[] = [];
  for await (const event of output) lines.push(event.line);
  return lines;
}

test("a web page for an answer", async () => {
  const { sandbox } = await sandboxOf(() => Promise.resolve(answer(HTML, "text/html")));
  for (const call of [
    sandbox.health(),
    sandbox.getProcess(1),
    sandbox.listProcesses(),
    sandbox.startProcess("ls"),
  ]) {
    const error = await rejects(call, "invalid_response");
    ok(error instanceof ProtocolError, "it is a ProtocolError");
    ok(error.message.includes("text/html"), error.message);
  }
});

test("a web page for a stream", async () => {
  const { sandbox, sent } = await sandboxOf(() => Promise.resolve(answer(HTML, "text/html")));
  await rejects(sandbox.run("ls"), "unexpected_content_type");
  equal(sent.length, 1, "run is sent once");
  const error = await rejects(linesOf(sandbox.followOutput(1, once)), "unexpected_content_type");
  ok(error.message.includes("text/html"), error.message);
});

test("a web page for an error", async () => {
  const { sandbox } = await sandboxOf(() => Promise.resolve(answer(HTML.repeat(1000), "text/html", 403)));
  const error = await rejects(sandbox.health(), "permission");
  ok(error instanceof ApiError && error.status === 403, "it is an ApiError with the status");
  ok(error.message.length < 1000, `the page is not the message: ${String(error.message.length)} characters`);
});

test("an empty body where there should be JSON", async () => {
  const { sandbox } = await sandboxOf(() => Promise.resolve(answer(null, "application/json")));
  await rejects(sandbox.health(), "invalid_response");
  await rejects(sandbox.startProcess("ls"), "invalid_response");
  await rejects(sandbox.listProcesses(), "invalid_response");
});

test("an empty body for a stream", async () => {
  const { sandbox } = await sandboxOf(() => Promise.resolve(answer(null, "text/event-stream")));
  await rejects(sandbox.run("ls"), "stream_ended_without_exit");
  await rejects(linesOf(sandbox.followOutput(1, once)), "stream_broken");
});

test("JSON of another shape", async () => {
  for (const body of ["null", "1", "[]", '"text"', "true"]) {
    const { sandbox } = await sandboxOf(() => Promise.resolve(answer(body, "application/json")));
    for (const call of [
      sandbox.health(),
      sandbox.getProcess(1),
      sandbox.listProcesses(),
      sandbox.getOutput(1),
    ]) {
      await rejects(call, "invalid_response");
    }
  }
  const { sandbox } = await sandboxOf(() => Promise.resolve(answer("{}", "application/json")));
  await rejects(sandbox.listProcesses(), "invalid_response");
});

test("JSON without its content type is JSON", async () => {
  const { sandbox } = await sandboxOf(() => Promise.resolve(answer('{"healthy":true}')));
  equal(await sandbox.health(), { healthy: true });
});

test("unknown fields do no harm, and are included", async () => {
  const body = JSON.stringify({ ...process, new_field: { inner_field: 1 }, args: [] });
  const { sandbox } = await sandboxOf(() => Promise.resolve(answer(body, "application/json")));
  const info = await sandbox.getProcess(42);
  equal([info.pid, info.status, info.command], [42, "running", "ls"]);
  equal((info as unknown as { newField: unknown }).newField, { innerField: 1 });
});

test("a record always says whether the memory limit ended the process", async () => {
  const last = { exit_code: null, signal: 9, ended_at: 1765432100000 };
  for (const [more, expected] of [
    [{}, false],
    [{ oom_killed: null }, false],
    [{ oom_killed: true, status: "signaled" }, true],
    [{ status: "oom_killed" }, true],
  ] as const) {
    const record = { ...process, ...more, managed: { id: "web", last_exit: last } };
    const { sandbox } = await sandboxOf((input) =>
      Promise.resolve(
        answer(
          JSON.stringify((input as string).endsWith("/processes") ? { processes: [record] } : record),
          "application/json",
        ),
      ),
    );
    for (const info of [await sandbox.getProcess(42), ...(await sandbox.listProcesses())])
      equal([info.oomKilled, info.managed?.lastExit?.oomKilled], [expected, false], JSON.stringify(more));
  }
});

test("a stream with unknown events, fields, comments and odd line ends", async () => {
  const { sandbox } = await sandboxOf(() =>
    Promise.resolve(
      events([
        "\ufeff: hello\r\n\r\nretry: 10\r\n\r\n",
        STARTED.replaceAll("\n", "\r\n"),
        'event: weather\ndata: {"rain":true}\n\n',
        "data: not json\n\n".replace("not json", '{"type":"heartbeat"}'),
        'data: {"line":"a","stream":"stdout","timestamp":1765432100123,"colour":"red"}\r',
        "\r",
        'data: {"line":\ndata: "b"}\n\n',
        EXITED,
      ]),
    ),
  );
  const result = await sandbox.run("ls");
  equal([result.stdout, result.exitCode, result.pid], ["a\nb", 0, 42]);
});

test("an event that is cut at every byte is the same event", async () => {
  const stream = STARTED + line("é😀") + line("b", "stderr") + EXITED;
  const { sandbox } = await sandboxOf(() => Promise.resolve(bytewise(stream)));
  const result = await sandbox.run("ls");
  equal([result.stdout, result.stderr, result.exitCode], ["é😀", "b", 0]);
});

test("a known event of the wrong shape is an error that says so", async () => {
  const { sandbox } = await sandboxOf(() =>
    Promise.resolve(events([STARTED, 'data: {"line":5}\n\n', EXITED])),
  );
  await rejects(sandbox.run("ls"), "malformed_event");
});

test("a run that ends without an exit is no success", async () => {
  const { sandbox, sent } = await sandboxOf((url) =>
    Promise.resolve(
      (url as string).endsWith("/run") ? events([STARTED, line("a")]) : answer(null, "text/plain", 404),
    ),
  );
  const error = await rejects<ProtocolError>(sandbox.run("ls", once), "stream_ended_without_exit");
  equal([error.partial?.stdout, error.partial?.pid], ["a", 42]);
  equal(sent.filter((request) => request.method === "POST").length, 1, "it was sent once");
});

test("a run whose stream is cut before the start: it is unknown whether it ran", async () => {
  const { sandbox, sent } = await sandboxOf(() => Promise.resolve(events([], { cut: true })));
  const error = await rejects(sandbox.run("ls"), "run_outcome_unknown");
  ok(error instanceof ConnectionError, "it is a ConnectionError");
  equal(sent.length, 1, "it was sent once");
});

test("a run whose stream is cut goes on by pid, with the same result", async () => {
  const follow = [line("a"), line("b"), line("c", "stderr"), EOF].map((event) =>
    event.startsWith("data") ? `event: output\n${event}` : event,
  );
  const { sandbox, sent } = await sandboxOf((input) => {
    const url = input as string;
    if (url.endsWith("/run")) return Promise.resolve(events([STARTED, line("a")], { cut: true }));
    if (url.endsWith("/follow")) return Promise.resolve(events(follow));
    const ended = { ...process, status: "exited", exit_code: 3 };
    const lines = url.endsWith("/stdout") ? ["a", "b"] : url.endsWith("/stderr") ? ["c"] : undefined;
    const told = lines ? { pid: 42, lines, line_count: lines.length } : ended;
    return Promise.resolve(answer(JSON.stringify(told), "application/json"));
  });
  const result = await sandbox.run("ls");
  equal([result.stdout, result.stderr, result.exitCode], ["a\nb", "c", 3]);
  equal(sent.filter((request) => request.method === "POST").length, 1, "it was sent once");
});

test("a follow that is cut is resumed, without a line lost or doubled", async () => {
  let connections = 0;
  const all = ["a", "b", "c"].map((text, i) => `id: ${String(i + 1)}\nevent: output\n${line(text)}`);
  const { sandbox } = await sandboxOf((_, init) => {
    const last = Number(new Headers(init?.headers).get("Last-Event-ID") ?? 0);
    const rest = all.slice(last, last + 1);
    connections++;
    return Promise.resolve(last < 2 ? events(rest, { cut: true }) : events([...rest, EOF]));
  });
  equal(await linesOf(sandbox.followOutput(42)), ["a", "b", "c"]);
  equal(connections, 3);
});

test("a follow that ends without eof is no end", async () => {
  const { sandbox } = await sandboxOf(() => Promise.resolve(events([`event: output\n${line("a")}`])));
  const lines: string[] = [];
  const loop = async () => {
    for await (const event of sandbox.followOutput(42, once)) lines.push(event.line);
  };
  const error = await rejects<ConnectionError>(loop(), "stream_broken");
  equal([lines, error.partial?.events], [["a"], 1]);
});

test("a line over the limit is an error, or cut and marked", async () => {
  const stream = () => Promise.resolve(events([`id: 1\nevent: output\n${line("x".repeat(100))}`, EOF]));
  const { sandbox } = await sandboxOf(stream);
  await rejects(linesOf(sandbox.followOutput(42, { maxLineBytes: 10 })), "line_too_long");
  for await (const event of sandbox.followOutput(42, { maxLineBytes: 10, longLine: "cut" })) {
    equal([event.line, event.truncated], ["x".repeat(10), true]);
  }
});

test("timestamps of 0 are unknown", async () => {
  const stream = `id: 1\nevent: output\ndata: {"line":"a","timestamp":0}\n\n${EOF}`;
  const { sandbox } = await sandboxOf(() => Promise.resolve(events([stream])));
  for await (const event of sandbox.followStdout(42))
    equal([event.timestamp, event.stream], [undefined, undefined]);
});

test("error answers become classes with code, status and the server's words", async () => {
  const errors: [number, string, ShorelineError["code"], boolean][] = [
    [400, '{"error":"no such signal"}', "invalid_request", false],
    [401, '{"error":"bad key"}', "authentication", false],
    [403, '{"error":"not yours","code":"DENIED"}', "permission", false],
    [404, '{"error":"Process 1 not found","code":"NOT_FOUND"}', "not_found", false],
    [409, '{"error":"busy"}', "conflict", false],
    [413, "length limit exceeded", "payload_too_large", false],
    [422, "missing field `command`", "invalid_request", false],
    [429, '{"message":"slow down"}', "rate_limited", true],
    [500, '{"error":{"message":"inner"}}', "server", false],
    [502, "Bad gateway", "gateway", true],
    [503, '{"error":"Sandbox is suspended","code":"SANDBOX_NOT_RUNNING"}', "unavailable", true],
  ];
  for (const [status, body, code, retryable] of errors) {
    const type = body.startsWith("{") ? "application/json" : "text/plain";
    const { sandbox } = await sandboxOf(() => Promise.resolve(answer(body, type, status)), { maxRetries: 0 });
    const error = await rejects(sandbox.getProcess(1), code);
    ok(error instanceof ApiError, "it is an ApiError");
    equal([error.status, error.retryable], [status, retryable], String(status));
    const words = /"(?:error|message)":"([^"]+)"/.exec(body)?.[1] ?? body;
    ok(error.message.includes(words), `${String(status)}: ${error.message}`);
    equal(error.serverCode, /"code":"(\w+)"/.exec(body)?.[1]);
  }
});

test("what may have been carried out is not to be repeated blindly", async () => {
  const { sandbox } = await sandboxOf(() => Promise.resolve(answer("Bad gateway", "text/plain", 502)));
  equal((await rejects(sandbox.startProcess("ls"), "gateway")).retryable, false);
  const busy = await sandboxOf(() => Promise.resolve(answer("busy", "text/plain", 503)));
  equal((await rejects(busy.sandbox.startProcess("ls"), "unavailable")).retryable, true);
});

test("a redirect is not followed", async () => {
  const redirect = new Response(null, { status: 302, headers: { Location: "http://elsewhere.invalid" } });
  const { sandbox, sent } = await sandboxOf(() => Promise.resolve(redirect));
  await rejects(sandbox.health(), "invalid_response");
  equal(sent.length, 1);
});

test("a fetch that fails is a ConnectionError with its cause", async () => {
  const cause = new TypeError("fetch failed");
  const { sandbox } = await sandboxOf(() => Promise.reject(cause));
  const error = await rejects(sandbox.startProcess("ls"), "connection_lost");
  ok(error instanceof ConnectionError && error.cause === cause, "the cause is there");
  const refused = Object.assign(new TypeError("fetch failed"), { cause: { code: "ECONNREFUSED" } });
  const other = await sandboxOf(() => Promise.reject(refused));
  await rejects(other.sandbox.startProcess("ls"), "connect_failed");
});

test("what is safe to repeat is repeated, a start is not", async () => {
  const { sandbox, sent } = await sandboxOf((_, init) =>
    Promise.resolve(
      sent.length < 3 || init?.method === "POST"
        ? answer("busy", "text/plain", 503)
        : answer('{"healthy":true}', "application/json"),
    ),
  );
  equal(await sandbox.health(), { healthy: true });
  equal(sent.length, 3);
  await rejects(sandbox.startProcess("ls"), "unavailable");
  await rejects(sandbox.run("ls"), "unavailable");
  equal(sent.length, 5, "each was sent once");
});

test("a list is read to its last page", async () => {
  const pages: Record<string, unknown> = {
    "": { sandboxes: [{ id: "a", status: "running" }], next_cursor: "x y" },
    "x y": { sandboxes: [{ sandbox_id: "b", status: "Running" }], next_cursor: null },
  };
  const asked: string[] = [];
  const fetch = (input: unknown) => {
    const cursor = new URL(input as string).searchParams.get("cursor") ?? "";
    asked.push(cursor);
    return Promise.resolve(answer(JSON.stringify(pages[cursor]), "application/json"));
  };
  const all = await Sandbox.list({ apiUrl: "http://peer.invalid", apiKey: "key", fetch });
  equal(
    all.map((one) => [one.sandboxId, one.status]),
    [
      ["a", "running"],
      ["b", "running"],
    ],
  );
  equal(asked, ["", "x y"]);
});

test("a run that broke goes on by pid to the mark of its exit", async () => {
  const mark = 'event: exit\ndata: {"exit_code":5,"output_open":true,"line_count":2}\n\n';
  const { sandbox, sent } = await sandboxOf((_, init) => {
    if (init?.method === "POST") return Promise.resolve(events([STARTED, line("a")], { cut: true }));
    const later = [line("a"), line("b"), mark + line("late"), line("later")];
    return Promise.resolve(events(later.map((text) => `event: output\n${text}`)));
  });
  const { stdout, exitCode, outputOpen } = await sandbox.run("ls");
  equal([stdout, exitCode, outputOpen], ["a\nb", 5, true]);
  equal(sent.length, 2, "neither the record nor the count is asked for");
});

test("the key is sent as a bearer token, and in nothing else", async () => {
  const requests: [string, Headers][] = [];
  const { sandbox } = await sandboxOf((url, init) => {
    requests.push([url as string, new Headers(init?.headers)]);
    return Promise.resolve(answer('{"healthy":true}', "application/json"));
  });
  await sandbox.health();
  const [url, headers] = requests[0] as [string, Headers];
  equal(headers.get("Authorization"), "Bearer key");
  equal(headers.get("X-Tensorlake-Sandbox-Id"), "peer-under-control");
  equal(url, "http://peer.invalid/api/v1/health");
});

function bytewise(stream: string): Response {
  const bytes = new TextEncoder().encode(stream);
  let at = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at === bytes.length) controller.close();
      else controller.enqueue(bytes.subarray(at, ++at));
    },
  });
  return answer(body, "text/event-stream");
}
