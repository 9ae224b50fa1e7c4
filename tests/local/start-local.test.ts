// `startLocal`: a server that starts, ends with its handle and with its parent, and says why it cannot start.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, type TestContext } from "node:test";
import { inspect } from "node:util";
import { Sandbox, ShorelineError, UsageError } from "shoreline";
import { LocalServerError, startLocal } from "shoreline/local";
import { eventually, mark, marked, test, waiting } from "../helpers/processes.js";

const directory = mkdtempSync(join(tmpdir(), "shoreline-test-"));
after(() => {
  rmSync(directory, { recursive: true });
});

/** A program that is a shell script. */
function program(name: string, script: string): string {
  const path = join(directory, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

async function fails(options: Parameters<typeof startLocal>[0], code: string): Promise<LocalServerError> {
  const error: unknown = await startLocal(options).catch((thrown: unknown) => thrown);
  assert.ok(error instanceof LocalServerError, inspect(error));
  assert.ok(error instanceof ShorelineError);
  assert.equal(error.code, code);
  return error;
}

test("close ends the server and every process that it started", async (t) => {
  const server = await startLocal();
  const sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
  const text = mark(t);
  await sandbox.startProcess("sh", { args: waiting(text) });
  await eventually("the process runs", () => marked(text).length === 1);
  await server.close();
  assert.deepEqual(marked(text), []);
  await assert.rejects(fetch(server.url));
  await server.close();
});

test("disposing closes", async () => {
  const server = await startLocal();
  await server[Symbol.asyncDispose]();
  await assert.rejects(fetch(server.url));
});

test("the network of sandboxes is chosen", async () => {
  for (const network of ["", "none", 1, null]) {
    const error: unknown = await startLocal({ network: network as "own" }).catch((thrown: unknown) => thrown);
    assert.equal((error as ShorelineError).code, "invalid_argument", inspect(error));
  }
  const server = await startLocal({ network: "host" });
  try {
    const sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
    assert.equal((await sandbox.info()).network?.allowInternetAccess ?? true, true);
  } finally {
    await server.close();
  }
});

test("the isolation that is asked for is in force, or the server does not start", async () => {
  for (const isolation of ["auto", "required", "none"] as const) {
    const server = await startLocal({ isolation });
    try {
      const sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
      const { isolation: said } = await sandbox.daemonInfo();
      assert.equal(server.isolation, said);
      assert.equal(isolation === "none", server.isolation === "none");
    } finally {
      await server.close();
    }
  }
  // @ts-expect-error: no such level
  await assert.rejects(startLocal({ isolation: "strict" }), UsageError);
});

test("without isolation, `required` does not start, and `auto` warns", async () => {
  // No bubblewrap, and a program that has no Landlock either: it says so as the server does.
  const binary = program(
    "unisolated",
    'for a; do [ "$a" != required ] || { echo "Landlock does not work here" >&2; exit 1; }; done; echo \'{"url":"http://127.0.0.1:1","apiKey":"key","isolation":"none"}\'; cat >/dev/null',
  );
  const error = await fails({ binary, isolation: "required" }, "unavailable");
  assert.match(error.stderr, /Landlock does not work here/);
  const script = `
    import { startLocal } from "shoreline/local";
    for (const isolation of ["auto", "none"]) await (await startLocal({ binary: ${JSON.stringify(binary)}, isolation })).close();`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], { cwd: packed });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  assert.deepEqual(await once(child, "close"), [0, null]);
  assert.match(said, /^shoreline: sandboxes are not isolated, .*\n$/);
});

test("two servers have different addresses and keys", async () => {
  const [one, two] = await Promise.all([startLocal(), startLocal()]);
  try {
    assert.notEqual(one.url, two.url);
    assert.notEqual(one.apiKey, two.apiKey);
    const error = await Sandbox.list({ apiUrl: one.url, apiKey: two.apiKey }).catch((e: unknown) => e);
    assert.equal((error as ShorelineError).code, "authentication");
  } finally {
    await Promise.all([one.close(), two.close()]);
  }
});

test("printing a server does not print its key", async () => {
  const server = await startLocal();
  try {
    assert.ok(server.apiKey.length >= 16);
    assert.ok(!inspect(server, { depth: 9, showHidden: true }).includes(server.apiKey));
    assert.ok(!JSON.stringify(server).includes(server.apiKey));
  } finally {
    await server.close();
  }
});

test("an origin that is allowed may call the server, others may not", async () => {
  const server = await startLocal({ allowOrigins: ["http://page.example"] });
  const preflight = async (origin: string) => {
    const headers = { Origin: origin, "Access-Control-Request-Method": "POST" };
    const answer = await fetch(`${server.url}/sandboxes`, { method: "OPTIONS", headers });
    return answer.headers.get("access-control-allow-origin");
  };
  try {
    assert.equal(await preflight("http://page.example"), "http://page.example");
    assert.equal(await preflight("http://other.example"), null);
  } finally {
    await server.close();
  }
});

