import module from "../core/shoreline_bg.wasm?module";
import * as glue from "../core/shoreline.js";

/** Edge functions of Next and Vercel: as in workers, by the query that their bundlers know it by. */
export async function load(): Promise<typeof glue> {
  // Not `initSync`, which looks at the class of what it is given: theirs is of another realm.
  await glue.default({ module_or_path: module });
  return glue;
}
