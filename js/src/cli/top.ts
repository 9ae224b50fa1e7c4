// top: what the processes of a sandbox use.
import { setTimeout } from "node:timers/promises";
import type { Command } from "commander";
import type { Sandbox, SandboxUsage } from "shoreline";
import { sandboxOf } from "./client.js";
import { Interrupts } from "./interrupts.js";
import { misused } from "./exit.js";
import { json, positive } from "./options.js";
import { amount, clean, lasted, printRecord } from "./print.js";
import { tableLines } from "./table.js";

/** Between two measurements, where only one table is printed, ms: what is used in it is the load. */
const SPAN = 500;
/** Clears the screen below the cursor, which goes to the first column of the first line. */
const HOME = "\u001b[H\u001b[J";
/** The other screen of the terminal without a cursor, and back. */
const ENTER = "\u001b[?1049h\u001b[?25l";
const LEAVE = "\u001b[?25h\u001b[?1049l";

interface TopOptions {
  interval: number;
  once?: boolean;
  json?: boolean;
}

export function addTop(program: Command): void {
  program
    .command("top <sandbox>")
    .summary("show the processor time and memory of processes")
    .description(
      "Shows the processor time and memory of every process in a local sandbox until Ctrl-C. 100 % is one processor. If the output is not a terminal, one table is printed.",
    )
    .option("--once", "print one table and exit")
    .option("-i, --interval <seconds>", "seconds between two measurements", positive, 2)
    .addOption(json())
    .action(async (idOrName: string, options: TopOptions) => {
      if (options.interval > 3600) throw misused("--interval must be at most 3600");
      using interrupts = new Interrupts();
      const sandbox = await sandboxOf(program.opts(), idOrName);
      if (options.json) printRecord(await sandbox.usage());
      else if (options.once || !process.stdout.isTTY) await once(sandbox);
      else await watch(sandbox, idOrName, options.interval * 1000, interrupts.abort);
    });
}

async function once(sandbox: Sandbox): Promise<void> {
  const before = await sandbox.usage();
  await pause(SPAN);
  for (const line of await tableOf(before, await sandbox.usage())) process.stdout.write(`${line}\n`);
}

/** Draws a table again and again until `signal` aborts. */
async function watch(sandbox: Sandbox, name: string, ms: number, signal: AbortSignal): Promise<void> {
  // Before the screen is another one: a server that does not measure has failed by now.
  let before = await sandbox.usage({ signal });
  const draw = async (now: SandboxUsage) => {
    const title = `${clean(name)}: ${now.processes.length} processes, every ${ms / 1000} s. Press Ctrl-C to leave.`;
    const lines = [title, "", ...(await tableOf(before, now))].slice(0, process.stdout.rows - 1);
    process.stdout.write(`${HOME}${lines.join("\n")}\n`);
  };
  process.stdout.write(ENTER);
  try {
    for (let span = SPAN; ; span = ms) {
      await pause(span, signal);
      const now = await sandbox.usage({ signal }).catch((error: unknown) => {
        if (signal.aborted) return undefined;
        throw error;
      });
      if (now === undefined) return;
      await draw(now);
      before = now;
    }
  } finally {
    process.stdout.write(LEAVE);
  }
}

/** The lines of a table, of the most load first. */
async function tableOf(before: SandboxUsage, now: SandboxUsage): Promise<string[]> {
  const earlier = new Map(before.processes.map(({ pid, cpuMs }) => [pid, cpuMs]));
  const span = Math.max(1, now.measuredAt.getTime() - before.measuredAt.getTime());
  const load = (pid: number, cpuMs: number) => (100 * Math.max(0, cpuMs - (earlier.get(pid) ?? 0))) / span;
  const rows = now.processes
    .map((one) => ({ ...one, load: load(one.pid, one.cpuMs) }))
    .sort((one, other) => other.load - one.load || other.memoryBytes - one.memoryBytes)
    .map(({ pid, load, memoryBytes, cpuMs, threads, command }) => [
      String(pid),
      `${load.toFixed(1)} %`,
      amount(memoryBytes),
      lasted(cpuMs),
      String(threads),
      command,
    ]);
  const lines = await tableLines(["PID", "CPU", "Memory", "Time", "Threads", "Command"], rows);
  return now.truncated ? [...lines, "There are more processes, which are not shown."] : lines;
}

/** Waits so long, or until `signal` aborts. */
async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal }).catch(() => undefined);
}