test("sandboxes see what is mounted, and a mount that is not possible is reported", async () => {
  const data = join(directory, "-a: data");
  mkdirSync(data);
  writeFileSync(join(data, "text"), "of the host");
  const error: unknown = await startLocal({ mounts: [`${data}/missing:/data`] }).catch((e: unknown) => e);
  assert.ok(error instanceof LocalServerError && error.code === "unavailable", inspect(error));
  // Without isolation, nothing can be mounted.
  if (error.message.includes("--mount needs isolation")) return;
  assert.match(error.message, /--mount .*missing:\/data: HOST: No such file or directory/);
  await using server = await startLocal({ mounts: [`${data}:/data`] });
  const sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
  assert.equal((await sandbox.run("cat", { args: ["/data/text"] })).stdout, "of the host");
  assert.notEqual((await sandbox.run("touch", { args: ["/data/new"] })).exitCode, 0);
});

/** Where the packed package can be imported. */
const packed = join(process.cwd(), "target", "packed");

/** A process that starts a server, and in a sandbox of it a process with a mark, then does `then`. */
async function parent(
  t: TestContext,
  then: string,
): Promise<{ text: string; url: string; child: ChildProcess; lines: AsyncIterator<string> }> {
  const text = mark(t);
  const script = `
    import { Sandbox } from "shoreline";
    import { startLocal } from "shoreline/local";
    const server = await startLocal();
    const sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
    await sandbox.startProcess("sh", { args: JSON.parse(process.env.WAITING) });
    console.log(server.url);
    ${then}`;
  const args = ["--input-type=module", "--eval", script];
  const child = spawn(process.execPath, args, {
    cwd: packed,
    // Not in its arguments, where the mark would be found.
    env: { ...process.env, WAITING: JSON.stringify(waiting(text)) },
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  t.after(() => child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { text, url: (await lines.next()).value as string, child, lines };
}

async function allEnded(url: string, text: string): Promise<void> {
  await eventually("the process has ended", () => marked(text).length === 0);
  await eventually("the server has ended", () =>
    fetch(url).then(
      () => false,
      () => true,
    ),
  );
}

test("the handle does not keep its process running, and the server ends with it", async (t) => {
  const { text, url, child } = await parent(t, "");
  assert.deepEqual(await once(child, "exit"), [0, null]);
  await allEnded(url, text);
});

for (const signal of ["SIGKILL", "SIGINT"] as const) {
  test(`the server ends when its parent is ended by ${signal}`, async (t) => {
    const { text, url, child } = await parent(t, "setInterval(() => {}, 1000);");
    await eventually("the process runs", () => marked(text).length === 1);
    child.kill(signal);
    assert.deepEqual(await once(child, "exit"), [null, signal]);
    await allEnded(url, text);
  });
}

test("Ctrl-C reaches the parent, not the server", async (t) => {
  const { text, url, child, lines } = await parent(
    t,
    `
    process.once("SIGINT", async () => console.log((await sandbox.health()).healthy));
    process.kill(0, "SIGINT");
    setInterval(() => {}, 1000);`,
  );
  assert.deepEqual(await lines.next(), { done: false, value: "true" });
  child.kill();
  await allEnded(url, text);
});

test("a program that is not there", async () => {
  const error = await fails({ binary: join(directory, "nothing") }, "missing_capability");
  assert.match(error.message, /nothing.*`binary`/);
  assert.equal((error.cause as NodeJS.ErrnoException).code, "ENOENT");
});

test("a file that is no program", async () => {
  const path = join(directory, "text");
  writeFileSync(path, "text");
  const error = await fails({ binary: path }, "missing_capability");
  assert.match(error.message, /does not run on linux/);
});

test("a program that ends at once: the error has what it said", async () => {
  const binary = program("ends", "echo 'no port for you' >&2; exit 3");
  const error = await fails({ binary }, "unavailable");
  assert.equal(error.stderr, "no port for you\n");
  assert.match(error.message, /exit code 3.*no port for you/s);
});

test("a program that says a lot: the error has the end of it", async () => {
  const binary = program("says", "seq 100000 >&2; exit 1");
  const error = await fails({ binary }, "unavailable");
  assert.ok(error.stderr.length <= 4096);
  assert.match(error.stderr, /\n100000\n$/);
});

test("a program that says something else", async () => {
  const binary = program("else", "echo hello; exec sleep 1000");
  await fails({ binary }, "unavailable");
});

test("a program that is not ready in time is ended", async () => {
  const binary = program("slow", "echo 'still warming up' >&2; while :; do sleep 1; done");
  const error = await fails({ binary, startupTimeout: 3 }, "start_timeout");
  assert.match(error.message, /after 3 s.*still warming up/s);
  await eventually("it was ended", () => marked(binary).length === 0);
});

test("wrong options are told before anything is started", async () => {
  const wrong: unknown[] = [
    "x",
    [],
    { binary: "" },
    { binary: 1 },
    { binary: "a\0b" },
    { allowOrigins: "http://a.example" },
    { allowOrigins: ["a.example"] },
    { allowOrigins: ["http://a.example/path"] },
    { mounts: "/a:/b" },
    { mounts: ["/a"] },
    { mounts: ["/a\0:/b"] },
    { mounts: [1] },
    { startupTimeout: 0 },
    { startupTimeout: NaN },
    { startupTimeout: "1" },
  ];
  for (const options of wrong) {
    const error: unknown = await startLocal(options as never).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof UsageError, inspect(options));
    assert.equal(error.code, "invalid_argument");
  }
});
