import { checkHandler, type Data, invalid, isPromise, optionsOf } from "./arguments.js";
import { OPTIONS } from "./client.js";
import { call, callSync, optionNames } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import { ApiError, CommandError, HandlerFailure, type ShorelineError, toError } from "./errors.js";
import type { RunOptions as CoreRunOptions } from "./generated/types.js";
import { type CommandInput, InputSource } from "./input.js";
import type { ReconnectInfo } from "./options.js";
import {
  type Batch,
  type BatchSource,
  EventIterator,
  eventOf,
  nextBatch,
  type OutputEvent,
} from "./output.js";
import { BOTH, type ProcessCalls, ProcessHandle } from "./process.js";
import { type CommandResult, type RawResult, revive } from "./result.js";
import { type Transports, unlessAborted } from "./transports.js";

/** Options of `run`. */
export interface RunOptions extends CoreRunOptions {
  /**
   * Rejects with a {@link CommandError} unless the exit code is 0. Default: false, a failing command is a result.
   */
  check?: boolean | undefined;
  /**
   * The command's standard input. Default: none, the command's first read sees the end of the file. A stream is read as
   * fast as the command reads: each part is sent after the server has accepted the one before. The input ends with the
   * stream. If the command ends or closes its input earlier, the stream is canceled without an error. If the stream fails,
   * the command is killed and the call rejects with its error. The same happens with `connection_lost` if it is unknown
   * whether a part was written, or if the command does not read a part within `requestTimeout` (300 s).
   *
   * @example
   * ```ts
   * const { stdout } = await sandbox.run("sort", { input: "b\na\n" });
   * await sandbox.run("tar", { args: ["-x"], input: fs.createReadStream("site.tar"), check: true });
   * ```
   */
  input?: CommandInput | undefined;
  /**
   * Called with each event of standard output as it arrives; with `pieces` also with parts of unfinished lines. If it
   * returns a promise, the next event waits for it, which slows the command down. If it throws or the promise rejects, the
   * command is killed and the call rejects with that error.
   */
  onStdout?: ((event: OutputEvent) => unknown) | undefined;
  /** Called with each event of standard error, as `onStdout` is. */
  onStderr?: ((event: OutputEvent) => unknown) | undefined;
  /** Called before each reconnect, which waits for a returned promise. Its errors are handled as those of `onStdout`. */
  onReconnect?: ((info: ReconnectInfo) => unknown) | undefined;
  /** Aborts the call; `onAbort` says what happens to the command. */
  signal?: AbortSignal | undefined;
}

/** The handler as the core calls it, with errors that are not classes yet. */
export function reconnectHandler({
  onReconnect,
}: Pick<RunOptions, "onReconnect">): ((info: ReconnectInfo) => Promise<void>) | undefined {
  checkHandler("onReconnect", onReconnect);
  return (
    onReconnect &&
    (async (info) => {
      try {
        await onReconnect({
          ...info,
          error: toError(info.error) as ShorelineError,
        });
      } catch (error) {
        throw new HandlerFailure(error);
      }
    })
  );
}

/** The end of a command, as the core reports it. */
type RawEnd = Pick<RawResult, "exitCode" | "signal" | "oomKilled" | "outputOpen">;

/**
 * A running command, returned by `run`. It is a promise of the result, and an iterable of the output. Iterated
 * synchronously, before the next `await`, it reads the run's own stream. Iterated later, or with handlers, it reads the
 * output from the server again, from its start. `status`, `exitCode` and `signal` change when the command starts and ends.
 *
 * @example
 * ```ts
 * const build = sandbox.run("make");
 * for await (const { line } of build) console.log(line);
 * console.log(build.status, build.exitCode);
 * ```
 */
