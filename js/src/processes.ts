// The part of a sandbox that starts processes, controls them and reads their output.
import { bytesOf, type Data, invalid, optionsOf } from "./arguments.js";
import { OPTIONS } from "./client.js";
import { Commands } from "./commands.js";
import { call, optionNames } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import { ShorelineError, UsageError } from "./errors.js";
import { excerptOf, type ExcerptOptions, type OutputExcerpt } from "./excerpt.js";
import type {
  OutputResponse,
  ProcessInfo,
  SandboxUsage,
  SendSignalResponse,
  SignalName,
} from "./generated/types.js";
import type { CallOptions, FollowOptions, ProcessAddress, StartProcessOptions, Traced } from "./options.js";
import { FollowIterator } from "./output.js";
import { BOTH, Process, type ProcessJSON, STDERR, STDOUT } from "./process.js";

/** The part of a sandbox that starts processes, controls them and reads their output. */
export abstract class Processes extends Commands {
  /** The id; the name, if the handle was made by name and the server was not asked. */
  abstract readonly sandboxId: string;
  /** The name. Undefined for an ephemeral sandbox. */
  abstract readonly name: string | undefined;

  /**
   * Starts a process and returns a handle without waiting for its end. The request is sent once.
   *
   * @param command - A program, found by `PATH` or by its path. Its arguments go into `args`.
   * @throws {@link ShorelineError} `not_found` if the program does not exist, `conflict` if another managed process has the
   * name, `connection_lost` if the connection broke: the process may have started then.
   *
   * @example
   * ```ts
   * const server = await sandbox.startProcess("python3", { args: ["-m", "http.server", "8000"] });
   * await server.waitForPort(8000);
   * ```
   */
  async startProcess(command: string, options?: StartProcessOptions): Promise<Process> {
    const start = this.request<ProcessInfo>(
      options,
      (core, signal) => core.start(command, options, signal),
      OPTIONS.start,
    );
    return Process.of(this.calls, await start);
  }

  /**
   * Makes a handle of a process from the JSON of another handle ({@link Process.toJSON}), for example in another isolate.
   * Its `output()` continues where the other handle's stopped. Sends no request.
   *
   * @throws {@link ShorelineError} `invalid_argument`, synchronously, for a process of another sandbox.
   */
  process(json: ProcessJSON): Process {
    const known: Partial<ProcessJSON> = optionsOf(json);
    if (known.pid === undefined)
      throw invalid("`json` has no `pid`: pass what the `toJSON()` of a process returned");
    const { sandboxId } = known;
    if (sandboxId !== undefined && sandboxId !== this.sandboxId && sandboxId !== this.name)
      throw invalid(`the process is one of sandbox ${sandboxId}: connect to that`);
    return Process.of(this.calls, known as ProcessJSON);
  }

  /** Lists every process that the server knows, running and ended. */
  listProcesses(options?: CallOptions): Promise<ProcessInfo[]> {
    return this.request(options, (core, signal) => core.processes(signal));
  }

  /**
   * Measures what every process in the sandbox uses: processor time and memory, those of the most time first. The share of
   * a processor is the growth of `cpuMs` between two calls, divided by that of `measuredAt`. Local servers offer it.
   *
   * @throws {@link ShorelineError} `missing_capability` on servers that do not measure.
   *
   * @example
   * ```ts
   * const { processes } = await sandbox.usage();
   * for (const { pid, command, memoryBytes } of processes) console.log(pid, memoryBytes, command);
   * ```
   */
  async usage(options?: CallOptions): Promise<Traced<SandboxUsage>> {
    try {
      return await this.request(options, (core, signal) => core.usage(signal));
    } catch (cause) {
      if (!ShorelineError.is(cause) || cause.code !== "unsupported") throw cause;
      throw new UsageError({ code: "missing_capability", message: cause.message, cause });
    }
  }

  /**
   * Reads a process's current record.
   *
   * @throws {@link ShorelineError} `not_found` if the server does not know the process.
   */
  getProcess(process: ProcessAddress, options?: CallOptions): Promise<Traced<ProcessInfo>> {
    return this.request(options, (core, signal) => core.process(process, signal));
  }

  /**
   * Kills a process (SIGKILL). A managed process is stopped and not restarted.
   *
   * @throws {@link ShorelineError} `not_found` if the server does not know the process.
   */
  killProcess(process: ProcessAddress, options?: CallOptions): Promise<void> {
    return this.request(options, (core, signal) => core.kill(process, signal));
  }

  /**
   * Restarts a managed process.
   *
   * @throws {@link ShorelineError} `conflict` if the process is not managed, `not_found` if the server does not know it.
   */
  restartProcess(process: ProcessAddress, options?: CallOptions): Promise<Traced<ProcessInfo>> {
    return this.request(options, (core, signal) => core.restart(process, signal));
  }

