// Follows a process's output into a buffer, for as long as somebody looks at it.
import { type Signal, signal } from "@preact/signals";
import type { Cursor, ProcessAddress, Sandbox } from "shoreline";
import { FOREVER, messageOf } from "./model.js";
import { OutputBuffer } from "./output-buffer.js";

export type Following = { state: "live" | "again" | "ended" } | { state: "failed"; message: string };

/** How long output is taken in at a time, ms: then the page has a turn. */
const TURN = 8;
/** Longer lines are cut, which is said. */
const LINE_BYTES = 1024 * 1024;

export class Follower {
  readonly buffer = new OutputBuffer();
  /** How many lines there are to show. It changes with all that is to be shown, at most once for a frame. */
  readonly shown = signal({ end: 0 });
  readonly following: Signal<Following> = signal({ state: "live" });
  readonly #sandbox: Sandbox;
  readonly #address: ProcessAddress;
  #abort = new AbortController();
  #cursor: Cursor | undefined;
  #frame = 0;

  constructor(sandbox: Sandbox, address: ProcessAddress) {
    this.#sandbox = sandbox;
    this.#address = address;
  }

  /** Continues where it stopped, unless the output is complete. */
  async follow(): Promise<void> {
    if (this.following.value.state === "ended") return;
    this.#abort.abort();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.following.value = { state: "live" };
    const events = this.#sandbox.followOutput(this.#address, {
      signal,
      reconnect: FOREVER,
      maxLineBytes: LINE_BYTES,
      longLine: "cut",
      pieces: true,
      transport: "auto",
      onReconnect: () => {
        this.following.value = { state: "again" };
      },
      ...(this.#cursor && { after: this.#cursor }),
    });
    let began = performance.now();
    try {
      for await (const batch of events.batches()) {
        // The next follow delivers this batch again.
        if (signal.aborted) return;
        this.#cursor = events.cursor();
        const cut = batch.map((event) =>
          event.truncated && !event.partial
            ? {
                stream: event.stream,
                timeMs: event.timeMs,
                line: `${event.line} … (cut)`,
                partial: false,
              }
            : event,
        );
        this.buffer.push(cut);
        if (this.following.value.state === "again") this.following.value = { state: "live" };
        this.#show();
        if (performance.now() - began > TURN) {
          await new Promise((resolve) => setTimeout(resolve));
          began = performance.now();
        }
      }
      if (signal.aborted) return;
      this.following.value = { state: "ended" };
    } catch (error) {
      if (signal.aborted) return;
      this.following.value = { state: "failed", message: messageOf(error) };
    }
    this.#show();
  }

  /** The exact bytes of everything that is shown, and of what was let go; of standard error only, if that is asked. */
  async whole(onlyStderr: boolean): Promise<Blob> {
    const ended = this.following.value.state === "ended";
    const shown = ended ? undefined : this.#cursor;
    if (!ended && !shown) return new Blob();
    const parts: Uint8Array<ArrayBuffer>[] = [];
    const { signal } = this.#abort;
    const events = this.#sandbox.followOutput(this.#address, {
      signal,
      pieces: true,
      transport: "auto",
    });
    for await (const batch of events.batches()) {
      for (const event of batch) if (!onlyStderr || event.stream === "stderr") parts.push(event.bytes);
      if (shown && isBeyond(events.cursor(), shown)) break;
    }
    return new Blob(parts);
  }

  /** Stops following until the next `follow`. What was read stays. */
  rest(): void {
    this.#abort.abort();
  }

  #show(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => {
      this.shown.value = { end: this.buffer.end };
    });
  }
}

/** Whether a follower has come as far as another. */
function isBeyond(one: Cursor, other: Cursor): boolean {
  return [0, 1].every((stream) => {
    const [now, then] = [one, other].map(({ counts, unfinished }) => [
      counts?.[stream] ?? 0,
      unfinished?.[stream] ?? 0,
    ]) as [[number, number], [number, number]];
    return now[0] > then[0] || (now[0] === then[0] && now[1] >= then[1]);
  });
}
