import { ShorelineError } from "../errors.js";
import type { ErrorCode } from "../generated/errors.js";

/**
 * The local server could not be started. Codes: `missing_capability` (there is no program for this
 * machine), `unavailable` (it ended), `start_timeout` (it was not ready in time).
 */
export class LocalServerError extends ShorelineError {
  override readonly name = "LocalServerError";
  /** The end of what the server wrote to standard error. */
  readonly stderr: string;

  /** @internal */
  constructor(code: ErrorCode, message: string, stderr = "", cause?: unknown) {
    const said = stderr.trim();
    super({ code, message: said ? `${message}; it said:\n${said}` : message, cause });
    this.stderr = stderr;
  }
}
