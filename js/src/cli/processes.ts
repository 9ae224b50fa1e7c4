// ps, logs, kill, restart.
import type { Command } from "commander";
import type { ProcessAddress, ProcessInfo, SignalName } from "shoreline";
import { SIGNALS } from "../generated/signals.js";
import { sandboxOf } from "./client.js";
import { Interrupts } from "./interrupts.js";
import { misused } from "./exit.js";
import { json } from "./options.js";
import { ago, lasted, print, printRecord } from "./print.js";
import { checkLogOptions, type LogOptions, logs, since, tail } from "./logs.js";
import { printTable } from "./table.js";

/** A pid, or the name of a managed process. */
export function address(text: string): ProcessAddress {
  return /^\d+$/.test(text) ? Number(text) : text;
}

interface PsOptions {
  running?: boolean;
  json?: boolean;
}

export function addProcesses(program: Command): void {
  program
    .command("ps <sandbox> [process]")
    .summary("list processes")
    .description(
      "Lists the processes of a sandbox, running or not, or shows one. On a terminal, also their times, exit codes, and what still holds the output of an ended process open.",
    )
    .option("-r, --running", "only processes that run")
    .addOption(json())
    .action(async (idOrName: string, process: string | undefined, options: PsOptions) => {
      const sandbox = await sandboxOf(program.opts(), idOrName);
      const all =
        process === undefined ? await sandbox.listProcesses() : [await sandbox.getProcess(address(process))];
      const processes = options.running ? all.filter(({ status }) => status === "running") : all;
      if (options.json) {
        printRecord(process === undefined ? { processes } : (processes[0] ?? null));
        return;
      }
      if (processes.length === 0) {
        print("No processes found.");
        return;
      }
      await printProcesses(processes);
    });

  program
    .command("logs <sandbox> <process>")
    .summary("print a process's output")
    .description(
      "Prints what a process has written so far, each stream to its own, byte for byte where the server offers it. With -f it goes on to the end of the output, through broken connections: also after the process has ended, for as long as something that it started holds its output open.",
    )
    .option("-f, --follow", "go on until the output ends")
    .option("-n, --tail <lines>", "only so many of the last lines; default: all", tail, Infinity)
    .option(
      "--since <time>",
      "only lines written since then: a duration before now (10m, 1h30m), a time (2026-01-31T12:00:00Z), or seconds since 1970",
      since,
    )
    .option("-t, --timestamps", "put the time when each line was written before it")
    .option("--stdout", "only standard output")
    .option("--stderr", "only standard error")
    .option("--json", "print each line as an object of JSON, on a line of its own")
    .action(async (idOrName: string, process: string, options: LogOptions) => {
      checkLogOptions(options);
      using interrupts = new Interrupts();
      const sandbox = await sandboxOf(program.opts(), idOrName);
      await logs(sandbox, address(process), options, interrupts);
    });

  program
    .command("kill <sandbox> <process>")
    .summary("end a process")
    .description("Ends a process (SIGKILL) with what it started, or sends it another signal.")
    .option("-s, --signal <number>", "the signal, by number or name, for example TERM")
    .action(async (idOrName: string, process: string, options: { signal?: string }) => {
      const signal = options.signal === undefined ? undefined : signalOf(options.signal);
      const sandbox = await sandboxOf(program.opts(), idOrName);
      if (signal === undefined) await sandbox.killProcess(address(process));
      else await sandbox.sendSignal(address(process), signal);
      print(
        signal === undefined ? `Killed process ${process}.` : `Sent signal ${signal} to process ${process}.`,
      );
    });

  program
    .command("restart <sandbox> <process>")
    .summary("start a managed process again")
    .description("Ends a managed process and starts it again; prints its new pid.")
    .addOption(json())
    .action(async (idOrName: string, process: string, options: { json?: boolean }) => {
      const info = await (await sandboxOf(program.opts(), idOrName)).restartProcess(address(process));
      if (options.json) printRecord(info);
      else print(String(info.pid));
    });
}

/** The table of processes. Scripts have the columns and words of the official program; people get more. */
async function printProcesses(processes: ProcessInfo[]): Promise<void> {
  const isShown = process.stdout.isTTY;
  const times = isShown ? ["Started", "Duration"] : [];
  const isHeld = isShown && processes.some(({ outputOpen }) => outputOpen);
  const isManaged = !isShown || processes.some(({ managed }) => managed);
  const management = isManaged ? ["Managed", "Name", "Restarts", "Health"] : [];
  const head = ["PID", "Status", ...times, ...management];
  const rows = processes.map((info) => {
    const { pid, status, managed, command, args, startedAt, endedAt } = info;
    const code = info.exitCode ?? info.signal;
    const ended = isShown && code !== null ? `${status} (${code})` : status;
    const duration = lasted((endedAt ?? new Date()).getTime() - startedAt.getTime());
    return [
      String(pid),
      ended,
      ...(isShown ? [ago(startedAt), duration] : []),
      ...(isManaged ? managementOf(managed) : []),
      ...(isHeld ? [heldOpen(info)] : []),
      [command, ...args].join(" "),
    ];
  });
  await printTable([...head, ...(isHeld ? ["Output"] : []), "Command"], rows);
}

function managementOf(managed: ProcessInfo["managed"]): string[] {
  if (!managed) return ["no", "", "", ""];
  const { name = "", restartCount, healthStatus } = managed;
  return ["yes", name, String(restartCount), healthStatus];
}

/** What holds the output of an ended process open. */
function heldOpen({ outputOpen, outputHolders = [] }: ProcessInfo): string {
  if (!outputOpen) return "";
  const holders = outputHolders.map(({ pid, command }) => `${pid} ${command}`);
  return holders.length === 0 ? "open" : `open: ${holders.join(", ")}`;
}

/** A signal by number or name. The sandbox's numbers may not be those of this machine. */
function signalOf(text: string): SignalName | number {
  if (/^\d+$/.test(text)) return Number(text);
  const name = `SIG${text.toUpperCase().replace(/^SIG/, "")}`;
  const known = SIGNALS.find((each) => each === name);
  if (known === undefined) throw misused(`there is no signal ${text}`);
  return known;
}
