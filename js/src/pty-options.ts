// How a terminal is opened and attached to, and how it ends.
import type { CreatePtyOptions as CoreCreatePtyOptions, Reconnect } from "./generated/types.js";
import type { CallOptions } from "./options.js";
import type { PtyDataHandler } from "./outlet.js";

/** How a terminal is attached to. */
export interface PtyConnectionOptions extends CallOptions {
  /**
   * Called with what the terminal writes. If it returns a promise, the next call waits for it. A server with flow
   * control then slows the program down to what is consumed.
   *
   * An error that a handler throws, or a rejection of its promise, leaves the session: `wait` and `readable` reject with
   * it. The other handlers are called all the same. The program goes on, and `connectPty` attaches again.
   */
  onData?: PtyDataHandler | undefined;
  /** Called once the session has ended, with what `wait` resolves to after it. Its errors are as those of `onData`. */
  onExit?: ((exitCode: number | null) => unknown) | undefined;
  /** Attach again when the connection breaks. Default: no. `true` is 10 tries, at most 5 s apart. */
  reattach?: boolean | Reconnect | undefined;
  /**
   * Called after each reconnect. `lostBytes` is how many bytes of output are missing. It is undefined if the server
   * does not count output: the terminal is then cleared and shows what the server keeps. Without this handler, missing
   * output ends the session's `wait` with an error. If it returns a promise, further output waits for it.
   * Its errors are as those of `onData`.
   */
  onReattach?: ((info: { lostBytes: number | undefined }) => unknown) | undefined;
}

/** A terminal to open, and how it is attached to. */
export interface CreatePtyOptions extends CoreCreatePtyOptions, PtyConnectionOptions {}

/** How a terminal's session ended. */
export interface PtyExit {
  /** The exit code; null if a signal ended the program, or if it is unknown. */
  exitCode: number | null;
  /** The number of the signal that ended the program; null if none did, or if it is unknown. */
  signal: number | null;
  /** Why neither is known. */
  reason?: string;
}
