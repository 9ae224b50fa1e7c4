import { readFileSync } from "node:fs";
import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import * as glue from "../core/shoreline.js";
import imported from "../core/shoreline_bg.wasm" with { type: "file" };

/** Bun: from a file that its bundler takes along, by the way in which it is imported. */
export async function load(): Promise<typeof glue> {
  // Where it is; from a bundle, as seen from there.
  const file = imported as unknown as string;
  const path = isAbsolute(file) ? file : fileURLToPath(new URL(file, import.meta.url));
  glue.initSync({ module: new WebAssembly.Module(readFileSync(path)) });
  return glue;
}
