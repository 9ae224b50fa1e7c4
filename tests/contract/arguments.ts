// What a caller can do wrong: each is told as a typed error before anything is sent.
import { Sandbox, UsageError } from "shoreline";
import { equal, ok, recorder, rejects, sandboxOf, test } from "./harness.js";

type Bad = [what: string, call: (sandbox: Sandbox) => PromiseLike<unknown> | AsyncIterable<unknown>];

/** For values that TypeScript would refuse. */
const any = (value: unknown): never => value as never;

const detached = new ArrayBuffer(1);
structuredClone(detached, { transfer: [detached] });

const bad: Bad[] = [
  ["run: an empty command", (s) => s.run("")],
  ["run: a command that is no string", (s) => s.run(any(["ls"]))],
  ["run: a NUL in the command", (s) => s.run("a\0b")],
  ["run: a NUL in an argument", (s) => s.run("ls", { args: ["a\0b"] })],
  ["run: an argument that is no string", (s) => s.run("ls", { args: [any(1)] })],
  ["run: arguments that are no array", (s) => s.run("ls", { args: any("-l") })],
  ["run: an array for options", (s) => s.run("ls", any(["-l"]))],
  ["run: text for options", (s) => s.run("ls", any("-l"))],
  ["run: a NUL in a variable", (s) => s.run("ls", { env: { A: "b\0c" } })],
  ["run: a NUL in a variable's name", (s) => s.run("ls", { env: { "A\0": "b" } })],
  ["run: an = in a variable's name", (s) => s.run("ls", { env: { "A=B": "c" } })],
  ["run: a variable without a name", (s) => s.run("ls", { env: { "": "c" } })],
  ["run: a variable that is no string", (s) => s.run("ls", { env: { A: any(1) } })],
  ["run: a variable that is null", (s) => s.run("ls", { env: { A: any(null) } })],
  ["run: a NUL in the directory", (s) => s.run("ls", { workingDir: "/\0" })],
  ["run: a negative timeout", (s) => s.run("ls", { timeout: -1 })],
  ["run: a timeout of 0", (s) => s.run("ls", { timeout: 0 })],
  ["run: a timeout that is not a number", (s) => s.run("ls", { timeout: NaN })],
  ["run: a timeout that is text", (s) => s.run("ls", { timeout: any("10") })],
  ["run: a timeout without an end", (s) => s.run("ls", { timeout: Infinity })],
  ["run: a limit of output below 0", (s) => s.run("ls", { maxOutputBytes: -1 })],
  ["run: an onAbort that there is not", (s) => s.run("ls", { onAbort: any("wait") })],
  ["followOutput: an end that there is not", (s) => outcome(s.followOutput(1, { until: any("later") }))],
  ["run: a longLine that there is not", (s) => s.run("ls", { longLine: any("wrap") })],
  ["run: a handler that is no function", (s) => s.run("ls", { onStdout: any("print") })],
  ["run: an onReconnect that is no function", (s) => s.run("ls", { onReconnect: any({}) })],
  ["run: a signal that is none", (s) => s.run("ls", { signal: any({}) })],
  ["run: a signal by number", (s) => s.run("ls", { signal: any(15) })],
  ["start: an empty command", (s) => s.startProcess("")],
  ["start: a NUL in an argument", (s) => s.startProcess("ls", { args: ["a\0b"] })],
  ["start: an argument that is no string", (s) => s.startProcess("ls", { args: [any(null)] })],
  ["start: an array for options", (s) => s.startProcess("ls", any(["-l"]))],
  ["start: an empty name", (s) => s.startProcess("ls", { name: "" })],
  ["start: a name with a /", (s) => s.startProcess("ls", { name: "a/b" })],
  ["start: a name of digits", (s) => s.startProcess("ls", { name: "42" })],
  ["start: a stdinMode that there is not", (s) => s.startProcess("ls", { stdinMode: any("open") })],
  ["start: an outputMode that there is not", (s) => s.startProcess("ls", { stdoutMode: any("tee") })],
  ["get: no process", (s) => s.getProcess(any(undefined))],
  ["get: a negative pid", (s) => s.getProcess(-1)],
  ["get: a pid with a fraction", (s) => s.getProcess(1.5)],
  ["get: a pid that is not a number", (s) => s.getProcess(NaN)],
  ["get: an empty name", (s) => s.getProcess("")],
  ["get: a name with a /", (s) => s.getProcess("../1")],
  ["kill: an object", (s) => s.killProcess(any({ pid: 1 }))],
  ["restart: an empty name", (s) => s.restartProcess("")],
  ["signal: a name that there is not", (s) => s.sendSignal(1, any("SIGNONE"))],
  ["signal: a name without SIG", (s) => s.sendSignal(1, any("TERM"))],
  ["signal: a name in small letters", (s) => s.sendSignal(1, any("sigterm"))],
  ["signal: digits for a number", (s) => s.sendSignal(1, any("15"))],
  ["signal: 0", (s) => s.sendSignal(1, 0)],
  ["signal: 32", (s) => s.sendSignal(1, 32)],
  ["signal: a big integer", (s) => s.sendSignal(1, any(15n))],
  ["signal: a symbol", (s) => s.sendSignal(1, any(Symbol("TERM")))],
  ["stdin: no data", (s) => s.writeStdin(1, any(undefined))],
  ["stdin: a number", (s) => s.writeStdin(1, any(1))],
  ["stdin: an array of numbers", (s) => s.writeStdin(1, any([1, 2]))],
  ["stdin: a detached buffer", (s) => s.writeStdin(1, detached)],
  ["stdin: no process", (s) => s.writeStdin(any(null), "x")],
  ["close stdin: no process", (s) => s.closeStdin(any(true))],
  ["stdout: no process", (s) => s.getStdout(any(Symbol("x")))],
  ["stderr: no process", (s) => s.getStderr(any(1n))],
  ["output: no process", (s) => s.getOutput(any([]))],
  ["follow: no process", (s) => s.followOutput(any(undefined))],
  ["follow: an empty name", (s) => s.followStdout("")],
  ["follow: options that are text", (s) => s.followStderr(1, any("x"))],
  ["follow: a negative idleTimeout", (s) => s.followOutput(1, { idleTimeout: -1 })],
  ["follow: a limit of lines of 0", (s) => s.followOutput(1, { maxLineBytes: 0 })],
  ["follow: a cursor that is none", (s) => s.followOutput(1, { after: { counts: [-1] } })],
  ["follow: an onReconnect that is no function", (s) => s.followOutput(1, { onReconnect: any(1) })],
  ["follow: a signal that is none", (s) => s.followOutput(1, { signal: any("x") })],
  ["health: a signal that is none", (s) => s.health({ signal: any({}) })],
  ["health: options that are text", (s) => s.health(any("x"))],
  ["info: an array for options", (s) => s.info(any([]))],
];

