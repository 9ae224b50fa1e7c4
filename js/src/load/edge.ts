import module from "../core/shoreline_bg.wasm?module";
import type { Core, Died } from "../core.js";
import instance from "../core/shoreline.js";

/** Edge functions of Next and Vercel: as in workers, by the query that their bundlers know it by. */
export async function load(died: Died): Promise<Core> {
  const core = instance(died);
  // Not `initSync`, which looks at the class of what it is given: theirs is of another realm.
  await core.init({ module_or_path: module });
  return core;
}
