// The packages as npm's users get them: installed from their tarballs into an empty project.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const packed = join(process.cwd(), "target", "packed");
const PROGRAM = `
import { Sandbox } from "shoreline";
import { startLocal } from "shoreline/local";
await startLocal().then(
  async (server) => {
    const sandbox = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
    console.log((await sandbox.run("echo", { args: ["hello"] })).stdout);
    await server.close();
  },
  (error) => console.log(error.code, error.message),
);`;

/** What the program prints in a project that these were installed into. */
function printed(tarballs: string[], env: Record<string, string> = {}): string {
  const project = mkdtempSync(join(tmpdir(), "shoreline-test-"));
  try {
    writeFileSync(join(project, "package.json"), '{ "type": "module", "private": true }');
    const install = ["install", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
    const files = tarballs.map((name) => join(packed, name));
    execFileSync("npm", [...install, ...files], { cwd: project, stdio: "pipe", timeout: 600_000 });
    writeFileSync(join(project, "main.js"), PROGRAM);
    const { stdout, stderr } = spawnSync(process.execPath, ["main.js"], {
      cwd: project,
      env: { ...process.env, ...env },
      encoding: "utf8",
      timeout: 300_000,
    });
    assert.equal(stderr, "");
    return stdout;
  } finally {
    rmSync(project, { recursive: true });
  }
}

test("both tarballs in an empty project: the local server starts there", () => {
  assert.equal(printed(["shoreline.tgz", `local-${process.platform}-${process.arch}.tgz`]), "hello\n");
});

test("without the machine's package: the error names it, and what to do", () => {
  const said = printed(["shoreline.tgz"]);
  assert.match(said, /^missing_capability .*@shoreline\/local-linux-x64 is not installed.*--omit=optional/);
});

test("the program that the environment names is taken first", () => {
  const env = { SHORELINE_LOCAL_BINARY: "/nowhere/shoreline-local" };
  const said = printed(["shoreline.tgz", `local-${process.platform}-${process.arch}.tgz`], env);
  assert.match(said, /^missing_capability .*there is no \/nowhere\/shoreline-local/);
});

test("the program needs no library of the machine", () => {
  const program = join(packed, "node_modules", "@shoreline", "local-linux-x64", "bin", "shoreline-local");
  // One that does names what loads it: the ELF segment PT_INTERP.
  const elf = readFileSync(program);
  const [at, size, count] = [Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(54), elf.readUInt16LE(56)];
  const types = Array.from({ length: count }, (_, i) => elf.readUInt32LE(at + i * size));
  assert.ok(types.includes(1) && !types.includes(3), types.join());
});
