// The time limit of a sandbox that belongs to one run: renewed while this program runs, so that the sandbox ends by itself
// when the program is killed.
import { type ClientOptions, type Sandbox, ShorelineError } from "shoreline";
import { misused } from "./exit.js";

/** Seconds that a sandbox outlives its program. A program that is stopped (Ctrl-Z) for longer loses the sandbox. */
const DEFAULT = 120;

/** The time limit in seconds; 0 for none. */
export function leaseSeconds(): number {
  const { SHORELINE_RUN_LEASE: text } = process.env;
  if (text === undefined || text === "") return DEFAULT;
  if (!/^\d{1,9}$/.test(text))
    throw misused("SHORELINE_RUN_LEASE must be a number of seconds, or 0 for no limit");
  return Number(text);
}

/** Whether a server is on this machine, and may be a local one. */
export function isHere({ apiUrl = process.env.TENSORLAKE_API_URL }: ClientOptions): boolean {
  return /^http:\/\/(127\.[0-9.]+|\[::1\]|localhost)(:|\/|$)/.test(apiUrl ?? "");
}

/** Sets the time limit, and renews it until the returned function is called, or the server says that it cannot. */
export function renewed(sandbox: Sandbox, seconds: number): () => void {
  let timer: NodeJS.Timeout | undefined;
  const renew = async () => {
    try {
      await sandbox.update({ timeoutSecs: seconds });
    } catch (error) {
      if (isRefusal(error)) clearInterval(timer);
    }
  };
  if (seconds > 0) {
    timer = setInterval(() => void renew(), (seconds * 1000) / 3).unref();
    void renew();
  }
  return () => {
    clearInterval(timer);
  };
}

/** Whether the server answered that it cannot. Other errors may be over by the next renewal. */
function isRefusal(error: unknown): boolean {
  return ShorelineError.is(error) && ["unsupported", "not_supported_by_server"].includes(error.code);
}
