// The functions and classes of the entry that this code uses. The entry passes them: if this code imported them, bundlers
// would split the entry in two, which costs every program a kilobyte.
import type { Shim } from "../file-system.js";

export let shim: Shim;

export function useShim(given: Shim): void {
  shim = given;
}
