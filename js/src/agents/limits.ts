// Time limits of commands, which hold after the call that set them has returned.
import type { Process } from "../process.js";

export class Limits {
  readonly #timers = new Map<number, ReturnType<typeof setTimeout>>();
  readonly #over = new Set<number>();

  /** Kills a process after so many seconds, unless it has ended. */
  set(process: Process, seconds: number): void {
    const { pid } = process;
    // A pid can be a later process's too.
    this.#over.delete(pid);
    const timer = setTimeout(() => void this.#end(process), seconds * 1000);
    // A program that has nothing else to do may end.
    (timer as { unref?: () => void }).unref?.();
    this.#timers.set(pid, timer);
  }

  /** Whether the limit has ended a process. */
  isOver(pid: number): boolean {
    return this.#over.has(pid);
  }

  /** Takes note that a process has ended, and returns whether its limit ended it. */
  ended(pid: number): boolean {
    clearTimeout(this.#timers.get(pid));
    this.#timers.delete(pid);
    return this.#over.has(pid);
  }

  async #end(process: Process): Promise<void> {
    this.#timers.delete(process.pid);
    this.#over.add(process.pid);
    // Of a process that has ended, the server refuses it.
    await process.kill().catch(() => undefined);
  }
}
