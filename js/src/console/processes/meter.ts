// Measures what processes use, where the server offers that.
import { signal } from "@preact/signals";
import { type Sandbox, type SandboxUsage, ShorelineError } from "shoreline";
import { size } from "../parts.js";

/** What a process and its descendants use. */
export interface Use {
  /** Percent of one processor. Undefined until there are two measurements. */
  load: number | undefined;
  memoryBytes: number;
}

/** Two measurements that are further apart, ms, say nothing about the load now. */
const LONGEST_SPAN = 15_000;

export class Meter {
  /** By PID. Empty where the server does not measure. */
  readonly uses = signal<ReadonlyMap<number, Use>>(new Map());
  #isOffered = true;
  #before: SandboxUsage | undefined;

  /** Measures once. A failure is not reported: the numbers are an extra, and the next look tries again. */
  async measure(sandbox: Sandbox, signal: AbortSignal): Promise<void> {
    if (!this.#isOffered) return;
    try {
      const now = await sandbox.usage({ signal });
      this.uses.value = usesOf(now, this.#before);
      this.#before = now;
    } catch (error) {
      this.#isOffered = !(ShorelineError.is(error) && error.code === "missing_capability");
      this.uses.value = new Map();
      this.#before = undefined;
    }
  }
}

/** What each process uses together with its descendants: a shell uses little, and the program that it runs much. */
export function usesOf(now: SandboxUsage, before: SandboxUsage | undefined): Map<number, Use> {
  const span = before ? now.measuredAt.getTime() - before.measuredAt.getTime() : Infinity;
  const earlier = new Map(before?.processes.map(({ pid, cpuMs }) => [pid, cpuMs]));
  const isKnown = span > 0 && span <= LONGEST_SPAN;
  const parents = new Map(now.processes.map(({ pid, parentPid }) => [pid, parentPid]));
  const uses = new Map<number, Use>();
  for (const { pid, cpuMs, memoryBytes } of now.processes) {
    const load = isKnown ? (100 * Math.max(0, cpuMs - (earlier.get(pid) ?? 0))) / span : undefined;
    // The ids come from the server, and could form a cycle.
    const seen = new Set<number>();
    for (let at: number | undefined = pid; at !== undefined && !seen.has(at); at = parents.get(at)) {
      seen.add(at);
      const use = uses.get(at) ?? { load: load === undefined ? undefined : 0, memoryBytes: 0 };
      uses.set(at, {
        load: load === undefined ? undefined : (use.load ?? 0) + load,
        memoryBytes: use.memoryBytes + memoryBytes,
      });
    }
  }
  return uses;
}

/** What a process uses, for people. */
export function useOf({ load, memoryBytes }: Use): string {
  const memory = size(memoryBytes);
  return load === undefined ? memory : `${load.toFixed(load < 9.95 ? 1 : 0)} % CPU · ${memory}`;
}
