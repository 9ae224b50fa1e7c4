// The TypeScript in the documentation compiles against the packed package, and runs on a local server.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { Sandbox } from "shoreline";
import { type LocalServer, startLocal } from "shoreline/local";
import ts from "typescript";
import { unusedPort } from "../helpers/loopback.js";

const directory = join(process.cwd(), "target", "packed", "examples");
mkdirSync(directory, { recursive: true });

interface Example {
  name: string;
  path: string;
  code: string;
  /** Whether it is run: not where it is marked `no_run`, which reaches what is not here. */
  runs: boolean;
}

/** What an example may use without having made it. */
const GIVEN = `
declare const sandbox: import("shoreline").Sandbox;
declare const server: import("shoreline/local").LocalServer;
`;

/** The same for one that is run. */
const GIVING = `
import { Sandbox } from "shoreline";
const { TENSORLAKE_API_URL: url, TENSORLAKE_API_KEY: apiKey, SANDBOX } = process.env;
globalThis.server = { url, apiKey };
globalThis.sandbox = await Sandbox.connect(SANDBOX);
`;

function examplesOf(document: string): Example[] {
  let heading = "";
  let runs = true;
  let code: string[] | undefined;
  const found: Example[] = [];
  for (const line of readFileSync(document, "utf8").split("\n")) {
    if (code && line.startsWith("```")) {
      const path = join(directory, `${basename(document, ".md")}-${found.length + 1}.ts`);
      const text = [...code, "export {};", ""].join("\n");
      writeFileSync(path, text);
      found.push({ name: `${document}, example ${found.length + 1}: ${heading}`, path, code: text, runs });
      code = undefined;
    } else if (code) code.push(line);
    else if (/^```(ts|typescript)\b/.test(line)) {
      code = [];
      runs = !line.includes("no_run");
    } else if (line.startsWith("#")) heading = line.replace(/^#+ /, "");
  }
  return found;
}

const documents = ["README.md", ...readdirSync("docs").map((name) => join("docs", name))];
const examples = documents.filter((path) => path.endsWith(".md") && existsSync(path)).flatMap(examplesOf);
const given = join(directory, "given.d.ts");
writeFileSync(given, GIVEN);
const giving = join(directory, "given.mjs");
writeFileSync(giving, GIVING);

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  lib: ["lib.es2022.d.ts", "lib.esnext.disposable.d.ts", "lib.dom.d.ts"],
  module: ts.ModuleKind.NodeNext,
  types: ["node"],
  strict: true,
  noEmit: true,
};
const program = ts.createProgram([given, ...examples.map(({ path }) => path)], options);

let server: LocalServer;
before(async () => {
  server = await startLocal();
});
after(() => server.close());

test("the README has examples", () => {
  assert.ok(examples.some(({ name }) => name.startsWith("README.md")));
});

for (const { name, path, code } of examples) {
  test(`${name}: compiles`, () => {
    const problems = ts.getPreEmitDiagnostics(program, program.getSourceFile(path));
    const told = problems.map((problem) => ts.flattenDiagnosticMessageText(problem.messageText, "\n"));
    assert.deepEqual(told, [], code);
  });
}

for (const { name, path, code } of examples.filter(({ runs }) => runs)) {
  test(`${name}: runs`, { timeout: 300_000 }, async () => {
    const compiled = path.replace(/\.ts$/, ".mjs");
    const compilerOptions = { ...options, module: ts.ModuleKind.ES2022, noEmit: false };
    // A port that an example names may be another program's on this machine.
    const ports = [await unusedPort(), await unusedPort(), await unusedPort()];
    const runnable = code.replace(/\b800([0-2])\b/g, (_, which) => String(ports[Number(which)]));
    writeFileSync(compiled, ts.transpileModule(runnable, { compilerOptions }).outputText);
    const { url, apiKey } = server;
    // The one that examples speak of by its name.
    const sandbox = await Sandbox.create({ apiUrl: url, apiKey, name: "my-env" });
    try {
      const { stdout, stderr, status } = await ended(compiled, {
        TENSORLAKE_API_URL: url,
        TENSORLAKE_API_KEY: apiKey,
        SANDBOX: sandbox.sandboxId,
      });
      assert.deepEqual(status, [0, null], `${code}\n${stderr}`);
      // What it says that it prints, in this order.
      let from = 0;
      for (const [, said = ""] of code.matchAll(/\/\/ prints: (.*)/g)) {
        const at = stdout.indexOf(said, from);
        assert.ok(at >= 0, `it prints ${JSON.stringify(said)}; it printed ${JSON.stringify(stdout)}`);
        from = at + said.length;
      }
    } finally {
      await sandbox.terminate();
    }
  });
}

/** Runs a program until it ends by itself, in the directory of the examples. */
async function ended(
  path: string,
  env: Record<string, string>,
): Promise<{ stdout: string; stderr: string; status: [number | null, string | null] }> {
  const child = spawn(process.execPath, ["--import", pathToFileURL(giving).href, path], {
    cwd: directory,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  try {
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        said[name] += text;
      });
    }
    const status = (await once(child, "close")) as [number | null, string | null];
    return { ...said, status };
  } finally {
    child.kill("SIGKILL");
  }
}
