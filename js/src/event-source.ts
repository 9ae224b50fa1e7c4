import { core } from "./core.js";
import { UsageError } from "./errors.js";
import type { ClientOptions } from "./options.js";

/** A class of EventSources. */
export interface EventSourceConstructor {
  /** Connects, and follows what is sent. */
  // eslint-disable-next-line @typescript-eslint/prefer-function-type -- the reference shows this comment
  new (url: string): EventSource;
}

type Fetch = NonNullable<ClientOptions["fetch"]>;

/** More than this waits nowhere: an EventSource cannot be slowed, but it can be closed and opened again. */
const WAITING_CHARS = 4 * 1024 * 1024;

/**
 * A `fetch` for event streams that goes by an EventSource, which sends no headers, and says nothing of why it
 * has failed: then `ask` does.
 */
export async function eventSourceFetch(
  given: EventSourceConstructor | undefined,
  ask: Fetch = fetch,
): Promise<Fetch> {
  const Source = given ?? (globalThis as { EventSource?: EventSourceConstructor }).EventSource;
  if (typeof Source !== "function") {
    throw new UsageError({
      code: "missing_capability",
      message:
        "this runtime has no EventSource: pass one as the `EventSource` option, or leave `transport` out",
    });
  }
  const names = (await core()).eventNames();
  return async (url, init) => {
    try {
      return await open(new Source(url), names, init?.signal);
    } catch (error) {
      if (init?.signal?.aborted) throw error;
      const response = await ask(url, init);
      if (response.status >= 400) return response;
      await response.body?.cancel();
      throw error;
    }
  };
}

function open(
  source: EventSource,
  names: string[],
  signal: AbortSignal | null | undefined,
): Promise<Response> {
  const encoder = new TextEncoder();
  return new Promise((resolve, reject) => {
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    let waiting = "";
    let wake = noop;
    /** How it ends once what waits was read. */
    let over: (() => void) | undefined;
    const end = (how: () => void) => {
      if (over) return;
      over = how;
      source.close();
      signal?.removeEventListener("abort", abort);
      wake();
    };
    const abort = () => {
      waiting = "";
      end(() => {
        controller.error(signal?.reason);
      });
      reject(new TypeError("the EventSource was aborted"));
    };
    const flush = () => {
      wake = noop;
      // Many events are read at once, as many as have come.
      if (waiting !== "") controller.enqueue(encoder.encode(waiting));
      else over?.();
      waiting = "";
    };
    const body = new ReadableStream<Uint8Array>(
      {
        start(made) {
          controller = made;
        },
        pull() {
          if (waiting !== "" || over) {
            flush();
            return;
          }
          return new Promise<void>((done) => {
            wake = () => {
              flush();
              done();
            };
          });
        },
        cancel() {
          end(noop);
        },
      },
      { highWaterMark: 0 },
    );
    for (const name of names) {
      source.addEventListener(name, ({ data, lastEventId }: MessageEvent<string>) => {
        if (over) return;
        const id = lastEventId === "" ? "" : `id: ${lastEventId}\n`;
        const lines = data.split("\n").map((line) => `data: ${line}\n`);
        waiting += `${id}event: ${name}\n${lines.join("")}\n`;
        wake();
        if (waiting.length <= WAITING_CHARS) return;
        // What waits is still read; then it is gone on after it.
        end(() => {
          controller.close();
        });
      });
    }
    source.addEventListener("open", () => {
      resolve(new Response(body, { headers: { "content-type": "text/event-stream" } }));
    });
    source.addEventListener("error", (event) => {
      // It would go on by itself, and nobody would know what was lost. Only some say why.
      const { message = "no reason was given" } = event as { message?: string };
      const broken = new TypeError(`the EventSource broke: ${message}`);
      end(() => {
        controller.error(broken);
      });
      reject(broken);
    });
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
  });
}

function noop(): void {}
