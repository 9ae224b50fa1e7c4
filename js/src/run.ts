import { checkHandler, invalid, isPromise, optionsOf } from "./arguments.js";
import { OPTIONS } from "./client.js";
import { call, callSync, optionNames } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import { CommandError, HandlerFailure, type ShorelineError, toError } from "./errors.js";
import type { RunOptions as CoreRunOptions } from "./generated/types.js";
import { type CommandInput, InputSource } from "./input.js";
import type { ReconnectInfo } from "./options.js";
import { EventIterator, eventOf, nextBatch, type OutputEvent, type RawBatch } from "./output.js";
import { type CommandResult, type RawResult, revive } from "./result.js";
import { type Transports, unlessAborted } from "./transports.js";

/** A command to run to its end. */
export interface RunOptions extends CoreRunOptions {
  /**
   * Whether anything but exit code 0 is an error, a {@link CommandError}. Default: false, a failing
   * command is a result.
   */
  check?: boolean | undefined;
  /**
   * The command's standard input. Default: none, the command reads an end of file at once. A source is read as fast as the
   * command reads: each part is sent once the server has accepted the part before. The input ends with its source. A
   * command that ends or closes its input earlier is no error: the rest is not read, and the source is cancelled. If the
   * source fails, the call rejects with that error and ends the command, as it does if it is unknown whether a part was
   * written (`connection_lost`). A part that the command does not read within `requestTimeout` (300 s) counts as that.
   *
   * @example
   * ```ts
   * const { stdout } = await sandbox.run("sort", { input: "b\na\n" });
   * await sandbox.run("tar", { args: ["-x"], input: fs.createReadStream("site.tar"), check: true });
   * ```
   */
  input?: CommandInput | undefined;
  /**
   * Called with each event of standard output as it arrives, and with parts of unfinished lines (`pieces`). If it returns
   * a promise, that is awaited before the next event, which slows the command down. An error that it throws, or the
   * promise's rejection, is the call's and ends the command.
   */
  onStdout?: ((event: OutputEvent) => unknown) | undefined;
  /** Called with each event of standard error, as `onStdout`. */
  onStderr?: ((event: OutputEvent) => unknown) | undefined;
  /** Called before a broken connection is taken up again, which waits for a promise. Its errors are as those of `onStdout`. */
  onReconnect?: ((info: ReconnectInfo) => unknown) | undefined;
  /** Aborts the call; `onAbort` says what becomes of the command. */
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
        await onReconnect({ ...info, error: toError(info.error) as ShorelineError });
      } catch (error) {
        throw new HandlerFailure(error);
      }
    })
  );
}

/**
 * A command under way. It is a promise of its result; iterated, it is its output as it arrives, and the
 * result can be had afterwards. It runs from the call on. Who wants to iterate does so at once, before
 * the next `await`: otherwise its output is collected for the result.
 */
export class RunningCommand<R extends CommandResult = CommandResult>
  implements Promise<R>, AsyncIterable<OutputEvent>
{
  readonly #command: string;
  readonly #options: RunOptions;
  readonly #stream: Promise<Glue.RunStream>;
  #input: InputSource | undefined;
  /** The error of the input, which ends the command. */
  #inputFailure: { error: unknown } | undefined;
  #outcome: Promise<RawResult> | undefined;
  #result: Promise<R> | undefined;
  #iterated = false;

  /** @internal */
  constructor(
    sandbox: Glue.Sandbox,
    command: string,
    options: RunOptions | undefined,
    transports: Transports,
  ) {
    this.#command = command;
    this.#options = options ?? {};
    this.#stream = this.#begin(sandbox, options, transports);
    // A failure is told to who iterates or wants the result.
    this.#stream.catch(noop);
    queueMicrotask(() => {
      // As with any promise: of a failure that nobody handles the runtime tells.
      if (!this.#iterated) void this.result();
    });
  }

  /**
   * The result, once the command has ended. Rejects with a {@link ShorelineError} where its end is not known:
   * `run_outcome_unknown`, `stream_broken`, `aborted` and others; with a {@link CommandError} where `check` is set
   * and it failed.
   */
  result(): Promise<R> {
    this.#result ??= this.#finish();
    return this.#result;
  }

  /** As of any promise: waits for the result. */
  then<A = R, B = never>(
    fulfilled?: ((value: R) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.result().then(fulfilled, rejected);
  }

  /** As of any promise. */
  catch<B = never>(rejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<R | B> {
    return this.result().catch(rejected);
  }

  /** As of any promise. */
  finally(settled?: (() => void) | null): Promise<R> {
    return this.result().finally(settled);
  }

  /** What `Object.prototype.toString` names it. */
  readonly [Symbol.toStringTag] = "RunningCommand";

  /** The output as it arrives. Leaving the loop ends the command as an abort does. */
  [Symbol.asyncIterator](): EventIterator {
    if (this.#iterated || this.#result || this.#options.onStdout || this.#options.onStderr) {
      throw invalid(
        "a command's output can be iterated once, at once after `run`, and without `onStdout` and `onStderr`",
      );
    }
    this.#iterated = true;
    // The command is sent now, not when the first event is asked for.
    const read = (stream: Glue.RunStream) => this.#settled(nextBatch(stream));
    let first: Promise<RawBatch | undefined> | undefined = this.#stream.then(read);
    first.catch(noop);
    return new EventIterator(async () => {
      const stream = await this.#stream;
      return {
        next: async () => {
          const batch = await (first ?? read(stream));
          first = undefined;
          if (batch === undefined) this.#input?.release();
          // Who only iterates hears of a failing command too.
          if (batch === undefined && this.#options.check) await this.result();
          return batch;
        },
        close: () => this.#end(stream),
      };
    });
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
        for (let i = 0; i < batch[1].length; i++) {
          // Nothing is left of a line that came in pieces and ends without a line end.
          if (batch[1][i] === (batch[1][i - 1] ?? 0)) continue;
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
    this.#outcome ??= this.#settled(call<RawResult>(() => stream.finish())).finally(() =>
      this.#input?.release(),
    );
    return this.#outcome;
  }

  /** What the core gives. If it fails, the input is over; an error of the input is the call's. */
  async #settled<T>(given: Promise<T>): Promise<T> {
    try {
      return await given;
    } catch (error) {
      this.#input?.release();
      throw this.#inputFailure ? this.#inputFailure.error : error;
    }
  }

  /** Writes the input to the command, and ends the command if that fails. */
  async #feed(sandbox: Glue.Sandbox, pid: number): Promise<void> {
    try {
      await this.#input?.feed(sandbox, pid, this.#options.signal);
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
    const onStart = this.#input && ((pid: number) => void this.#feed(sandbox, pid));
    if (transport === undefined) {
      return callSync(() => sandbox.run(this.#command, read, onReconnect, undefined, undefined, signal));
    }
    try {
      const [chosen, via] = await transports.forRun({ ...options, ...read, transport });
      return callSync(() => sandbox.run(this.#command, chosen, onReconnect, via, onStart, signal));
    } catch (error) {
      this.#input?.release();
      throw error;
    }
  }
}

const yes = () => true;

function noop(): void {}
