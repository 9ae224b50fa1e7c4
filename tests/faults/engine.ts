// The open-source engine's daemon: without event ids or the endpoint `run`, with log files that are written late. A
// follow reads the files first and then subscribes, so that lines are missed or come twice in between.
import { EventEmitter, once } from "node:events";
import { framesOf, isOutput, written } from "./events.js";
import type { Random } from "./random.js";
import type { StreamName } from "./workload.js";

interface Line {
  stream: StreamName;
  text: string;
  /** When the file of its stream has it, ms. */
  filed: number;
}

/** How long a line takes to its file, ms. */
const FILING = 40;
/** How long after the end of a process its last line takes to its file, ms. */
const LAST_FILING = 80;

/** What a daemon does wrong besides. */
export interface EngineFaults {
  /** Whether it has lines of an earlier process with the same pid. */
  repeatsPid: boolean;
  /** Whether it loses the exit status. */
  losesExit: boolean;
  /** How many of the last lines its followers do not get. */
  endsEarly: number;
  /** Whether a follower that is slow misses a line. */
  lags: boolean;
}

export function engineFaults(random: Random): EngineFaults {
  return {
    repeatsPid: random.chance(0.3),
    losesExit: random.chance(0.05),
    endsEarly: random.chance(0.2) ? random.int(1, 4) : 0,
    lags: random.chance(0.06),
  };
}

/** The daemon, for one process. */
export class Engine {
  /** What an earlier process wrote. */
  readonly old: string[];
  /** Whether a follower missed lines that another one does not have, or had lines twice. */
  lost = false;
  readonly faults: EngineFaults;
  readonly #random: Random;
  readonly #lines: Line[] = [];
  #following: Promise<void> | undefined;
  #ended: number | undefined;
  #failure: unknown;
  readonly #news = new EventEmitter().setMaxListeners(0);

  constructor(faults: EngineFaults, random: Random) {
    this.faults = faults;
    this.#random = random;
    this.old = faults.repeatsPid ? ["of an earlier process", "also"] : [];
    for (const text of this.old) this.#lines.push({ stream: "stdout", text, filed: 0 });
  }

  /** Reads the output of the process from the server behind, once. */
  begin(process: string, headers: Record<string, string>): void {
    this.#following ??= this.#follow(process, headers).catch((error: unknown) => {
      this.#failure = error;
    });
  }

  async #follow(process: string, headers: Record<string, string>): Promise<void> {
    const response = await fetch(`${process}/output/follow`, { headers });
    // What it does not know has no output and has ended.
    if (response.status === 404) {
      this.#end();
      return;
    }
    if (!response.ok || !response.body) throw new Error(`the server behind answers ${response.status}`);
    const body = response.body as unknown as AsyncIterable<Uint8Array>;
    for await (const frames of framesOf(buffers(body))) {
      for (const { data } of frames.filter(isOutput)) {
        const stream = data.stream as StreamName;
        const before = this.#lines.findLast((line) => line.stream === stream)?.filed ?? 0;
        const filed = Math.max(before, Date.now() + this.#random.int(0, FILING));
        // A line that ends in CR LF is sent without both.
        this.#lines.push({ stream, text: (data.line as string).replace(/\r$/, ""), filed });
      }
      this.#news.emit("lines");
    }
    this.#end();
  }

  #end(): void {
    const ended = Date.now();
    this.#ended = ended;
    for (const line of this.#lines) line.filed = Math.min(line.filed, ended + LAST_FILING);
    this.#news.emit("lines");
  }

  /** Once the process has ended, and its output is known. */
  async ended(): Promise<void> {
    await this.#following;
    if (this.#failure !== undefined) throw new Error("the server behind failed", { cause: this.#failure });
  }

  /** What the files have. */
  json(stream: StreamName | undefined): Buffer {
    const lines = this.#filed(stream).map(({ text }) => text);
    return Buffer.from(JSON.stringify({ pid: 1, lines, line_count: lines.length }));
  }

  /** The record of the process, as the server behind has it. */
  async record(record: Record<string, unknown>): Promise<Record<string, unknown>> {
    if (record.status === "running") return record;
    await this.ended();
    return this.faults.losesExit ? { ...record, status: "exited", exit_code: -1, signal: undefined } : record;
  }

  #filed(stream: StreamName | undefined): Line[] {
    const now = Date.now();
    const there = this.#lines.filter((line) => line.filed <= now);
    const of = (name: StreamName) => there.filter((line) => line.stream === name);
    return stream ? of(stream) : [...of("stdout"), ...of("stderr")];
  }

  /** What a follower is sent. */
  async *stream(stream: StreamName | undefined, signal: AbortSignal): AsyncGenerator<Buffer> {
    const isWanted = (line: Line) => stream === undefined || line.stream === stream;
    const filed = this.#filed(stream);
    const events = (lines: Line[], timestamp: number) => {
      const tagged = (line: Line) => (stream === undefined ? { stream: line.stream } : {});
      const one = (line: Line) =>
        written({ name: "output", data: { line: line.text, timestamp, ...tagged(line) } });
      return Buffer.from(lines.map(one).join(""));
    };
    const eof = Buffer.from(written({ name: "eof", data: {} }));
    const hasEnded = this.#ended !== undefined;
    let next = this.#lines.length;
    if (!hasEnded) {
      const arrived = this.#lines.filter(isWanted);
      const unfiled = arrived.length - filed.length;
      const again = filed.length > this.old.length && unfiled === 0 && this.#random.chance(0.3);
      if (again && isWanted(this.#lines[next - 1] as Line)) next--;
      this.lost ||= unfiled > 0 || next < this.#lines.length;
    }
    if (filed.length > 0) yield events(filed, 0);
    if (hasEnded) {
      yield eof;
      return;
    }
    yield Buffer.from(":\n\n");
    while (!signal.aborted) {
      const over = this.#ended !== undefined;
      const news = this.#lines.length;
      const until = Math.max(next, this.#lines.length - this.faults.endsEarly);
      const fresh = this.#lines.slice(next, until).filter(isWanted);
      next = until;
      if (this.faults.lags && fresh.length > 2 && this.#random.chance(0.5)) {
        fresh.splice(1, 1);
        this.lost = true;
      }
      if (fresh.length > 0) yield events(fresh, Date.now());
      if (over) {
        yield eof;
        return;
      }
      // Nothing is awaited between the look at the lines and this, but what is sent.
      if (this.#lines.length === news && this.#ended === undefined)
        await once(this.#news, "lines", { signal }).catch(() => undefined);
    }
  }
}

async function* buffers(body: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const chunk of body) yield Buffer.from(chunk);
}
