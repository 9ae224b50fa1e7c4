// What loads the package otherwise than by `import` in Node: `require`, test runners, compilers on the fly, programs in
// one file. Each runs a command on a local server.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type LocalServer, startLocal } from "shoreline/local";
import { build } from "vite";

const run = promisify(execFile);
/** The program of a package that is installed for these tests. */
const bin = (name: string, path: string) =>
  join(dirname(fileURLToPath(import.meta.resolve(`${name}/package.json`))), path);

let server: LocalServer;
let env: NodeJS.ProcessEnv;
before(async () => {
  server = await startLocal();
  env = { ...process.env, NO_COLOR: "1", TENSORLAKE_API_URL: server.url, TENSORLAKE_API_KEY: server.apiKey };
  // Of this test's own runner.
  delete env.NODE_TEST_CONTEXT;
});
after(() => server.close());

/** A project with these files. */
function project(name: string, files: Record<string, string>): string {
  const root = join(process.cwd(), "target", "packed", "loaded", name);
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(root, file), text);
  return root;
}

const BODY = `
  const sandbox = await Sandbox.create();
  const { stdout } = await sandbox.run("echo", { args: ["hello"] });
  await sandbox.terminate();`;
const COMMON = '{ "type": "commonjs", "private": true }';

test("`require` in Node that cannot require modules", async () => {
  const cwd = project("require", {
    "package.json": COMMON,
    "main.js": `
      const { Sandbox, ShorelineError } = require("shoreline");
      const { startLocal } = require("shoreline/local");
      require("shoreline/relay");
      (async () => {
        await using(await startLocal(), async ({ url, apiKey }) => {
          await Sandbox.connect("nobody", { apiUrl: url, apiKey }).catch((error) =>
            console.log(error instanceof ShorelineError, error.code));
        });
        ${BODY}
        console.log(stdout);
      })();
      async function using(server, work) { try { await work(server); } finally { await server.close(); } }`,
  });
  const { stdout } = await run(process.execPath, ["--no-experimental-require-module", "main.js"], {
    cwd,
    env,
  });
  assert.equal(stdout, "true sandbox_not_found\nhello\n");
});

test("Jest, with its defaults", async () => {
  const cwd = project("jest", {
    "package.json": COMMON,
    "hello.test.js": `
      const { Sandbox } = require("shoreline");
      test("it runs", async () => {${BODY}
        expect(stdout).toBe("hello");
      });`,
  });
  const { stderr } = await run(process.execPath, [bin("jest", "bin/jest.js"), "--no-watchman"], { cwd, env });
  assert.match(stderr, /Tests: +1 passed, 1 total/);
});

test("Vitest, with its defaults", async () => {
  const cwd = project("vitest", {
    "package.json": '{ "type": "module", "private": true }',
    "hello.test.js": `
      import { Sandbox } from "shoreline";
      import { expect, test } from "vitest";
      test("it runs", async () => {${BODY}
        expect(stdout).toBe("hello");
      });`,
  });
  const { stdout } = await run(process.execPath, [bin("vitest", "vitest.mjs"), "run"], { cwd, env });
  assert.match(stdout, /Tests +1 passed \(1\)/);
});

test("tsx, as a module and as CommonJS", async () => {
  const main = `
    import { Sandbox, type CommandResult } from "shoreline";
    async function main(): Promise<CommandResult["stdout"]> {${BODY}
      return stdout;
    }
    main().then((stdout) => console.log(stdout));`;
  for (const type of ["module", "commonjs"]) {
    const cwd = project(`tsx-${type}`, { "package.json": JSON.stringify({ type }), "main.ts": main });
    const { stdout } = await run(process.execPath, [bin("tsx", "dist/cli.mjs"), "main.ts"], { cwd, env });
    assert.equal(stdout, "hello\n", type);
  }
});

test("Vite for servers, the package bundled", async () => {
  const root = project("vite-ssr", {
    "package.json": '{ "type": "module", "private": true }',
    "main.js": `import { Sandbox } from "shoreline";${BODY}\nconsole.log(stdout);`,
  });
  await build({
    root,
    configFile: false,
    logLevel: "warn",
    resolve: { alias: { shoreline: "shoreline/inline" } },
    ssr: { noExternal: true },
    build: { ssr: "main.js", outDir: "dist" },
  });
  const { stdout } = await run(process.execPath, [join("dist", "main.js")], { cwd: root, env });
  assert.equal(stdout, "hello\n");
});