for (const [what, call] of bad) {
  test(`wrong, so not sent: ${what}`, async () => {
    const { sandbox, sent } = await sandboxOf(() => Promise.reject(new Error("sent")));
    const error = await rejects(outcome(call(sandbox)), "invalid_argument");
    ok(error instanceof UsageError, "it is a UsageError");
    equal([error.status, error.retryable], [undefined, false]);
    equal(sent, []);
  });
}

type Making = [
  what: string,
  code: "invalid_argument" | "invalid_url" | "missing_api_key",
  call: (to: To) => Promise<unknown>,
];
interface To {
  apiUrl: string;
  apiKey: string;
  fetch: typeof fetch;
}

const making: Making[] = [
  ["create: a name with capitals", "invalid_argument", (to) => Sandbox.create({ ...to, name: "My-Env" })],
  ["create: an empty name", "invalid_argument", (to) => Sandbox.create({ ...to, name: "" })],
  ["create: a name that ends in -", "invalid_argument", (to) => Sandbox.create({ ...to, name: "a-" })],
  [
    "create: a name of 64 characters",
    "invalid_argument",
    (to) => Sandbox.create({ ...to, name: "a".repeat(64) }),
  ],
  ["create: a name like an id", "invalid_argument", (to) => Sandbox.create({ ...to, name: "a".repeat(21) })],
  ["create: a name that is no string", "invalid_argument", (to) => Sandbox.create({ ...to, name: any(1) })],
  ["create: no processors", "invalid_argument", (to) => Sandbox.create({ ...to, cpus: 0 })],
  [
    "create: the management port exposed",
    "invalid_argument",
    (to) => Sandbox.create({ ...to, exposedPorts: [9501] }),
  ],
  [
    "create: an = in a variable's name",
    "invalid_argument",
    (to) => Sandbox.create({ ...to, env: { "A=B": "c" } }),
  ],
  [
    "create: a negative startupTimeout",
    "invalid_argument",
    (to) => Sandbox.create({ ...to, startupTimeout: -1 }),
  ],
  ["create: text for options", "invalid_argument", () => Sandbox.create(any("x"))],
  [
    "create: a fetch that is no function",
    "invalid_argument",
    (to) => Sandbox.create({ ...to, fetch: any("x") }),
  ],
  ["create: a key that is no string", "invalid_argument", (to) => Sandbox.create({ ...to, apiKey: any(1) })],
  ["create: a key with a line end", "invalid_argument", (to) => Sandbox.create({ ...to, apiKey: "key\n" })],
  ["create: a URL that is none", "invalid_url", (to) => Sandbox.create({ ...to, apiUrl: "localhost:8900" })],
  [
    "create: a URL that is not http",
    "invalid_url",
    (to) => Sandbox.create({ ...to, apiUrl: "ftp://a.example" }),
  ],
  [
    "create: a URL with credentials",
    "invalid_url",
    (to) => Sandbox.create({ ...to, apiUrl: "https://u:p@a.example" }),
  ],
  ["create: a URL that is no string", "invalid_argument", (to) => Sandbox.create({ ...to, apiUrl: any(1) })],
  ["create: no key for the cloud", "missing_api_key", ({ fetch }) => Sandbox.create({ fetch })],
  [
    "create: no key for another machine",
    "missing_api_key",
    ({ fetch }) => Sandbox.create({ apiUrl: "http://a.example", fetch }),
  ],
  ["connect: nothing", "invalid_argument", () => Sandbox.connect(any(undefined))],
  ["connect: a number", "invalid_argument", (to) => Sandbox.connect(any(1), to)],
  ["connect: options without an id", "invalid_argument", (to) => Sandbox.connect(any(to))],
  ["connect: an empty name", "invalid_argument", (to) => Sandbox.connect("", to)],
  ["connect: a name with a /", "invalid_argument", (to) => Sandbox.connect("a/b", to)],
  [
    "connect: a proxy URL that is not http",
    "invalid_url",
    (to) => Sandbox.connect({ ...to, sandboxId: "a", proxyUrl: "file:///x" }),
  ],
  ["connect: no key for the cloud", "missing_api_key", ({ fetch }) => Sandbox.connect("a", { fetch })],
  ["terminate: no id", "invalid_argument", (to) => Sandbox.terminate(any({}), to)],
  ["terminate: a bad name", "invalid_argument", (to) => Sandbox.terminate("a b", to)],
  ["list: a status that is no string", "invalid_argument", (to) => Sandbox.list({ ...to, status: any(1) })],
  ["list: a limit below 0", "invalid_argument", (to) => Sandbox.list({ ...to, limit: -1 })],
];

