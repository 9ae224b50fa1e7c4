import { bytesOf, checkHandler, type Data, invalid, optionsOf } from "./arguments.js";
import { call, callSync } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import { ConnectionError, ShorelineError } from "./errors.js";
import { host } from "./host.js";
import type { CallOptions } from "./options.js";

/** Progress of a transfer. */
export interface Progress {
  /** Bytes transferred so far. */
  transferred: number;
  /** Total bytes; undefined if unknown. */
  total: number | undefined;
}

/** Options of a transfer of a file. */
export interface TransferOptions extends CallOptions {
  /**
   * Called as bytes are transferred. Content that is not a stream is reported at its start and at its end. If it returns a
   * promise, the transfer waits for it. If it throws or the promise rejects, the call rejects with that error.
   */
  onProgress?: ((progress: Progress) => unknown) | undefined;
}

/** Content of a file: text, bytes, a `Blob`, a stream or another async iterable of bytes. */
export type FileContent = Data | Blob | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/** @internal A failure in the middle is the stream's error. */
export async function readStream(
  core: Glue.Sandbox,
  path: string,
  options?: TransferOptions,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const { signal, onProgress }: TransferOptions = optionsOf(options, "signal onProgress");
  checkHandler("onProgress", onProgress);
  const download = await call<Glue.Download>(() => core.readFile(path, undefined, signal));
  const total = download.size;
  let transferred = 0;
  const close = () => {
    callSync(() => {
      download.close();
    });
  };
  return new ReadableStream(
    {
      async pull(controller) {
        const chunk = await call<Uint8Array<ArrayBuffer> | undefined>(() => download.next());
        if (chunk === undefined) {
          controller.close();
          return;
        }
        transferred += chunk.length;
        try {
          await onProgress?.({ transferred, total });
        } catch (error) {
          close();
          throw error;
        }
        controller.enqueue(chunk);
      },
      cancel: close,
    },
    // Nothing is read ahead of the consumer.
    { highWaterMark: 0 },
  );
}

/** @internal */
export async function read(
  core: Glue.Sandbox,
  path: string,
  options?: TransferOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = (await readStream(core, path, options)).getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    chunks.push(next.value);
    length += next.value.length;
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** @internal `how` is added to the query. */
export async function write(
  core: Glue.Sandbox,
  path: string,
  content: FileContent,
  options?: TransferOptions,
  how = "",
): Promise<void> {
  const { signal, onProgress }: TransferOptions = optionsOf(options, "signal onProgress");
  checkHandler("onProgress", onProgress);
  const body = isBody(content) ? content : isIterable(content) ? streamOf(content) : bytesOf(content);
  if ("getReader" in body) {
    if (body.locked) throw invalid("the stream is locked: something else reads it");
    let sent = 0;
    const { counted, refused, release } = counting(body, (progress) => {
      sent = progress.transferred;
      return onProgress?.(progress);
    });
    try {
      const content = host.streamsUploads ? counted : await new Response(counted).blob();
      await call(() => core.writeFile(path, content, how, signal));
    } catch (error) {
      // `fetch` reports an error of the stream as a broken connection.
      const failure = refused() ?? cutOff(error, sent);
      release(failure);
      throw failure;
    }
    return;
  }
  const total = body instanceof Uint8Array ? body.length : body.size;
  await onProgress?.({ transferred: 0, total });
  try {
    await call(() => core.writeFile(path, body, how, signal));
  } catch (error) {
    throw cutOff(error, total);
  }
  await onProgress?.({ transferred: total, total });
}

/** Larger bodies are refused by the open-source server, which may close the connection before its answer is read. */
const SMALLEST_LIMIT = 2 * 1024 * 1024;

/** The error of an upload of so many bytes: a connection that broke may mean that they are too many. */
function cutOff(error: unknown, bytes: number): unknown {
  if (!ShorelineError.is(error) || error.code !== "connection_lost" || bytes <= SMALLEST_LIMIT) return error;
  const { code, message } = error;
  return new ConnectionError({
    code,
    message: `${message}; the file is larger than 2 MiB, the limit of some servers`,
    cause: error.cause,
  });
}

/** Checked by its properties, not by its class: runtimes have several classes. */
export function isBody(content: unknown): content is Blob | ReadableStream<Uint8Array> {
  if (typeof content !== "object" || content === null) return false;
  return "getReader" in content || ("stream" in content && "size" in content);
}

export function isIterable(content: unknown): content is AsyncIterable<Uint8Array> {
  return typeof content === "object" && content !== null && Symbol.asyncIterator in content;
}

/** Not every runtime has `ReadableStream.from`. */
export function streamOf<T>(chunks: AsyncIterable<T>): ReadableStream<T> {
  const iterator = chunks[Symbol.asyncIterator]();
  return new ReadableStream(
    {
      async pull(controller) {
        const next = await iterator.next();
        if (next.done) controller.close();
        else controller.enqueue(next.value);
      },
      async cancel(reason) {
        await iterator.return?.(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

/** A stream that reports its progress and rejects chunks that are not bytes. `release` cancels the source. */
function counting(
  stream: ReadableStream<Uint8Array>,
  onProgress: TransferOptions["onProgress"],
): {
  counted: ReadableStream<Uint8Array>;
  refused: () => unknown;
  release: (reason: unknown) => void;
} {
  let transferred = 0;
  let refusal: unknown;
  let release!: (reason: unknown) => void;
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    start: (controller) => {
      release = (reason) => {
        controller.error(reason);
      };
    },
    async transform(chunk, controller) {
      try {
        if (!ArrayBuffer.isView(chunk))
          throw invalid("a stream that is written to a file must give Uint8Arrays");
        transferred += chunk.byteLength;
        await onProgress?.({ transferred, total: undefined });
      } catch (error) {
        refusal = error;
        throw error;
      }
      controller.enqueue(chunk);
    },
  });
  return { counted: stream.pipeThrough(counter), refused: () => refusal, release };
}
