// Servers of other kinds, made of the local one by rewriting what it says.
import { type Frame, framesOf, isOutput, isUnfinished, written } from "./events.js";
import { Engine, engineFaults } from "./engine.js";
import type { Random } from "./random.js";

/** What a kind of server does. */
export interface Traits {
  /** The ids of its events: numbers that grow, texts without an order, or none. */
  ids: "numbers" | "texts" | "none";
  /** Whether it goes on after `Last-Event-ID`; otherwise it sends everything again. */
  resumes: boolean;
  /** In which order it sends the streams again; each keeps its own. */
  replay: "same" | "grouped" | "mixed";
  /** Whether it keeps `bytes`, `eol` and `reason`, and sends unfinished lines. */
  extends: boolean;
  /** The times of its events. */
  times: "kept" | "zero" | "none";
  /** What it answers to `run`. */
  run: "stream" | 404 | 405;
  /** Whether it is the open-source engine's daemon, which loses lines by itself. */
  loses?: boolean;
  /** What it no longer has when a follower comes back. */
  forgets: "nothing" | "a line" | "events" | "events, with a status" | "the process";
}

const FULL: Traits = {
  ids: "numbers",
  resumes: true,
  replay: "same",
  extends: true,
  times: "kept",
  run: "stream",
  forgets: "nothing",
};
const PLAIN: Traits = { ...FULL, ids: "none", resumes: false };

export const PEERS = {
  /** The local server. */
  local: FULL,
  /** One that does not know `Last-Event-ID`, and sends everything again with the same ids. */
  deaf: { ...FULL, resumes: false },
  texts: { ...FULL, ids: "texts" },
  "deaf texts": { ...FULL, ids: "texts", resumes: false },
  plain: PLAIN,
  shuffling: { ...PLAIN, replay: "mixed", times: "none" },
  /** The open-source daemon. */
  daemon: { ...PLAIN, replay: "grouped", extends: false, times: "zero", run: 405 },
  engine: { ...PLAIN, replay: "grouped", extends: false, times: "zero", run: 405, loses: true },
  /** One that loses a line of what it sent, and counts it still. */
  losing: { ...PLAIN, forgets: "a line" },
  "losing texts": { ...FULL, ids: "texts", resumes: false, forgets: "a line" },
  /** One whose log was cut off, and which says so. */
  expiring: { ...FULL, forgets: "events" },
  gone: { ...FULL, forgets: "events, with a status" },
  /** One that was started anew. */
  restarted: { ...FULL, forgets: "the process" },
} satisfies Record<string, Traits>;

export type PeerName = keyof typeof PEERS;

/** What the local server adds to the API, left out. */
const UNSAID = { bytes: undefined, eol: undefined, reason: undefined, output_open: undefined };
const TEXT_ID = "event-";

/** A request for a stream, as this server would understand it. */
interface Ask {
  /** A run's stream, or a follow's. */
  isRun: boolean;
  /** What the client sent. */
  lastEventId: string | undefined;
}

/** One server of a kind, for one process. */
export class Peer {
  /** Whether what it forgot was asked for. */
  lost = false;
  /** How often an unfinished line was sent. */
  unfinished = 0;
  readonly traits: Traits;
  readonly engine: Engine | undefined;
  readonly #random: Random;
  /** How much of the output was sent before, in lines of all streams. */
  #sent = 0;
  /** Which of these is lost. */
  #hole: number | undefined;

  constructor(traits: Traits, random: Random, engine?: Engine) {
    this.traits = traits;
    this.#random = random;
    this.engine = engine ?? (traits.loses ? new Engine(engineFaults(random), random) : undefined);
  }

