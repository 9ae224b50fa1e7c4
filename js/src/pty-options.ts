// Options of terminals, and their end.
import type { CreatePtyOptions as CoreCreatePtyOptions, Reconnect } from "./generated/types.js";
import type { CallOptions } from "./options.js";
import type { PtyDataHandler } from "./outlet.js";

/** Options of `connectPty`. */
export interface PtyConnectionOptions extends CallOptions {
  /**
   * Called with the terminal's output. If it returns a promise, the next call waits for it. A server with flow control then
   * slows the program down.
   *
   * If a handler throws or its promise rejects, the client detaches: `wait` and `readable` reject with that error. The other
   * handlers are still called. The program keeps running, and `connectPty` attaches again.
   */
  onData?: PtyDataHandler | undefined;
  /** Called with the exit code when the session has ended, before `wait` resolves. Errors are handled as those of `onData`. */
  onExit?: ((exitCode: number | null) => unknown) | undefined;
  /** Whether to reconnect when the connection breaks. `true` means 10 attempts, at most 5 s apart. Default: false. */
  reattach?: boolean | Reconnect | undefined;
  /**
   * Called after each reconnect. `lostBytes` is how many bytes of output are missing. It is undefined if the server
   * does not count output: the terminal is then cleared and shows what the server keeps. Without this handler, missing
   * output ends the session's `wait` with an error. If it returns a promise, further output waits for it.
   * Errors are handled as those of `onData`.
   */
  onReattach?: ((info: { lostBytes: number | undefined }) => unknown) | undefined;
}

/** Options of `createPty`. */
export interface CreatePtyOptions extends CoreCreatePtyOptions, PtyConnectionOptions {}

/** The end of a terminal session. */
export interface PtyExit {
  /** The exit code; null if a signal ended the program, or if it is unknown. */
  exitCode: number | null;
  /** The number of the signal that ended the program; null if none did, or if it is unknown. */
  signal: number | null;
  /** Why both are unknown. */
  reason?: string;
}