for (const [what, code, call] of making) {
  test(`wrong, so not sent: ${what}`, async () => {
    const { fetch, sent } = recorder(() => Promise.reject(new Error("sent")));
    const error = await rejects(call({ apiUrl: "http://peer.invalid", apiKey: "key", fetch }), code);
    ok(error instanceof UsageError, "it is a UsageError");
    ok(!error.message.includes("u:p"), "no secret is told");
    equal(sent, []);
  });
}

test("a signal that has been aborted: nothing is sent", async () => {
  const { sandbox, sent } = await sandboxOf(() => Promise.reject(new Error("sent")));
  const signal = AbortSignal.abort("before");
  const calls = [
    sandbox.run("ls", { signal }),
    outcome(sandbox.run("ls", { signal })[Symbol.asyncIterator]()),
    sandbox.startProcess("ls", { signal }),
    outcome(sandbox.followOutput(1, { signal })),
    sandbox.writeStdin(1, "x", { signal }),
    sandbox.health({ signal }),
  ];
  for (const call of calls) {
    const error = await rejects(call, "aborted");
    equal((error as { reason?: unknown }).reason, "before");
  }
  const { fetch, sent: made } = recorder(() => Promise.reject(new Error("sent")));
  await rejects(Sandbox.create({ apiUrl: "http://peer.invalid", apiKey: "key", fetch, signal }), "aborted");
  equal([...sent, ...made], []);
});

async function outcome(call: PromiseLike<unknown> | AsyncIterable<unknown>): Promise<unknown> {
  if ("then" in call) return call;
  for await (const event of call) return event;
  return undefined;
}
