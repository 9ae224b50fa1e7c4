// Standard input of a command that is run: read from its source as fast as the command takes it.
import { bytesOf, type Data, invalid } from "./arguments.js";
import { ShorelineError } from "./errors.js";
import { isBody, isIterable, streamOf } from "./files.js";
import type { ProcessCalls } from "./process.js";
import { pause } from "./socket.js";

/** Text (sent as UTF-8), bytes, or a source of these: a stream, an async iterable such as a Node stream, or a `Blob`. */
export type CommandInput = Data | Blob | ReadableStream<Data> | AsyncIterable<Data>;

/** Bytes in one request: servers refuse bodies of more than 2 MiB. */
const PART_BYTES = 1024 * 1024;
/** The waits before each attempt to close the input, ms: closing it again has no effect. */
const CLOSE_MS = [0, 100, 400, 1600];

/** @internal Where input is read from. */
export class InputSource {
  readonly #reader: ReadableStreamDefaultReader<Data>;
  readonly #over = new AbortController();

  /** Throws `invalid_argument` for what is no input. */
  constructor(input: CommandInput) {
    const source = isBody(input)
      ? "getReader" in input
        ? input
        : input.stream()
      : streamOf(isIterable(input) ? (input as AsyncIterable<Data>) : once(bytesOf(input as Data)));
    if (source.locked) throw invalid("the stream is locked: something else reads it");
    this.#reader = source.getReader();
  }

  /** Writes everything to a process and closes its input. Resolves early once the process takes no more input. */
  async feed(calls: ProcessCalls, pid: number, aborts: AbortSignal | undefined): Promise<void> {
    const { signal } = this.#over;
    const abort = () => {
      this.release();
    };
    aborts?.addEventListener("abort", abort);
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (signal.aborted) return;
        if (done) break;
        const bytes = bytesOf(value);
        for (let at = 0; at < bytes.length; at += PART_BYTES) {
          const part = bytes.subarray(at, at + PART_BYTES);
          await calls.writeStdin(pid, part, { signal });
        }
      }
      await this.#close(calls, pid);
    } catch (error) {
      const isOver = ShorelineError.is(error) && error.serverCode === "STDIN_NOT_WRITABLE";
      if (!isOver && !signal.aborted) throw error;
    } finally {
      aborts?.removeEventListener("abort", abort);
      this.release();
    }
  }

  /** Ends a feed, and cancels the source. */
  release(): void {
    this.#over.abort();
    // A source that fails while it is released has nobody left to tell.
    this.#reader.cancel().catch(() => undefined);
  }

  async #close(calls: ProcessCalls, pid: number): Promise<void> {
    const { signal } = this.#over;
    let failure: unknown;
    for (const ms of CLOSE_MS) {
      if (ms > 0) await pause(ms, signal);
      try {
        await calls.closeStdin(pid, { signal });
        return;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }
}

async function* once<T>(value: T): AsyncGenerator<T, void, void> {
  yield await Promise.resolve(value);
}
