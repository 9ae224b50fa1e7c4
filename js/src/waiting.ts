// Waits for a process, with a timeout.
import { invalid, optionsOf } from "./arguments.js";
import { ShorelineError, TimeoutError } from "./errors.js";
import type { CallOptions } from "./options.js";
import { after } from "./timer.js";

/** Options of a wait. */
export interface WaitOptions extends CallOptions {
  /** Seconds after which the call rejects with `wait_timeout`. Default: no limit. */
  timeout?: number | undefined;
}

/** Does `work`, and aborts it when the caller aborts or the timeout passes. */
export async function limited<T>(
  options: WaitOptions | undefined,
  late: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal, timeout }: WaitOptions = optionsOf(options, "signal timeout");
  if (timeout !== undefined && !(timeout > 0 && timeout < Infinity))
    throw invalid("`timeout` must be a finite number above 0");
  const both = new AbortController();
  const abort = () => {
    both.abort(signal?.reason);
  };
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  const over = new TimeoutError({
    code: "wait_timeout",
    message: `${late} in time`,
    retryable: true,
  });
  const cancel =
    timeout &&
    after(timeout * 1000, () => {
      both.abort(over);
    });
  try {
    return await work(both.signal);
  } catch (error) {
    throw both.signal.reason === over ? over : error;
  } finally {
    if (cancel) cancel();
    signal?.removeEventListener("abort", abort);
  }
}

/** The error of a wait whose process ended first. */
export function ended(message: string): ShorelineError {
  return new ShorelineError({ code: "output_ended", message });
}

/** Returns a predicate that tests lines against the pattern. */
export function matcher(pattern: string | RegExp): (line: string) => boolean {
  if (typeof pattern === "string") return (line) => line.includes(pattern);
  if (!((pattern as unknown) instanceof RegExp)) throw invalid("`pattern` must be a string or a RegExp");
  // A global or sticky pattern keeps `lastIndex` and would skip lines.
  const fresh = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""));
  return (line) => fresh.test(line);
}
