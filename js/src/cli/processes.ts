// ps, logs, kill, restart.
import type { Command } from "commander";
import type { ProcessAddress, ProcessInfo, SignalName } from "shoreline";
import { SIGNALS } from "../generated/signals.js";
import { sandboxOf } from "./client.js";
import { Interrupts } from "./execute.js";
import { Interrupted, misused } from "./exit.js";
import { json } from "./options.js";
import { note, print, printRecord, printTable, writeAll } from "./print.js";

/** A pid, or the name of a managed process. */
export function address(text: string): ProcessAddress {
  return /^\d+$/.test(text) ? Number(text) : text;
}

export function addProcesses(program: Command): void {
  program
    .command("ps <sandbox> [process]")
    .summary("list processes")
    .description("Lists the processes of a sandbox, running or not, or shows one.")
    .addOption(json())
    .action(async (idOrName: string, process: string | undefined, options: { json?: boolean }) => {
      const sandbox = await sandboxOf(program.opts(), idOrName);
      const processes =
        process === undefined ? await sandbox.listProcesses() : [await sandbox.getProcess(address(process))];
      if (options.json) {
        printRecord(process === undefined ? { processes } : processes[0]);
        return;
      }
      if (processes.length === 0) {
        print("No processes found.");
        return;
      }
      printTable(["PID", "Status", "Managed", "Name", "Restarts", "Health", "Command"], processes.map(row));
    });

  program
    .command("logs <sandbox> <process>")
    .summary("print a process's output")
    .description(
      "Prints what a process has written so far, each stream to its own, byte for byte where the server offers it. With -f it goes on to the end of the output, through broken connections: also after the process has ended, for as long as something that it started holds its output open.",
    )
    .option("-f, --follow", "go on until the output ends")
    .option("--stdout", "only standard output")
    .option("--stderr", "only standard error")
    .action(async (idOrName: string, process: string, options: LogOptions) => {
      await logs(program, idOrName, address(process), options);
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
    .action(async (idOrName: string, process: string) => {
      const { pid } = await (await sandboxOf(program.opts(), idOrName)).restartProcess(address(process));
      print(String(pid));
    });
}

function row(info: ProcessInfo): string[] {
  const { pid, status, managed, command, args, exitCode, signal, outputOpen, outputHolders = [] } = info;
  const ended = exitCode ?? signal;
  const code = ended === null ? "" : ` (${ended})`;
  const holders = outputHolders.map((holder) => `${holder.pid} ${holder.command}`);
  const by = holders.length === 0 ? "" : `: ${holders.join(", ")}`;
  const how = outputOpen ? `${code}, output open${by}` : code;
  // Scripts compare the word.
  const isShown = process.stdout.isTTY && status !== "running";
  return [
    String(pid),
    isShown ? `${status}${how}` : status,
    managed ? "yes" : "no",
    managed?.name ?? "",
    managed ? String(managed.restartCount) : "",
    managed?.healthStatus ?? "",
    [command, ...args].join(" "),
  ];
}

interface LogOptions {
  follow?: boolean;
  stdout?: boolean;
  stderr?: boolean;
}

async function logs(
  program: Command,
  idOrName: string,
  process_: ProcessAddress,
  options: LogOptions,
): Promise<void> {
  if (options.stdout && options.stderr) throw misused("--stdout excludes --stderr");
  const sandbox = await sandboxOf(program.opts(), idOrName);
  using interrupts = new Interrupts();
  let interrupted: number | undefined;
  const which = options.stdout ? "Stdout" : options.stderr ? "Stderr" : "Output";
  // Whatever is there when it begins, and no more, where it is not to follow.
  const left = options.follow ? Infinity : (await sandbox[`get${which}`](process_)).lineCount;
  if (left === 0) return;
  const events = sandbox[`follow${which}`](process_, {
    // How many lines there are is known where it does not follow.
    pieces: options.follow === true,
    onReconnect: ({ error }) => {
      note(`The connection broke (${error.message}); going on where it was.`);
    },
  });
  interrupts.onFirst((signal) => {
    interrupted = signal;
    void events.return();
  });
  await writeAll(events, options.stderr ? process.stderr : process.stdout, left);
  if (interrupted !== undefined) throw new Interrupted(interrupted);
}

/** A signal by number or name. The sandbox's numbers may not be those of this machine. */
function signalOf(text: string): SignalName | number {
  if (/^\d+$/.test(text)) return Number(text);
  const name = `SIG${text.toUpperCase().replace(/^SIG/, "")}`;
  const known = SIGNALS.find((each) => each === name);
  if (known === undefined) throw misused(`there is no signal ${text}`);
  return known;
}