export class RunningCommand<R extends CommandResult = CommandResult>
  extends ProcessHandle
  implements Promise<R>
{
  readonly #command: string;
  readonly #options: RunOptions;
  readonly #stream: Promise<Glue.RunStream>;
  readonly #calls: ProcessCalls;
  readonly #pid: Promise<number>;
  #started!: (pid: number) => void;
  #notStarted!: (error: unknown) => void;
  #input: InputSource | undefined;
  /** The error of the input, which ends the command. */
  #inputFailure: { error: unknown } | undefined;
  #over!: () => void;
  /** @internal Resolves when the command has ended, or the run has failed. */
  readonly over = new Promise<void>((resolve) => (this.#over = resolve));
  #outcome: Promise<RawResult> | undefined;
  #result: Promise<R> | undefined;
  #iterated = false;

  /** @internal */
  constructor(
    sandbox: Glue.Sandbox,
    calls: ProcessCalls,
    command: string,
    options: RunOptions | undefined,
    transports: Transports,
    after?: Promise<unknown>,
  ) {
    super(calls);
    this.#calls = calls;
    this.#command = command;
    this.#options = options ?? {};
    this.#pid = new Promise((resolve, reject) => {
      this.#started = resolve;
      this.#notStarted = reject;
    });
    this.learn({ command, args: argsOf(this.#options), exitCode: null, signal: null });
    const begin = () => this.#begin(sandbox, options, transports);
    this.#stream = after ? after.then(begin) : begin();
    // The iteration, `wait` and the result report a failure.
    this.#stream.catch(this.#notStarted);
    this.#stream.catch(this.#over);
    this.#pid.catch(noop);
    queueMicrotask(() => {
      // As with any promise: the runtime reports a rejection that is not handled.
      if (!this.#iterated) void this.result();
    });
  }

  /**
   * Resolves to the result when the command has ended, as `await` does.
   *
   * @throws {@link ShorelineError} `run_outcome_unknown`, `stream_broken`, `aborted` and others if the exit status is not
   * known; a {@link CommandError} if `check` is set and the exit code is not 0.
   */
  result(): Promise<R> {
    this.#result ??= this.#finish();
    return this.#result;
  }

  /** `Promise.prototype.then`, for the result. */
  then<A = R, B = never>(
    fulfilled?: ((value: R) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.result().then(fulfilled, rejected);
  }

  /** `Promise.prototype.catch`, for the result. */
  catch<B = never>(rejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<R | B> {
    return this.result().catch(rejected);
  }

  /** `Promise.prototype.finally`, for the result. */
  finally(settled?: (() => void) | null): Promise<R> {
    return this.result().finally(settled);
  }

  /** Name for `Object.prototype.toString`. */
  readonly [Symbol.toStringTag] = "RunningCommand";

  /** @internal */
  protected override address(): Promise<number> {
    return this.#pid;
  }

  /** A stream that refuses every write: `run` takes its input by the option `input`. */
  override get stdin(): WritableStream<Data> {
    const error = invalid(
      'a command that is run takes `input`: to write as it runs, start it by `startProcess` with `stdinMode: "pipe"`',
    );
    return new WritableStream({
      start: (controller) => {
        controller.error(error);
      },
    });
  }

  /**
   * The output up to the end of the command, as whole lines unless `pieces` is set. Leaving the loop ends the command as
   * an abort does. With `check`, a failing command is the loop's error too. Output that was left out of the result
   * (`maxOutputBytes`) is part of it; output that the server no longer keeps is an error (`output_gap`).
   */
  override [Symbol.asyncIterator](): EventIterator {
    const { onStdout, onStderr } = this.#options;
    if (this.#iterated || this.#result || onStdout || onStderr) {
      return new EventIterator(() => this.#again());
    }
    this.#iterated = true;
    // The command is sent now, not when the first event is asked for.
    const read = (stream: Glue.RunStream) => this.#settled(nextBatch(stream));
    let first: Promise<Batch | undefined> | undefined = this.#stream.then(read);
    first.catch(noop);
    return new EventIterator(async () => {
      const stream = await this.#stream;
      return {
        next: async () => {
          const batch = await (first ?? read(stream));
          first = undefined;
          // An iteration without `await run` rejects on a failing command too.
          if (batch === undefined && this.#options.check) await this.result();
          return batch;
        },
        close: () => this.#end(stream),
      };
    });
  }

  /** Ends the command as an abort does, unless it has ended. */
  override async [Symbol.asyncDispose](): Promise<void> {
    if (this.status !== undefined && this.status !== "running") return;
    const stream = await this.#stream.catch(noop);
    if (stream) await this.#end(stream);
    // Who leaves the block has not asked for a result.
    this.result().catch(noop);
  }

  /** Reads the output from the server that the run's own stream has given, or gives to others. */
  async #again(): Promise<BatchSource> {
    const { pieces, maxLineBytes, longLine, reconnect, idleTimeout, transport, onReconnect, signal } =
      this.#options;
    const how = { pieces, maxLineBytes, longLine, reconnect, idleTimeout, transport, onReconnect, signal };
    const stream = await this.#stream;
    const source = await this.open(BOTH, { ...how, until: "exit" });
    return {
      next: async () => {
        const batch = await source.next();
        if (batch === undefined && this.#options.check) await this.result();
        return batch;
      },
      close: async () => {
        await source.close();
        await this.#end(stream);
      },
    };
  }

  async #finish(): Promise<R> {
    const stream = await this.#stream;
    if (this.#options.onStdout || this.#options.onStderr) await this.#tell(stream);
    const result = revive(await this.#collect(stream));
    if (this.#options.check && result.exitCode !== 0) throw new CommandError(this.#command, result);
    // With `check` it has succeeded.
    return result as R;
  }

  /** Gives every event to its handler. */
  async #tell(stream: Glue.RunStream): Promise<void> {
    const { onStdout, onStderr } = this.#options;
    const read = () => this.#settled(nextBatch(stream));
    for (let batch = await read(); batch !== undefined; batch = await read()) {
      try {
        for (let i = 0; i < batch.ends.length; i++) {
          // Nothing is left of a line that came in pieces and ends without a line end.
          if (batch.ends[i] === (batch.ends[i - 1] ?? 0)) continue;
          const event = eventOf(batch, i);
          const told = (event.stream === "stderr" ? onStderr : onStdout)?.(event);
          // Of an abort the next read tells, however long the handler takes.
          if (isPromise(told)) await unlessAborted(told.then(yes), this.#options.signal);
        }
      } catch (error) {
        await this.#end(stream);
        throw error;
      }
    }
  }

  /** The end of the command; the core hands it over once. */
  #collect(stream: Glue.RunStream): Promise<RawResult> {
    this.#outcome ??= this.#settled(call<RawResult>(() => stream.finish()));
    return this.#outcome;
  }

  /** What the core gives. If it fails, the input is over; an error of the input is the call's. */
  async #settled<T>(given: Promise<T>): Promise<T> {
    try {
      return await given;
    } catch (error) {
      this.#input?.release();
      const failure = this.#inputFailure ? this.#inputFailure.error : error;
      this.#notStarted(failure);
      this.#over();
      throw failure;
    }
  }

  /** Takes what the core tells: the pid once the command runs, and how it ended. */
  #tells(pid: number | undefined, end: RawEnd | undefined): void {
    if (pid === undefined) {
      const message = "the server does not say the pid of a run: start the command by `startProcess`";
      this.#notStarted(new ApiError({ code: "unsupported", message }));
    } else if (this.pid === undefined) {
      this.learn({ pid, status: "running" });
      this.#started(pid);
      this.#feed(pid).catch(noop);
    }
    if (!end) return;
    this.#over();
    this.#input?.release();
    const { exitCode, signal, oomKilled, outputOpen } = end;
    const status = oomKilled ? "oom_killed" : signal === null ? "exited" : "signaled";
    this.learn({ status, exitCode, signal, oomKilled, ...(outputOpen && { outputOpen }) });
  }

  /** Writes the input to the command, and ends the command if that fails. */
  async #feed(pid: number): Promise<void> {
    try {
      await this.#input?.feed(this.#calls, pid, this.#options.signal);
    } catch (error) {
      this.#inputFailure = { error };
      const stream = await this.#stream;
      callSync(() => {
        stream.close();
      });
    }
  }

  /** Ends the command as an abort does. It is the core's reading on that makes it act. */
  async #end(stream: Glue.RunStream): Promise<void> {
    callSync(() => {
      stream.close();
    });
    await this.#collect(stream).catch(noop);
  }

  async #begin(
    sandbox: Glue.Sandbox,
    given: RunOptions | undefined,
    transports: Transports,
  ): Promise<Glue.RunStream> {
    const options: RunOptions = optionsOf(
      given,
      "check input onStdout onStderr onReconnect signal",
      optionNames(OPTIONS.run),
    );
    for (const name of ["onStdout", "onStderr"] as const) checkHandler(name, options[name]);
    const onReconnect = reconnectHandler(options);
    const pieces = options.pieces === undefined && (options.onStdout ?? options.onStderr) !== undefined;
    // None are read quicker than empty ones.
    const read = pieces ? { ...options, pieces } : given;
    const { signal } = options;
    if (options.input !== undefined) this.#input = new InputSource(options.input);
    // A browser has too few connections for outputs that are followed and input that is written at the same time.
    const transport = options.transport ?? (this.#input && "auto");
    const tells = (pid: number | undefined, end: RawEnd | undefined) => {
      this.#tells(pid, end);
    };
    if (transport === undefined) {
      return callSync(() => sandbox.run(this.#command, read, onReconnect, undefined, tells, signal));
    }
    try {
      const [chosen, via] = await transports.forRun({ ...options, ...read, transport });
      return callSync(() => sandbox.run(this.#command, chosen, onReconnect, via, tells, signal));
    } catch (error) {
      this.#input?.release();
      throw error;
    }
  }
}

/** The arguments, as far as they are any: the core refuses others. */
function argsOf({ args }: RunOptions): string[] {
  return Array.isArray(args) ? [...(args as string[])] : [];
}

const yes = () => true;

function noop(): void {}
