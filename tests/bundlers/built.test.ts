// What bundlers make of the packed package: each project runs a command from a page in Chromium.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import resolve from "@rollup/plugin-node-resolve";
import { rollup } from "rollup";
import { startLocal } from "shoreline/local";
import { build, createServer } from "vite";
import webpack, { type Stats } from "webpack";
import { serveFiles } from "../helpers/static.js";
import { addressOf, title } from "./page.js";

const guide = readFileSync("docs/runtimes.md", "utf8");

/** The code block of the guide that is of this language and has `part` in it. */
function shown(language: string, part: string): string {
  const blocks = guide.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, "gm"));
  const found = Array.from(blocks, ([, code = ""]) => code).find((code) => code.includes(part));
  assert.ok(found !== undefined, `the guide shows ${part}`);
  return found;
}

/** A project that imports the package, in a directory of its own; its program may be changed. */
function project(name: string, change = (program: string) => program): { root: string; dist: string } {
  const root = join(process.cwd(), "target", "packed", "bundled", name);
  cpSync(join("tests", "bundlers", "app"), root, { recursive: true });
  const program = join(root, "main.js");
  writeFileSync(program, change(readFileSync(program, "utf8")));
  const dist = join(root, "dist");
  mkdirSync(dist);
  copyFileSync(join(root, "index.html"), join(dist, "index.html"));
  return { root, dist };
}

/** What the page in `dist` says at the end. */
async function opened(dist: string): Promise<string> {
  const files = await serveFiles(pathToFileURL(`${dist}/`), {});
  try {
    return await title(`${files.origin}/index.html`);
  } finally {
    await files.close();
  }
}

test("Vite builds it", async () => {
  const { root, dist } = project("vite");
  await build({ root, configFile: false, logLevel: "warn", base: "./", build: { outDir: dist } });
  assert.equal(await opened(dist), "hello");
});

test("Vite serves it", async () => {
  const { root } = project("vite-server");
  const server = await createServer({
    root,
    configFile: false,
    logLevel: "warn",
    server: { host: "127.0.0.1", port: 0 },
  });
  try {
    await server.listen();
    assert.equal(await title(server.resolvedUrls?.local[0] ?? ""), "hello");
  } finally {
    await server.close();
  }
});

test("webpack", async () => {
  const { root, dist } = project("webpack");
  const stats = await new Promise<Stats | undefined>((done, failed) => {
    webpack(
      { mode: "production", context: root, entry: "./main.js", output: { path: dist } },
      (error, made) => {
        if (error) failed(error);
        else done(made);
      },
    );
  });
  assert.ok(!stats?.hasErrors() && !stats?.hasWarnings(), String(stats));
  assert.equal(await opened(dist), "hello");
});

test("Rollup, with the module as text", async () => {
  const { root, dist } = project("rollup", (program) => program.replace('"shoreline"', '"shoreline/inline"'));
  const bundle = await rollup({ input: join(root, "main.js"), plugins: [resolve({ browser: true })] });
  await bundle.write({ dir: dist, format: "es" });
  assert.equal(await opened(dist), "hello");
});

/** Runs esbuild with the flags that the guide shows. */
function esbuild(root: string, command: string): void {
  const [program, ...args] = command.trim().split(" ");
  assert.equal(program, "esbuild");
  const path = join(process.cwd(), "node_modules", "esbuild", "bin", "esbuild");
  execFileSync(path, [...args, "--log-level=warning"], { cwd: root, stdio: "inherit" });
}

test("esbuild, with the module as text", async () => {
  const { root, dist } = project("esbuild");
  esbuild(root, shown("sh", "--alias:shoreline=shoreline/inline"));
  assert.equal(await opened(dist), "hello");
});

test("esbuild, with the module as a file", async () => {
  const given = shown("js", "useModule");
  const { root, dist } = project("esbuild-file", (program) => program.replace(/^import .*\n/, given));
  const [, flag = ""] = /(--loader:\S+)/.exec(given) ?? [];
  esbuild(root, `esbuild main.js --bundle --format=esm --outdir=dist ${flag}`);
  assert.equal(await opened(dist), "hello");
});

test("esbuild without either: the error says what to import", async () => {
  const { root, dist } = project("lost");
  esbuild(root, "esbuild main.js --bundle --format=esm --outdir=dist");
  assert.match(await opened(dist), /core could not be loaded: .*import "shoreline\/inline"/);
});

/** The page's program, for a command line. */
const inTerminal = (program: string) =>
  program
    .replace("location.hash.slice(1)", "process.argv[2]")
    .replace("document.title = stdout", "console.log(stdout)");

/** Runs a program that is in one file, where nothing but that file is. */
async function runsAlone(program: string): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "shoreline-"));
  renameSync(program, join(directory, "main"));
  await using server = await startLocal();
  const address = new URLSearchParams(addressOf(server)).toString();
  try {
    const out = execFileSync(join(directory, "main"), [address], { cwd: directory, encoding: "utf8" });
    assert.equal(out, "hello\n");
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("Bun: a program in one file", async () => {
  const { root, dist } = project("bun", inTerminal);
  const bun = fileURLToPath(import.meta.resolve("@oven/bun-linux-x64/bin/bun"));
  execFileSync(bun, ["build", "--compile", "main.js", "--outfile", join(dist, "main")], { cwd: root });
  await runsAlone(join(dist, "main"));
});

test("Node: a single executable application", async () => {
  const { root } = project("sea", inTerminal);
  const [bundle = "", configure = "", make = ""] = shown("sh", "--build-sea").split("\n");
  esbuild(root, bundle);
  execFileSync("sh", ["-c", configure], { cwd: root });
  const node = fileURLToPath(import.meta.resolve("node26/bin/node"));
  const [command, ...args] = make.split(" #")[0]?.trim().split(" ") ?? [];
  assert.equal(command, "node");
  execFileSync(node, args, { cwd: root });
  await runsAlone(join(root, "main"));
});
