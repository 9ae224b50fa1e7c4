// Processes on this machine, told apart by a mark in their arguments.
import { readdirSync, readFileSync } from "node:fs";
import { test as nodeTest, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

/** After this, ms, a test hangs. It only ends what would never end: no test proves anything by being faster. */
const HANGS = 180_000;

/** Declares a test that starts programs: one that hangs fails by its own name. */
export function test(name: string, run: (t: TestContext) => Promise<void>): void {
  void nodeTest(name, { timeout: HANGS }, run);
}

/** A text that no other process has among its arguments. What has it is ended after the test. */
export function mark(t: TestContext): string {
  const text = `mark-${process.pid}-${Math.random().toString(36).slice(2)}`;
  t.after(() => {
    for (const pid of marked(text)) process.kill(pid, "SIGKILL");
  });
  return text;
}

/** A shell script that does nothing for long, with a mark. */
export function waiting(marked: string): string[] {
  return ["-c", `: ${marked}; while :; do sleep 1; done`];
}

/** The pids of the processes that have the mark, of those that run `program` only. */
export function marked(text: string, program = ""): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
        return command.includes(text) && command.startsWith(program);
      } catch {
        // It has just ended.
        return false;
      }
    })
    .map(Number);
}

/** Waits until `condition` holds; there is no event for what other processes do. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  ms = 60_000,
): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(20);
  }
}
