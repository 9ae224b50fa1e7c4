// What one seed stands for: a command, a reader, a kind of server, and a list of faults.
import type { Fault, Instead } from "./exchange.js";
import { type PeerName, PEERS } from "./peer.js";
import { Random } from "./random.js";
import type { Break } from "./wire.js";
import { type Workload, withLateOutput, workload } from "./workload.js";

/** How the output is read. */
export const READERS = {
  followOutput: 4,
  followStdout: 1,
  followStderr: 2,
  batches: 1,
  run: 3,
  "run, iterated": 3,
  "run, handlers": 2,
};
export type Reader = keyof typeof READERS;

export interface Schedule {
  seed: number;
  reader: Reader;
  peer: PeerName;
  /** What the played server does with `run`. */
  run: "stream" | 404 | 405;
  workload: Workload;
  /** One for each exchange, in order; the rest go well. */
  faults: Fault[];
  /** Whether the last fault never ends, so that the client has to give up. */
  forever: boolean;
  /** Whether a stream's end is the connection's. */
  closes: boolean;
  /** For how long the first connection is refused, ms. */
  refusedMs: number;
  /** Whether lines are written in pieces, and read so. */
  pieces: boolean;
}

/** Most schedules are of servers that lose nothing: there, faults that end leave no excuse. */
const PEER_WEIGHTS: Record<PeerName, number> = {
  local: 10,
  deaf: 4,
  texts: 4,
  "deaf texts": 4,
  plain: 8,
  shuffling: 8,
  daemon: 8,
  engine: 8,
  losing: 2,
  "losing texts": 1,
  expiring: 1,
  gone: 1,
  restarted: 1,
};

/** The schedule of a seed, of `only` one kind of server or of any. */
export function schedule(seed: number, only: PeerName | undefined): Schedule {
  const random = new Random(seed);
  const reader = random.weighted(READERS);
  const any = random.weighted(PEER_WEIGHTS);
  const peer = only ?? any;
  const forever = random.chance(0.08);
  const count = forever ? random.int(1, 3) : random.int(0, 6);
  const { run } = PEERS[peer];
  const faults = Array.from({ length: count }, () => fault(random));
  // The first answer is spared mostly: spoilt, it may end in an error, and the rest is not seen.
  const mayEnd = reader.startsWith("run") || faults[0]?.instead === "page";
  if (mayEnd && random.chance(0.7)) faults[0] = lateBreak(random);
  const pieces = random.chance(0.6);
  const plan: Schedule = {
    seed,
    reader,
    peer,
    run: run === "stream" && random.chance(0.15) ? random.pick([404, 405]) : run,
    workload: workload(random, {
      mayTimeOut: reader.startsWith("run"),
      brief: forever,
      pieces,
      stderr: reader === "followStderr",
    }),
    faults,
    forever,
    closes: random.chance(0.1),
    refusedMs: random.chance(0.05) ? random.int(5, 60) : 0,
    pieces,
  };
  // On a server that marks no exit, a continued run also has what is written later.
  const knowsExit = (!reader.startsWith("run") || PEERS[peer].extends) && peer !== "engine";
  if (!knowsExit || plan.workload.ending.how === "timeout" || !random.chance(0.2)) return plan;
  return { ...plan, workload: withLateOutput(plan.workload, random) };
}

const BREAKS: Record<"none" | Break["how"] | "early" | "instead", number> = {
  none: 4,
  reset: 5,
  finish: 5,
  stall: 2,
  early: 4,
  instead: 5,
};
export const SHAPES = { whole: 12, split: 5, trickled: 1 };
export const INSTEAD: Record<Exclude<Instead, "429 for 1 s">, number> = {
  "hang up": 2,
  page: 1,
  "429": 1,
  "502": 1,
  "503": 1,
  "504": 1,
  "502 page": 1,
};

function fault(random: Random): Fault {
  const what = random.weighted(BREAKS);
  const shape = random.weighted(SHAPES);
  return {
    shape,
    ...(random.chance(0.08) && { delayMs: random.int(5, 60) }),
    ...(what === "early" && { early: bytes(random) }),
    ...(what === "instead" && { instead: random.weighted(INSTEAD) }),
    ...(what !== "early" &&
      what !== "instead" &&
      what !== "none" && {
        connection: { how: what, after: bytes(random) },
      }),
    ...(random.chance(0.04) && { refuseMs: random.int(5, 40) }),
  };
}

/** One that comes after the first event. */
function lateBreak(random: Random): Fault {
  const how = random.pick(["reset", "finish", "stall", "early"] as const);
  const after = 300 + bytes(random);
  return how === "early" ? { early: after } : { connection: { how, after } };
}

/** How far an answer comes: into its head, its first events, the output of most commands, or a long one. */
function bytes(random: Random): number {
  const range = random.weighted({ head: 2, begin: 3, middle: 4, far: 2 });
  if (range === "head") return random.int(0, 110);
  if (range === "begin") return random.int(110, 400);
  return range === "middle" ? random.int(400, 4_000) : random.int(4_000, 400_000);
}
