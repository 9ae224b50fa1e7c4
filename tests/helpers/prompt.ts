// Promises about time, on machines that do other work too.
import assert from "node:assert/strict";

const PROMPT_MS = 100;
const TRIES = 20;

/**
 * Fails unless what `work` measures, ms, is less than 100 once: the machine's other work only adds to it, what the
 * package waits for is in every measurement.
 */
export async function prompt(work: () => Promise<number>): Promise<void> {
  let best = Infinity;
  for (let i = 0; i < TRIES && best >= PROMPT_MS; i++) best = Math.min(best, await work());
  assert.ok(best < PROMPT_MS, `it took ${best} ms, the best of ${TRIES}`);
}