  /**
   * Sends a signal to a process.
   *
   * @param signal - Its name, for example `"SIGTERM"`, or its number on Linux, from 1 to 31.
   */
  sendSignal(
    process: ProcessAddress,
    signal: SignalName | number,
    options?: CallOptions,
  ): Promise<Traced<SendSignalResponse>> {
    return this.request(options, (core, abort) => core.sendSignal(process, signal, abort));
  }

  /**
   * Writes to the standard input of a process that was started with `stdinMode: "pipe"`. The data is sent once.
   *
   * @param data - Bytes, or text, which is sent in UTF-8.
   * @throws {@link ShorelineError} `connection_lost` if it is unknown whether the data arrived, `invalid_request` if the input is
   * closed.
   */
  writeStdin(process: ProcessAddress, data: Data, options?: CallOptions): Promise<void> {
    return this.request(options, (core, signal) => core.writeStdin(process, bytesOf(data), signal));
  }

  /** Closes the standard input of a process: its next read sees the end of the file. */
  closeStdin(process: ProcessAddress, options?: CallOptions): Promise<void> {
    return this.request(options, (core, signal) => core.closeStdin(process, signal));
  }

  /** Reads the lines that a process has written to standard output so far. */
  getStdout(process: ProcessAddress, options?: CallOptions): Promise<Traced<OutputResponse>> {
    return this.request(options, (core, signal) => core.output(STDOUT, process, signal));
  }

  /** Reads the lines that a process has written to standard error so far. */
  getStderr(process: ProcessAddress, options?: CallOptions): Promise<Traced<OutputResponse>> {
    return this.request(options, (core, signal) => core.output(STDERR, process, signal));
  }

  /** Reads the lines that a process has written to both streams so far, in order. */
  getOutput(process: ProcessAddress, options?: CallOptions): Promise<Traced<OutputResponse>> {
    return this.request(options, (core, signal) => core.output(BOTH, process, signal));
  }

  /**
   * Follows both streams from the start of the output to its end. The output ends when no process holds it open any more;
   * with `until: "exit"` the iteration ends with the process. Each line is delivered once and in order, also when
   * connections break. If output is missing, the iteration throws.
   *
   * @throws {@link ShorelineError} From the iteration: `stream_broken` if reconnecting fails, `output_gap` if lines are
   * lost, `not_found` if it does not know the process.
   *
   * @example
   * ```ts
   * for await (const { stream, line } of sandbox.followOutput(pid)) console.log(stream, line);
   * ```
   */
  followOutput(process: ProcessAddress, options?: FollowOptions): FollowIterator {
    return this.#follow(BOTH, process, options);
  }

  /** Follows standard output, as `followOutput` follows both streams. */
  followStdout(process: ProcessAddress, options?: FollowOptions): FollowIterator {
    return this.#follow(STDOUT, process, options);
  }

  /** Follows standard error, as `followOutput` follows both streams. */
  followStderr(process: ProcessAddress, options?: FollowOptions): FollowIterator {
    return this.#follow(STDERR, process, options);
  }

  /**
   * Reads the output of a process as text for a language model: its head and its tail within a budget, without escape
   * sequences, as a terminal shows it. Returns at the end of the process, or after `yieldAfter` seconds with a cursor to
   * read on from. Aborting `signal` does not stop the process.
   *
   * @throws {@link ShorelineError} `not_found` if the server does not know the process, `invalid_argument` if the budget or
   * the cursor is wrong, `stream_broken`, `output_gap` and others; `partial.text` of the error is the text so far.
   *
   * @example
   * ```ts
   * const first = await sandbox.excerpt(pid, { yieldAfter: 10, maxTokens: 4000 });
   * if (first.running) await sandbox.excerpt(pid, { after: first.cursor });
   * ```
   */
  excerpt(process: ProcessAddress, options?: ExcerptOptions): Promise<OutputExcerpt> {
    const source = {
      follow: (how: FollowOptions) => this.stream(BOTH, process, how),
      record: (how: CallOptions) => this.getProcess(process, how),
    };
    return excerptOf(source, options);
  }

  /** @internal Makes a call whose only own option is `signal`, beside those of the table. */
  protected request<T>(
    options: CallOptions | undefined,
    work: (core: Glue.Sandbox, signal: AbortSignal | undefined) => Promise<unknown>,
    table?: number,
  ): Promise<T> {
    // A wrong argument rejects the promise; no call throws synchronously.
    return call(() => {
      const names = table === undefined ? {} : optionNames(table);
      return work(this.core, (optionsOf(options, "signal", names) as CallOptions).signal);
    });
  }

  #follow(which: number, process: ProcessAddress, options?: FollowOptions): FollowIterator {
    return new FollowIterator(() => this.open(which, process, options), options?.after);
  }
}
