import { call } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import type { PtyInfo } from "./generated/types.js";

/** How a terminal's session ended. */
export interface PtyExit {
  /** The exit code; null if a signal ended the program, or if it is unknown. */
  exitCode: number | null;
  /** The number of the signal that ended the program; null if none did, or if it is unknown. */
  signal: number | null;
  /** Why neither is known. */
  reason?: string;
}

/** How long the server may take to report how a session ended, ms. */
const ASKING = 5000;

/** @internal Asks how a session ended: -1 stands for a signal, and for a status that the server has lost. */
export async function askExit(sandbox: Glue.Sandbox, sessionId: string): Promise<PtyExit> {
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
