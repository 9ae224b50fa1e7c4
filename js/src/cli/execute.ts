// Runs a command in a sandbox as if it ran here: its output, its input, its end, and Ctrl-C.
import { constants } from "node:os";
import { fstatSync } from "node:fs";
import type { Process, Sandbox, StartProcessOptions } from "shoreline";
import { after } from "../timer.js";
import { EXIT, Failure, Interrupted } from "./exit.js";
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

/** The signals that end this program: the first ends the command, the second leaves at once. */
export class Interrupts {
  readonly #handlers: [NodeJS.Signals, () => void][];
  #first: ((signal: number) => void) | undefined;
  #signal: number | undefined;

  constructor() {
    this.#handlers = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((name) => {
      const handler = () => {
        this.interrupt(constants.signals[name]);
      };
      process.on(name, handler);
      return [name, handler];
    });
    // Who read the output has gone, as in `… | head`.
    process.stdout.on("error", () => {
      this.interrupt(constants.signals.SIGPIPE);
    });
  }

  /** Acts as the signal would. */
  interrupt(signal: number): void {
    if (this.#signal === undefined) {
      this.#signal = signal;
      this.#first?.(signal);
    } else if (signal !== constants.signals.SIGPIPE) {
      process.exit(128 + signal);
    }
  }

  /** Calls `handler` at the first signal, even if that was before. */
  onFirst(handler: (signal: number) => void): void {
    this.#first = handler;
    if (this.#signal !== undefined) handler(this.#signal);
  }

  /** A signal for calls that the first one ends. */
  get abort(): AbortSignal {
    const controller = new AbortController();
    this.onFirst((signal) => {
      controller.abort(new Interrupted(signal));
    });
    return controller.signal;
  }

  [Symbol.dispose](): void {
    for (const [name, handler] of this.#handlers) process.off(name, handler);
  }
}

/** Runs a command to its end; gives the exit code for this program. */
export async function execute(sandbox: Sandbox, run: Execution, interrupts: Interrupts): Promise<number> {
  const { command, timeout, input, inTerminal, ...options } = run;
  const piped = input === "piped" ? hasInput() : input;
  const remote = await sandbox.startProcess(command, { ...options, stdinMode: piped ? "pipe" : "closed" });
  const cut: { late?: boolean; by?: number } = {};
  const cancel =
    timeout &&
    after(timeout * 1000, () => {
      cut.late = true;
      void end(remote, sandbox);
    });
  const events = remote.output({ until: "exit", pieces: true });
  interrupts.onFirst((signal) => {
    cut.by = signal;
    if (process.stderr.isTTY) note("Ending the command; Ctrl-C again leaves at once.");
    void end(remote, sandbox);
    // Nobody is there to read the rest.
    if (signal === constants.signals.SIGPIPE) void events.return();
  });
  const stop = piped ? forward(remote) : undefined;
  try {
    const written = await writeAll(events, process.stdout);
    // A shell or an interpreter that reads its input has read its end, and says nothing.
    if (!written && input === "piped" && process.stdin.isTTY)
      note(
        `The command wrote nothing, and got no input. In a terminal: ${inTerminal}. Without this note: -n.`,
      );
    const { exitCode, signal, outputOpen } = await remote.wait();
    if (cut.by !== undefined) throw new Interrupted(cut.by);
    if (outputOpen && process.stderr.isTTY)
      note(
        `The command has ended; something it started still writes: shoreline logs -f ${sandbox.sandboxId} ${remote.pid}`,
      );
    if (cut.late) throw new Failure(EXIT.timeout, `the command took longer than ${timeout} s and was ended`);
    if (exitCode !== null) return exitCode;
    if (signal !== null) return 128 + signal;
    throw new Failure(EXIT.failure, "the server does not know how the command ended");
  } finally {
    if (cancel) cancel();
    stop?.();
  }
}

/** Ends a process: by SIGTERM, and after a while by SIGKILL. */
async function end(remote: Process, sandbox: Sandbox): Promise<void> {
  // It may have ended meanwhile.
  const ignore = () => undefined;
  const kill = setTimeout(() => {
    remote.kill().catch(ignore);
  }, GRACE);
  await sandbox.sendSignal(remote.pid, "SIGTERM").catch(ignore);
  await remote.wait().catch(ignore);
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
function forward(remote: Process): () => void {
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
