// Hands a terminal's output to its consumers, and tells when they have consumed it.
import { checkHandler, isPromise } from "./arguments.js";

/** What a terminal writes. Characters and escape sequences may be cut anywhere. */
export type PtyDataHandler = (data: Uint8Array<ArrayBuffer>) => unknown;

/** Takes data; what is returned is settled once the data was consumed. */
type Take = (data: Uint8Array<ArrayBuffer>) => Promise<unknown> | undefined;

/** What is kept of output that nobody has taken yet: the last of it, as much as servers keep. */
const WAITING_BYTES = 1024 * 1024;
/** What a stream holds for its reader. */
const STREAM_BYTES = 64 * 1024;

export class Outlet {
  readonly #consumed: (bytes: number) => void;
  readonly #failed: (error: unknown) => void;
  readonly #takers = new Map<unknown, Take>();
  /** What handlers are busy with. */
  readonly #busy = new Set<Promise<unknown>>();
  /** What came before anybody wanted it. */
  #waiting: Uint8Array<ArrayBuffer>[] | undefined = [];
  #waitingBytes = 0;
  #unread = false;

  /** `failed` is told of an error of a handler; the other handlers are called all the same. */
  constructor(consumed: (bytes: number) => void, failed: (error: unknown) => void) {
    this.#consumed = consumed;
    this.#failed = failed;
  }

  deliver(data: Uint8Array<ArrayBuffer>): void {
    if (!this.#waiting) {
      this.#give(data, this.#consumed);
      return;
    }
    this.#waiting.push(data);
    this.#waitingBytes += data.length;
    if (this.#unread) this.#consumed(data.length);
    while (this.#waitingBytes > WAITING_BYTES) {
      const dropped = this.#waiting.shift()?.length ?? 0;
      this.#waitingBytes -= dropped;
      if (!this.#unread) this.#consumed(dropped);
    }
  }

  /** Nobody is expected to read: output that waits counts as consumed, so that the program goes on. */
  leaveUnread(): void {
    if (!this.#waiting || this.#unread) return;
    this.#unread = true;
    this.#consumed(this.#waitingBytes);
  }

  /** Calls `handler` with output, one call after the other: a promise that it returns is waited for. */
  subscribe(handler: PtyDataHandler): () => void {
    checkHandler("handler", handler);
    let before: Promise<unknown> | undefined;
    return this.#subscribe(handler, (data) => {
      const result = before ? before.then(() => handler(data)) : handler(data);
      if (!isPromise(result)) return undefined;
      const settled: Promise<unknown> = Promise.resolve(result)
        .catch(this.#failed)
        .finally(() => {
          this.#busy.delete(settled);
          if (before === settled) before = undefined;
        });
      before = settled;
      this.#busy.add(settled);
      return settled;
    });
  }

  /** Output as a stream until `end`. Data was consumed once the stream holds little. */
  stream(end: Promise<unknown>): ReadableStream<Uint8Array<ArrayBuffer>> {
    let stop = noop;
    let read = noop;
    const source: UnderlyingDefaultSource<Uint8Array<ArrayBuffer>> = {
      start: (controller) => {
        let room = Promise.resolve();
        const off = this.#subscribe(controller, (data) => {
          controller.enqueue(data);
          if ((controller.desiredSize ?? 1) > 0) return undefined;
          if (read === noop) room = new Promise((resolve) => (read = resolve));
          return room;
        });
        stop = () => {
          stop = noop;
          off();
          read();
        };
        const finish = (finished: () => void) => {
          if (stop === noop) return;
          stop();
          finished();
        };
        end.then(
          () => {
            finish(() => {
              controller.close();
            });
          },
          (error: unknown) => {
            finish(() => {
              controller.error(error);
            });
          },
        );
      },
      pull: () => {
        read();
        read = noop;
      },
      cancel: () => {
        stop();
      },
    };
    const size = (data?: Uint8Array) => data?.length ?? 0;
    return new ReadableStream(source, { highWaterMark: STREAM_BYTES, size });
  }

  /** Once handlers have done with what was delivered; `undefined` if they have. */
  done(): Promise<unknown> | undefined {
    return this.#busy.size > 0 ? Promise.all(this.#busy) : undefined;
  }

  #subscribe(key: unknown, take: Take): () => void {
    if (!this.#takers.has(key)) this.#takers.set(key, take);
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const data of waiting) this.#give(data, this.#unread ? noop : this.#consumed);
    return () => {
      this.#takers.delete(key);
    };
  }

  #give(data: Uint8Array<ArrayBuffer>, consumed: (bytes: number) => void): void {
    const pending: Promise<unknown>[] = [];
    for (const take of this.#takers.values()) {
      try {
        const taken = take(data);
        if (taken) pending.push(taken);
      } catch (error) {
        this.#failed(error);
      }
    }
    if (pending.length === 0) consumed(data.length);
    else
      void Promise.allSettled(pending).then(() => {
        consumed(data.length);
      });
  }
}

function noop(): void {}