  /** Whether a follower comes back, for whom there may be something lost. */
  get #returns(): boolean {
    return this.#sent > 0;
  }

  /** What the server behind is asked for. */
  lastEventId(asked: string | undefined): string | undefined {
    if (!this.traits.resumes || asked === undefined) return undefined;
    return this.traits.ids === "texts" ? asked.slice(TEXT_ID.length) : asked;
  }

  /** An error that is answered to a follower instead. */
  refusal(isFollow: boolean): { status: number; code: string } | undefined {
    const { forgets } = this.traits;
    if (!this.#returns) return undefined;
    if (forgets === "the process") {
      this.lost = true;
      return { status: 404, code: "NOT_FOUND" };
    }
    if (forgets === "events, with a status" && isFollow) {
      this.lost = true;
      return { status: 410, code: "OUTPUT_EXPIRED" };
    }
    return undefined;
  }

  /** A body that is no stream. */
  async json(body: Buffer): Promise<Buffer> {
    if (this.traits.extends) return body;
    const answer = { ...(JSON.parse(body.toString()) as Record<string, unknown>), ...UNSAID };
    const told = this.engine && "status" in answer ? await this.engine.record(answer) : answer;
    return Buffer.from(JSON.stringify(told));
  }

  /** The body of a stream. A run's first event comes by itself. */
  async *stream(body: AsyncIterable<Buffer>, ask: Ask): AsyncGenerator<Buffer> {
    const before = this.traits.resumes && ask.lastEventId !== undefined ? 0 : this.#sent;
    let number = this.#sent - before;
    let replay: Frame[] = [];
    let first = ask.isRun;
    let missing = this.traits.forgets === "events" && this.#returns ? 2 : 0;
    const hole: Frame[] = [];
    for await (const group of framesOf(body)) {
      let out = "";
      for (const frame of group) {
        if (isUnfinished(frame)) {
          if (!this.traits.extends) continue;
          this.unfinished++;
          out += `${frame.text}\n\n`;
          continue;
        }
        if (!isOutput(frame)) {
          if (frame.name === "exit" && !this.traits.extends) continue;
          missing = 0;
          // What precedes it in the log precedes it in a replay.
          out += this.#ordered(replay)
            .map((one) => this.#text(one, true))
            .join("");
          replay = [];
          out += this.#gap(hole) + this.#text(frame, false);
          if (first) {
            yield Buffer.from(out);
            out = "";
            first = false;
          }
          continue;
        }
        number++;
        if (missing > 0) {
          missing--;
          hole.push(frame);
          if (missing === 0) out += this.#gap(hole);
        } else if (number <= before && this.traits.replay !== "same") {
          replay.push(frame);
          if (number === before) {
            for (const one of this.#ordered(replay)) out += this.#text(one, true);
            replay = [];
          }
        } else if (number <= before && this.#isLost(number, before)) {
          this.lost = true;
        } else {
          out += this.#text(frame, number <= before);
        }
        this.#sent = Math.max(this.#sent, number);
      }
      if (out !== "") yield Buffer.from(out);
    }
  }

  /** What is lost stays lost. */
  #isLost(number: number, before: number): boolean {
    if (this.traits.forgets !== "a line") return false;
    this.#hole ??= this.#random.int(1, before);
    return number === this.#hole;
  }

  /** Admits that these events are no longer there. */
  #gap(hole: Frame[]): string {
    const ids = hole.splice(0).map((frame) => Number(frame.id));
    if (ids.length === 0) return "";
    this.lost = true;
    return written({ name: "gap", data: { gap: { from: ids[0], to: ids.at(-1) } } });
  }

  #ordered(frames: Frame[]): Frame[] {
    const streams = ["stdout", "stderr", undefined].map((name) =>
      frames.filter((frame) => frame.data.stream === name),
    );
    if (this.traits.replay === "grouped") return streams.flat();
    const mixed: Frame[] = [];
    while (mixed.length < frames.length) {
      const next = this.#random.pick(streams).shift();
      if (next) mixed.push(next);
    }
    return mixed;
  }

  #text(frame: Frame, again: boolean): string {
    const { ids, times } = this.traits;
    if (ids === "numbers" && this.traits.extends && times === "kept") return `${frame.text}\n\n`;
    const data: Frame["data"] = { ...frame.data, ...(!this.traits.extends && UNSAID) };
    if (times === "none") data.timestamp = undefined;
    if (times === "zero" && again) data.timestamp = 0;
    const id = ids === "texts" && frame.id !== undefined ? TEXT_ID + frame.id : undefined;
    return written({ data, ...(frame.name && { name: frame.name }), ...(id && { id }) });
  }
}
