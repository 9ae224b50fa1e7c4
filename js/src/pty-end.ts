// How a terminal's session ended, where its socket does not say.
import { call } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import type { PtyInfo } from "./generated/types.js";
import type { PtyExit } from "./pty-options.js";

/** How long the server may take to report how a session ended, ms. */
const ASKING = 5000;

/** Asks the server: -1 stands for a signal, and for a status that the server has lost. */
export async function endOf(sandbox: Glue.Sandbox, sessionId: string): Promise<PtyExit> {
  const within = AbortSignal.timeout(ASKING);
  const info = await call<PtyInfo>(() => sandbox.pty(sessionId, within)).catch(() => undefined);
  const { exitCode = null, signal = null } = info ?? {};
  if (exitCode !== null || signal !== null) return { exitCode, signal };
  return {
    exitCode,
    signal,
    reason:
      "the server does not know how the terminal's program ended: it reports -1 for a signal and for a lost exit status",
  };
}
