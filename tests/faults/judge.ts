// The allowed results of a schedule: the exact result, or where that is not available an error that says so, with
// nothing wrong in what was delivered before.
import { createHash } from "node:crypto";
import { type CommandResult, ShorelineError } from "shoreline";
import type { Outcome } from "./exchange.js";
import type { Peer } from "./peer.js";
import type { INSTEAD, Schedule } from "./schedule.js";
import type { StreamName } from "./workload.js";

/** What the client gave. */
export interface Given {
  /** Of each stream that was read, everything delivered. */
  streams: Map<StreamName, Buffer>;
  /** A run's. */
  result?: CommandResult;
  error?: unknown;
}

/** What happened on the way. */
export interface Happened {
  schedule: Schedule;
  peer: Peer;
  /** Of the requests that start the command; none where it was started beforehand. */
  starts: Outcome[];
  /** The processes that the server has. */
  processes: number;
  /** The kinds of faults that happened. */
  faults: string[];
}

/** Fails unless what the client gave is what it may give. */
export function judge(given: Given, happened: Happened): void {
  const { schedule, starts, processes } = happened;
  const isRun = schedule.reader.startsWith("run");
  const reached = isRun ? starts.filter((start) => start.reached).length : 1;
  must(reached <= 1, `the command was sent ${reached} times`);
  must(processes === reached, `the server has ${processes} processes of ${reached} that were started`);
  for (const [stream, bytes] of given.streams) {
    const expected = expectedBytes(schedule, happened.peer, stream);
    if (given.error === undefined) {
      const [was, is] = [expected, bytes].map(sha256);
      must(was === is, `${stream} differs: ${difference(expected, bytes)}`);
    } else if (happened.peer.traits.forgets !== "a line" && !happened.peer.engine?.lost) {
      // A server that loses output silently is detected only at the end.
      const begin = expected.subarray(0, bytes.length);
      must(begin.equals(bytes), `${stream} begins otherwise: ${difference(begin, bytes)}`);
    }
  }
  if (given.error !== undefined) judgeError(given, happened);
  else if (isRun) judgeResult(given.result as CommandResult, happened);
}

function must(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise);
}

export function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** What a stream is to be, seen through a server that may not tell bytes from text. */
function expectedBytes({ workload, reader }: Schedule, { traits, engine }: Peer, stream: StreamName): Buffer {
  const { written, late } = workload;
  // A run ends with its command.
  const parts = late && !reader.startsWith("run") ? [written, late] : [written];
  const seen = parts
    .map((part) => part[stream])
    .map((bytes) => {
      if (traits.extends || bytes.length === 0) return bytes;
      const text = decode(bytes);
      const whole = text.endsWith("\n") ? text : `${text}\n`;
      return Buffer.from(engine ? whole.replaceAll("\r\n", "\n") : whole);
    });
  // A follow of a pid cannot know which process wrote a line.
  const old = reader.startsWith("run") || stream === "stderr" ? [] : (engine?.old ?? []);
  return Buffer.concat([...old.map((line) => Buffer.from(`${line}\n`)), ...seen]);
}

function decode(bytes: Buffer): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

function judgeResult(result: CommandResult, { schedule, peer }: Happened): void {
  const { ending } = schedule.workload;
  const enforced = schedule.run !== "stream";
  const byLimit = ending.how === "timeout";
  let signals: (number | null)[] = [null];
  if (ending.how === "signal") signals = [ending.signal];
  // The client's SIGTERM may be lost on its way; SIGKILL comes later.
  if (byLimit) signals = enforced ? [15, 9] : [9];
  must(signals.includes(result.signal), `signal is ${result.signal}, not ${signals.join(" or ")}`);
  // SIGKILL is anybody's where the server does not say why and the client did not send it.
  const unsaid = result.signal === 9 && !peer.traits.extends && !(byLimit && enforced);
  const expected = {
    exitCode: ending.how === "code" ? ending.code : null,
    timedOut: unsaid ? undefined : byLimit,
    oomKilled: false,
    outputOpen: schedule.workload.late !== undefined,
    truncated: undefined,
  };
  for (const [field, value] of Object.entries(expected)) {
    const is = result[field as keyof typeof expected];
    must(Object.is(is, value), `${field} is ${is as string}, not ${value}`);
  }
  must(result.pid !== undefined && result.durationMs >= 0, "the result has no pid or no duration");
  for (const stream of ["stdout", "stderr"] as const) {
    const bytes = expectedBytes(schedule, peer, stream);
    const got = Buffer.from(result[`${stream}Bytes`]);
    must(got.equals(bytes), `the result's ${stream} bytes differ: ${difference(bytes, got)}`);
    const text = decode(bytes).replace(/\n$/, "");
    must(result[stream] === text, `the result's ${stream} differs from its bytes`);
  }
}

