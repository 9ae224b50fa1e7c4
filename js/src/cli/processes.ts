// ps, logs, kill, restart.
import { type Command, Option } from "commander";
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
      "Lists the processes of a sandbox, including ended ones, or shows one process. On a terminal, the table has times, exit codes, and the processes that keep the output of an ended process open.",
    )
    .option("-r, --running", "list only running processes")
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
      "Prints the output of a process: standard output to standard output, standard error to standard error, byte for byte if the server sends bytes. With -f it follows the output to its end and reconnects if the connection breaks. The output ends when the process and every child that holds it open have ended.",
    )
    .option("-f, --follow", "follow the output until it ends")
    .addOption(
      new Option("-n, --tail <lines>", "print only this many of the last lines")
        .argParser(tail)
        .default(Infinity, "all"),
    )
    .option(
      "--since <time>",
      "print only lines written since a time: a duration before now (10m, 1h30m), a date and time (2026-01-31T12:00:00Z), or seconds since 1970",
      since,
    )
    .option("-t, --timestamps", "print the time before each line")
    .option("--stdout", "print only standard output")
    .option("--stderr", "print only standard error")
    .option("--json", "print one JSON object for each line of output")
    .action(async (idOrName: string, process: string, options: LogOptions) => {
      checkLogOptions(options);
      using interrupts = new Interrupts();
      const sandbox = await sandboxOf(program.opts(), idOrName);
      await logs(sandbox, address(process), options, interrupts);
    });

  program
    .command("kill <sandbox> <process>")
    .summary("kill or signal a process")
    .description("Kills a process and its process group (SIGKILL), or sends another signal to the process.")
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
    .summary("restart a managed process")
    .description("Restarts a managed process and prints its new pid.")
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
