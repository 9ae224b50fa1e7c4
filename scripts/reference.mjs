// The API reference, made of the declarations that users have. typedoc.json says how; a warning is a failure.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bin, root, run, StepError } from "./steps.mjs";

const COMMITTED = join("docs", "reference");
const FRESH = join("target", "reference");

const make = (out) => run(process.execPath, [bin("typedoc", "bin", "typedoc"), "--out", out]);

/** Fails where what is committed is not what the declarations say. */
export async function checkReference() {
  await make(FRESH);
  const names = new Set(
    [COMMITTED, FRESH].flatMap((folder) => readdirSync(join(root, folder), { recursive: true })),
  );
  const differs = [...names].filter((name) => textOf(COMMITTED, name) !== textOf(FRESH, name));
  if (differs.length > 0)
    throw new StepError(`${differs.join(", ")} in ${COMMITTED} is not current: npm run docs`);
}

function textOf(folder, name) {
  const path = join(root, folder, name);
  return statSync(path, { throwIfNoEntry: false })?.isFile() ? readFileSync(path, "utf8") : undefined;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await make(COMMITTED);
