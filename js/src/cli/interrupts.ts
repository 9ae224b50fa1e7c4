// The signals that end the program.
import { constants } from "node:os";
import { Interrupted } from "./exit.js";
import { note } from "./print.js";

/** The signals that end this program: the first ends the command, the second leaves at once. */
export class Interrupts {
  readonly #handlers: [NodeJS.Signals, () => void][];
  #first: ((signal: number) => void) | undefined;
  #signal: number | undefined;
  /** Said at the first signal, where the end takes a while. */
  waits: string | undefined;
  /** Said when the second signal ends this program at once. */
  left: string | undefined;

  constructor() {
    this.#handlers = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((name) => {
      const handler = () => {
        this.interrupt(constants.signals[name]);
      };
      process.on(name, handler);
      return [name, handler];
    });
    // Who read the output has gone, as in `… | head`.
    process.stdout.on("error", () => {
      this.interrupt(constants.signals.SIGPIPE);
    });
  }

  /** Acts as the signal would. */
  interrupt(signal: number): void {
    if (this.#signal === undefined) {
      this.#signal = signal;
      if (this.waits !== undefined) note(this.waits);
      this.#first?.(signal);
    } else if (signal !== constants.signals.SIGPIPE) {
      if (this.left !== undefined) note(this.left);
      process.exit(128 + signal);
    }
  }

  /** Calls `handler` at the first signal, even if that was before. */
  onFirst(handler: (signal: number) => void): void {
    this.#first = handler;
    if (this.#signal !== undefined) handler(this.#signal);
  }

  /** A signal for calls that the first one ends. */
  get abort(): AbortSignal {
    const controller = new AbortController();
    this.onFirst((signal) => {
      controller.abort(new Interrupted(signal));
    });
    return controller.signal;
  }

  [Symbol.dispose](): void {
    for (const [name, handler] of this.#handlers) process.off(name, handler);
  }
}
