// The example of a relay, as it is, in the runtimes that it is for: a client, a page and a terminal go through it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { Sandbox, ShorelineError } from "shoreline";
import { type LocalServer, startLocal } from "shoreline/local";
import { createRelay } from "shoreline/relay";
import { serveFiles } from "../helpers/static.js";
import { launchChromium, TIMEOUT } from "../helpers/chromium.js";

const directory = join(process.cwd(), "target", "packed", "relaying");
const binaries = join(process.cwd(), "target", "node_modules");
const SECRET = "a secret of at least 32 characters";
let server: LocalServer;
let sandbox: Sandbox;
let env: Record<string, string>;

before(async () => {
  server = await startLocal();
  sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
  env = {
    TENSORLAKE_API_KEY: server.apiKey,
    PAGE_KEY: "page",
    SANDBOX: sandbox.sandboxId,
    SANDBOX_URL: `${server.url}/s/${sandbox.sandboxId}`,
    TOKEN_SECRET: SECRET,
  };
  mkdirSync(directory, { recursive: true });
  await build({
    entryPoints: { worker: "examples/relay/worker.ts", serve: "tests/relaying/serve.js" },
    outdir: directory,
    format: "esm",
    target: "es2022",
  });
  await build({
    entryPoints: [join(directory, "worker.js")],
    outfile: join(directory, "workerd.js"),
    bundle: true,
    format: "esm",
    conditions: ["workerd"],
  });
});
after(() => server.close());

/** Serves the example, for as long as `use` takes. */
type Serve = (use: (origin: string) => Promise<void>) => Promise<void>;

const inWorkerd: Serve = async (use) => {
  const worker = new Miniflare({
    modules: true,
    scriptPath: join(directory, "workerd.js"),
    compatibilityDate: "2026-07-21",
    bindings: env,
  });
  try {
    await use((await worker.ready).origin);
  } finally {
    await worker.dispose();
  }
};

const inProgram =
  (command: string, args: string[]): Serve =>
  async (use) => {
    const child = spawn(join(binaries, command), [...args, join(directory, "serve.js")], {
      env: { ...process.env, RELAY: JSON.stringify(env) },
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const [port] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
      await use(`http://127.0.0.1:${port}`);
    } finally {
      child.kill();
      await once(child, "exit");
    }
  };

const runtimes: [name: string, serve: Serve][] = [
  ["workerd", inWorkerd],
  [
    "Deno",
    inProgram("@deno/linux-x64-glibc/deno", [
      "run",
      "--no-prompt",
      "--allow-net",
      "--allow-read",
      "--allow-env",
    ]),
  ],
  ["Bun", inProgram("@oven/bun-linux-x64/bin/bun", ["run"])],
];

for (const [name, serve] of runtimes) {
  const connect = (origin: string, apiKey = "page") =>
    Sandbox.connect({
      sandboxId: sandbox.sandboxId,
      proxyUrl: `${origin}/sandboxes/${sandbox.sandboxId}`,
      apiKey,
    });

  test(`${name}: a command, and output as it comes`, () =>
    serve(async (origin) => {
      const mine = await connect(origin);
      assert.equal((await mine.run("echo", { args: ["hello"] })).stdout, "hello");
      const { pid } = await mine.startProcess("sh", { args: ["-c", "echo a; exec sleep 1000"] });
      // It would not come from a relay that waits for the end.
      for await (const { line } of mine.followOutput(pid)) {
        assert.equal(line, "a");
        break;
      }
      await mine.killProcess(pid);
      const other = await connect(origin, "other");
      await assert.rejects(
        other.listProcesses(),
        (error) => ShorelineError.is(error) && error.status === 403,
      );
      await assert.rejects(mine.readFile("/etc/passwd"), /granted/);
    }));

  test(`${name}: a terminal`, () =>
    serve(async (origin) => {
      const mine = await connect(origin);
      let screen = "";
      const pty = await mine.createPty({
        command: "sh",
        args: ["-c", "read line; echo got $line; exit 7"],
        onData: (data) => {
          screen += new TextDecoder().decode(data);
        },
      });
      await pty.sendInput("typed\n");
      assert.equal(await pty.wait(), 7);
      assert.match(screen, /got typed/);
      // Who has no right to it is refused before the sandbox is asked.
      const other = await connect(origin, "other");
      await assert.rejects(other.connectPty(pty.sessionId, pty.token), (error) => ShorelineError.is(error));
    }));

  test(`${name}: output over a WebSocket`, () =>
    serve(async (origin) => {
      const mine = await connect(origin);
      const { pid } = await mine.startProcess("sh", { args: ["-c", "echo a; echo b >&2; exit 3"] });
      const lines: string[] = [];
      const read = async () => {
        for await (const { line } of mine.followOutput(pid, {
          transport: "websocket",
          reconnect: { maxAttempts: 0 },
        }))
          lines.push(line);
      };
      await read();
      assert.deepEqual(lines.sort(), ["a", "b"]);
    }));
}

test("a page's EventSource, by a token in the path", async () => {
  const relay = createRelay({
    apiKey: server.apiKey,
    sandboxUrl: () => env.SANDBOX_URL ?? "",
    authorize: () => null,
    tokenSecret: SECRET,
  });
  const token = await relay.token({ sandboxId: sandbox.sandboxId, allow: ["output"], seconds: 300 });
  const { pid } = await sandbox.startProcess("sh", { args: ["-c", "for i in 1 2 3; do echo $i; done"] });
  const files = await serveFiles(pathToFileURL(`${process.cwd()}/target/packed/`), {
    "/page.html": { html: "<!doctype html><title>page</title>" },
  });
  env.PAGE = files.origin;
  await inWorkerd(async (origin) => {
    const browser = await launchChromium();
    try {
      const page = await browser.newPage();
      page.setDefaultTimeout(TIMEOUT);
      await page.goto(`${files.origin}/page.html`);
      const given = {
        core: `${files.origin}/node_modules/shoreline/pkg/entry/browser.js`,
        sandboxId: sandbox.sandboxId,
        proxyUrl: `${origin}/sandboxes/${sandbox.sandboxId}/token/${token}`,
        pid,
      };
      const lines = await page.evaluate(async ({ core, pid, ...place }) => {
        const { Sandbox } = (await import(core)) as typeof import("shoreline");
        const mine = await Sandbox.connect(place);
        const seen: string[] = [];
        for await (const { line } of mine.followOutput(pid, { transport: "eventsource" })) seen.push(line);
        return seen;
      }, given);
      assert.deepEqual(lines, ["1", "2", "3"]);
    } finally {
      await browser.close();
    }
  });
  await files.close();
});
