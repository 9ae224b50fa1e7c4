// The TypeScript in the documentation compiles against the packed package.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import ts from "typescript";

const directory = join(process.cwd(), "target", "packed", "examples");
mkdirSync(directory, { recursive: true });

interface Example {
  name: string;
  path: string;
}

/** What an example may use without having made it. */
const GIVEN = `
declare const sandbox: import("shoreline").Sandbox;
declare const server: import("shoreline/local").LocalServer;
`;

function examplesOf(document: string): Example[] {
  let heading = "";
  let code: string[] | undefined;
  const found: Example[] = [];
  for (const line of readFileSync(document, "utf8").split("\n")) {
    if (code && line.startsWith("```")) {
      const path = join(directory, `${basename(document, ".md")}-${found.length + 1}.ts`);
      writeFileSync(path, [...code, "export {};", ""].join("\n"));
      found.push({ name: `${document}, example ${found.length + 1}: ${heading}`, path });
      code = undefined;
    } else if (code) code.push(line);
    else if (/^```(ts|typescript)\b/.test(line)) code = [];
    else if (line.startsWith("#")) heading = line.replace(/^#+ /, "");
  }
  return found;
}

const documents = ["README.md", ...readdirSync("docs").map((name) => join("docs", name))];
const examples = documents.filter((path) => path.endsWith(".md") && existsSync(path)).flatMap(examplesOf);
const given = join(directory, "given.d.ts");
writeFileSync(given, GIVEN);

const program = ts.createProgram([given, ...examples.map(({ path }) => path)], {
  target: ts.ScriptTarget.ES2022,
  lib: ["lib.es2022.d.ts", "lib.esnext.disposable.d.ts", "lib.dom.d.ts"],
  module: ts.ModuleKind.NodeNext,
  types: ["node"],
  strict: true,
  noEmit: true,
});

test("the README has examples", () => {
  assert.ok(examples.some(({ name }) => name.startsWith("README.md")));
});

for (const { name, path } of examples) {
  test(name, () => {
    const problems = ts.getPreEmitDiagnostics(program, program.getSourceFile(path));
    const told = problems.map((problem) => ts.flattenDiagnosticMessageText(problem.messageText, "\n"));
    assert.deepEqual(told, [], readFileSync(path, "utf8"));
  });
}
