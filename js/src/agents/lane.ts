// A bound on calls that are under way at once.
import { Refusal } from "./failure.js";

/** Calls that may wait for their turn; each has its input in memory. */
export const WAITING = 64;

/** Runs so many calls at once, in the order in which they came. */
export class Lane {
  readonly #most: number;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  /** Does the work when it is its turn. A signal that aborts takes it out of the queue. */
  async run<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#most) await this.#turn(signal);
    else this.#running++;
    try {
      return await work();
    } finally {
      // The turn passes on to the next call, or is free again.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }

  #turn(signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.length >= WAITING) {
      const text = `${this.#running} calls are running and ${WAITING} are waiting. Wait for their results before the next call.`;
      throw new Refusal("busy", text);
    }
    return new Promise((resolve, reject) => {
      const begin = () => {
        signal?.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(begin), 1);
        reject(new Refusal("aborted", "The call was canceled before it began: nothing was done."));
      };
      signal?.addEventListener("abort", leave, { once: true });
      this.#waiting.push(begin);
    });
  }
}
