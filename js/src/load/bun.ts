import { readFileSync } from "node:fs";
import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import type { Core, Died } from "../core.js";
import instance from "../core/shoreline.js";
import imported from "../core/shoreline_bg.wasm" with { type: "file" };

/** Bun: from a file that its bundler takes along, by the way in which it is imported. */
export async function load(died: Died): Promise<Core> {
  const core = instance(died);
  // Where it is; from a bundle, as seen from there.
  const file = imported as unknown as string;
  const path = isAbsolute(file) ? file : fileURLToPath(new URL(file, import.meta.url));
  core.initSync({ module: new WebAssembly.Module(readFileSync(path)) });
  return core;
}
