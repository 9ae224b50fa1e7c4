// Runs a command in a sandbox as if it ran here: its output, its input, its end, and Ctrl-C.
import { constants } from "node:os";
import { fstatSync } from "node:fs";
import type { EventIterator, Process, ProcessHandle, Sandbox, StartProcessOptions } from "shoreline";
import { after } from "../timer.js";
import { EXIT, Failure, Interrupted } from "./exit.js";
import type { Interrupts } from "./interrupts.js";
import { note, writeAll } from "./print.js";

/** How long a command may take to end after SIGTERM, ms. */
const GRACE = 5000;

/** What is run. */
export interface Execution extends StartProcessOptions {
  command: string;
  args: string[];
  /** Seconds after which it is ended. */
  timeout?: number | undefined;
  /** Whether this program's input is passed on: always, never, or where something is piped in. */
  input: boolean | "piped";
  /** How the command gets a terminal, for people who expected one. */
  inTerminal: string;
}

/** Runs a command to its end; gives the exit code for this program. */
export async function execute(sandbox: Sandbox, run: Execution, interrupts: Interrupts): Promise<number> {
  const { command, timeout, input, inTerminal, ...options } = run;
  const piped = input === "piped" ? hasInput() : input;
  const remote = piped ? await started(sandbox, command, options) : running(sandbox, command, options);
  const cut: { late?: boolean; by?: number } = {};
  const cancel =
    timeout &&
    after(timeout * 1000, () => {
      cut.late = true;
      void end(remote);
    });
  interrupts.onFirst((signal) => {
    cut.by = signal;
    if (process.stderr.isTTY) note("Ending the command; Ctrl-C again leaves at once.");
    void end(remote);
    // Nobody is there to read the rest.
    if (signal === constants.signals.SIGPIPE) void remote.events.return();
  });
  const stop = piped ? forward(remote.handle) : undefined;
  try {
    const written = await writeAll(remote.events, process.stdout);
    // A shell or an interpreter that reads its input has read its end, and says nothing.
    if (!written && input === "piped" && process.stdin.isTTY)
      note(
        `The command wrote nothing, and got no input. In a terminal: ${inTerminal}. Without this note: -n.`,
      );
    const { exitCode, signal, outputOpen } = await remote.ended();
    if (cut.by !== undefined) throw new Interrupted(cut.by);
    if (outputOpen && process.stderr.isTTY)
      note(
        `The command has ended; something it started still writes: shoreline logs -f ${sandbox.sandboxId} ${remote.handle.pid}`,
      );
    if (cut.late) throw new Failure(EXIT.timeout, `the command took longer than ${timeout} s and was ended`);
    if (exitCode !== null) return exitCode;
    if (signal !== null) return 128 + signal;
    throw new Failure(EXIT.failure, "the server does not know how the command ended");
  } catch (error) {
    if (cut.by !== undefined) throw new Interrupted(cut.by);
    throw error;
  } finally {
    if (cancel) cancel();
    stop?.();
  }
}

/** A command that runs, its output, and its end. */
interface Remote<H extends ProcessHandle = ProcessHandle> {
  handle: H;
  events: EventIterator;
  ended: () => Promise<{ exitCode: number | null; signal: number | null; outputOpen?: boolean | undefined }>;
}

/** A command with input. */
async function started(
  sandbox: Sandbox,
  command: string,
  options: StartProcessOptions,
): Promise<Remote<Process>> {
  const handle = await sandbox.startProcess(command, { ...options, stdinMode: "pipe" });
  return {
    handle,
    events: handle.output({ until: "exit", pieces: true }),
    ended: () => handle.wait(),
  };
}

/** A command without input, whose start, output and end are one request. */
function running(sandbox: Sandbox, command: string, options: StartProcessOptions): Remote {
  const { args, env, workingDir, user } = options;
  const how = { args, env, workingDir, user, pieces: true, maxOutputBytes: 0, onAbort: "detach" } as const;
  const handle = sandbox.run(command, how);
  return { handle, events: handle[Symbol.asyncIterator](), ended: () => handle.result() };
}

/** Ends a command: by SIGTERM, and after a while by SIGKILL. */
async function end({ handle, ended }: Remote): Promise<void> {
  // It may have ended meanwhile.
  const ignore = () => undefined;
  const kill = setTimeout(() => {
    handle.kill().catch(ignore);
  }, GRACE);
  await handle.kill("SIGTERM").catch(ignore);
  await ended().catch(ignore);
  clearTimeout(kill);
}

/** Whether something is piped into this program; a terminal and /dev/null are not. */
function hasInput(): boolean {
  try {
    const stat = fstatSync(0);
    return stat.isFIFO() || stat.isFile() || stat.isSocket();
  } catch {
    return false;
  }
}

/** Sends this program's input on, with its end. */
function forward(remote: ProcessHandle): () => void {
  const writer = remote.stdin.getWriter();
  const done = (async () => {
    for await (const chunk of process.stdin) await writer.write(chunk as Buffer);
    await writer.close();
  })();
  // A command that has ended, or closed its input, reads no more.
  done.catch(() => undefined);
  return () => {
    process.stdin.destroy();
  };
}
