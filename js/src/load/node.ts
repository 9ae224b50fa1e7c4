import { readFileSync } from "node:fs";
import * as glue from "../core/shoreline.js";

/** Node, Deno: from the file beside the glue. */
export async function load(): Promise<typeof glue> {
  const bytes = readFileSync(new URL("../core/shoreline_bg.wasm", import.meta.url));
  glue.initSync({ module: new WebAssembly.Module(bytes) });
  return glue;
}
