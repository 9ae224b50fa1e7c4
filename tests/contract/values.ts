// Results, events, errors and sandboxes as values: they can be compared, spread, cloned and written as JSON.
import {
  AbortError,
  ApiError,
  CommandError,
  type OutputEvent,
  Sandbox,
  ShorelineError,
  UsageError,
} from "shoreline";
import { equal, ok, rejects, test } from "./harness.js";

test("an event's properties are its own", async ({ sandbox }) => {
  const events: OutputEvent[] = [];
  for await (const event of sandbox.run("printf", { args: ["a\\nb\\n\\377"] })) events.push(event);
  const [a, b, raw] = events;
  ok(a !== undefined && b !== undefined && raw !== undefined, "there are three events");
  const names = ["line", "partial", "stream", "text", "timeMs", "truncated"];
  equal(
    [a, b, raw].map((event) => Object.keys(event).sort()),
    [names, names, ["bytes", ...names].sort()],
  );
  equal(Object.assign({}, a), {
    line: "a",
    text: "a\n",
    stream: "stdout",
    timeMs: a.timeMs,
    truncated: false,
    partial: false,
  });
  equal(structuredClone(b), Object.assign({}, b));
  equal(Array.from(a.bytes), [97, 10]);
  equal([Array.from(raw.bytes), Array.from(structuredClone(raw).bytes)], [[255], [255]]);
  equal([a.timestamp?.getTime(), structuredClone(a).timeMs], [a.timeMs, a.timeMs]);
});

test("a result is about its text in JSON, and its bytes are made when they are read", async ({ sandbox }) => {
  const result = await sandbox.run("seq", { args: ["10000"] });
  const json = JSON.stringify(result);
  ok(json.length < result.stdout.length * 1.3, `${json.length} characters for ${result.stdout.length}`);
  const parsed = JSON.parse(json) as Record<string, unknown>;
  equal([parsed.stdout, parsed.exitCode, parsed.pid], [result.stdout, 0, result.pid]);
  equal(JSON.stringify({ ...result }), json);
  equal(structuredClone(result).stdout, result.stdout);
  equal([result.stdoutBytes.length, result.stderrBytes.length], [result.stdout.length + 1, 0]);
  const error = await rejects<CommandError>(sandbox.sh({ check: true })`seq 10000; exit 3`, "command_failed");
  ok(JSON.stringify(error).length < result.stdout.length * 1.3, "an error in JSON is about its text");
  equal(
    [error.exitCode, error.stdout, error.stdoutBytes.length],
    [3, result.stdout, result.stdout.length + 1],
  );
});

test("`is` of a class of errors is about that class", async ({ sandbox }) => {
  const missing = await rejects(sandbox.getProcess(4_000_000_000), "not_found");
  equal(
    [ShorelineError, ApiError, UsageError, AbortError].map((each) => each.is(missing)),
    [true, true, false, false],
  );
  // As an error of another copy of the package is.
  const foreign = Object.assign(Object.create(Error.prototype) as object, {
    name: "ApiError",
    [Symbol.for("shoreline.error")]: true,
  });
  equal(
    [ShorelineError, ApiError, UsageError].map((each) => each.is(foreign)),
    [true, true, false],
  );
  class Mine extends ApiError {}
  equal([Mine.is(missing), Mine.is(new Mine({ code: "server", message: "mine" }))], [false, true]);
  equal([missing, new Error("other"), undefined].filter(ShorelineError.is), [missing]);
  equal([missing.name, Object.keys(missing).includes("name")], ["ApiError", false]);
  // Not every engine's stack begins with the name.
  const [, shown = "ApiError"] = /^(\w+): /.exec(missing.stack ?? "") ?? [];
  equal(shown, "ApiError");
  equal(ApiError.is({ name: "ApiError" }), false);
});

test("a sandbox shows its id and its name, and no key", async ({ url, apiKey }) => {
  await using sandbox = await Sandbox.create({ apiUrl: url, apiKey, name: `shown-${Date.now()}` });
  const { sandboxId, name } = sandbox;
  equal(Object.assign({}, sandbox), { sandboxId, name });
  equal(JSON.stringify(sandbox), JSON.stringify({ sandboxId }));
  await sandbox.update({ name: `${name}-b` });
  equal(sandbox.name, `${name}-b`);
});
