// What this code needs of the rest. It is given, not imported: bundlers would otherwise split the entry in two, which
// costs every program a kilobyte.
import type { Shim } from "../file-system.js";

export let shim: Shim;

export function useShim(given: Shim): void {
  shim = given;
}
