// The outputs that were looked at last. They stay readable when other things are looked at, and when the sandbox ends.
import type { ProcessInfo, Sandbox } from "shoreline";
import { Follower } from "./follower.js";
import { addressOf } from "./model.js";

/** What is kept beside the output that is looked at, in the units of a buffer's weight. */
const MOST = 64 * 1024 * 1024;
const MOST_OUTPUTS = 200;

export class Outputs {
  /** The one that was looked at last is the last. */
  readonly #kept = new Map<string, Follower>();

  /** The output of a process, as far as it was read. */
  of(sandbox: Sandbox, process: ProcessInfo): Follower {
    // PIDs are used again.
    const key = `${sandbox.sandboxId} ${process.pid} ${process.startedAt.getTime()}`;
    const kept = this.#kept.get(key);
    // One that failed begins anew.
    const follower =
      kept && kept.following.value.state !== "failed" ? kept : new Follower(sandbox, addressOf(process));
    this.#kept.delete(key);
    this.#letGo();
    this.#kept.set(key, follower);
    return follower;
  }

  #letGo(): void {
    let weight = 0;
    let count = 0;
    for (const [key, { buffer }] of [...this.#kept].reverse()) {
      weight += buffer.weight;
      count++;
      if (weight > MOST || count >= MOST_OUTPUTS) this.#kept.delete(key);
    }
  }
}