/** What the error of a run says when its start was answered so. */
const START_CODES: Record<keyof typeof INSTEAD, string[]> = {
  "hang up": ["run_outcome_unknown"],
  page: ["unexpected_content_type", "invalid_response"],
  "429": ["rate_limited"],
  "502": ["gateway"],
  "502 page": ["gateway"],
  "503": ["unavailable"],
  "504": ["gateway"],
};

const LOST_CODES = {
  nothing: [],
  "a line": ["output_gap"],
  events: ["output_gap"],
  "events, with a status": ["output_gap"],
  // A run says how its own stream broke.
  "the process": ["process_gone", "stream_broken", "stream_ended_without_exit", "idle_timeout"],
};

/** What a client says that gave up. */
const GIVEN_UP = [
  ...["stream_broken", "connection_lost", "connect_failed", "idle_timeout", "connect_timeout"],
  ...["gateway", "unavailable", "rate_limited", "stream_ended_without_exit", "run_outcome_unknown"],
  ...["unexpected_content_type", "invalid_response"],
];

function judgeError({ error, streams }: Given, happened: Happened): void {
  must(error instanceof ShorelineError, `an error of another kind: ${String(error)}`);
  const codes = errorCodes(happened);
  const nothing = Array.from(streams.values()).every((bytes) => bytes.length === 0);
  // What was never seen cannot be said to have gone, and where a page is all there was, it is the address
  // that is wrong.
  if (nothing && codes.includes("process_gone")) codes.push("not_found");
  if (nothing && happened.faults.includes("page")) codes.push("unexpected_content_type");
  if (happened.schedule.forever) {
    codes.push(...GIVEN_UP);
    // It was killed, and every answer that would have told of its end was cut.
    if (happened.schedule.workload.ending.how === "timeout") codes.push("run_timeout");
  }
  must(
    codes.includes(error.code),
    `no error was due but ${codes.join(" or ") || "none"}, and there was ${error.code}: ${error.message}`,
  );
}

/** The errors that there may be, by their codes. */
function errorCodes({ schedule, peer, starts, faults }: Happened): string[] {
  const codes: string[] = peer.lost ? [...LOST_CODES[peer.traits.forgets]] : [];
  if (peer.engine?.lost) codes.push("output_gap");
  if (peer.engine?.faults.losesExit) codes.push("stream_ended_without_exit");
  if (!schedule.reader.startsWith("run")) return codes;
  // It may have been on its way in a connection that was dropped.
  if (faults.includes("refusal") && !starts.some((start) => start.reached)) codes.push("run_outcome_unknown");
  const start = starts.at(-1);
  if (!start) return codes;
  const { happened, begun } = start;
  const instead = happened.find((kind): kind is keyof typeof INSTEAD => kind in START_CODES);
  if (instead) return [...codes, ...START_CODES[instead]];
  // What is reset may not have been read, though it was written.
  if (!begun || happened.includes("reset")) codes.push("run_outcome_unknown");
  // Where a connection's end is the stream's, `fetch` takes even a reset for one.
  const ended = happened.includes("finish") || happened.includes("reset");
  const clean = happened.includes("early end") || (schedule.closes && ended);
  if (!begun && clean) codes.push("stream_ended_without_exit");
  return codes;
}

function difference(expected: Buffer, got: Buffer): string {
  let at = 0;
  while (at < expected.length && expected[at] === got[at]) at++;
  const show = (bytes: Buffer) => JSON.stringify(bytes.toString("latin1", Math.max(0, at - 20), at + 40));
  return `${expected.length} bytes expected, ${got.length} there; at ${at} ${show(expected)} and ${show(got)}`;
}
