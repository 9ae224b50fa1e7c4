// logs.
import { InvalidArgumentError } from "commander";
import type { OutputEvent, ProcessAddress, Sandbox } from "shoreline";
import { Interrupts } from "./interrupts.js";
import { EXIT, Failure, Interrupted, misused } from "./exit.js";
import { note, writeAll } from "./print.js";

export interface LogOptions {
  follow?: boolean;
  stdout?: boolean;
  stderr?: boolean;
  /** How many of the last lines. */
  tail: number;
  /** Milliseconds since the epoch. */
  since?: number;
  timestamps?: boolean;
  json?: boolean;
}

const SECONDS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };

/** A time for `--since`, in ms since the epoch: a duration before now, a date, or seconds since the epoch. */
export function since(text: string): number {
  if (/^\d{9,12}(\.\d+)?$/.test(text)) return Number(text) * 1000;
  if (/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) {
    const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
    const seconds = parts.reduce(
      (sum, [, count, unit = ""]) => sum + Number(count) * (SECONDS[unit] ?? 0),
      0,
    );
    return Date.now() - seconds * 1000;
  }
  // Without a zone, a time is this machine's. JavaScript would take a date alone for UTC.
  const isDate = /^\d{4}-\d\d-\d\d$/.test(text);
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(isDate ? `${text}T00:00` : text) : NaN;
  if (Number.isNaN(time))
    throw new InvalidArgumentError(
      "It is a duration such as 10m or 1h30m, a time such as 2026-01-31T12:00:00Z, or seconds since 1970.",
    );
  return time;
}

/** A number of lines. */
export function tail(text: string): number {
  if (text === "all") return Infinity;
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("It is a whole number of lines, or all.");
  return Number(text);
}

/** Prints the output of a process. */
export async function logs(
  sandbox: Sandbox,
  address: ProcessAddress,
  options: LogOptions,
  interrupts: Interrupts,
): Promise<void> {
  let interrupted: number | undefined;
  const which = options.stdout ? "Stdout" : options.stderr ? "Stderr" : "Output";
  const count =
    options.follow && options.tail === Infinity
      ? 0
      : (await sandbox[`get${which}`](address, { signal: interrupts.abort })).lineCount;
  // Without --follow, the lines that there are at the start, and no more.
  const end = options.follow ? Infinity : count;
  if (end === 0) return;
  const perLine = (options.json ?? options.timestamps ?? false) || options.since !== undefined;
  const events = sandbox[`follow${which}`](address, {
    // A part of a line has no time, and without --follow lines are counted.
    pieces: options.follow === true && !perLine,
    onReconnect: ({ error }) => {
      note(`The connection broke (${error.message}); going on where it was.`);
    },
  });
  interrupts.onFirst((signal) => {
    interrupted = signal;
    void events.return();
  });
  const stream = options.stderr ? "stderr" : "stdout";
  const shown = selection(options, Math.max(0, count - options.tail), stream);
  const all = options.json ? process.stdout : undefined;
  const isWhole = end === Infinity && !perLine && options.tail === Infinity;
  await writeAll(events, process[stream], isWhole ? undefined : { all, shown, count: end });
  if (interrupted !== undefined) throw new Interrupted(interrupted);
}

/** What is printed of each event: nothing of the first `skipped` lines and of those that are too old. */
function selection(options: LogOptions, skipped: number, stream: "stdout" | "stderr") {
  let line = 0;
  return (event: OutputEvent): string | Uint8Array | undefined => {
    const number = line;
    if (!event.partial) line++;
    if (options.since !== undefined && timeOf(event) < options.since) return undefined;
    if (number < skipped) return undefined;
    if (options.json) return jsonOf(event, stream);
    if (!options.timestamps) return event.bytes;
    const time = new Date(timeOf(event)).toISOString();
    return Buffer.concat([Buffer.from(`${time} `), event.bytes]);
  };
}

/** An event as one line of JSON. Escapes keep its characters from the terminal. */
function jsonOf(event: OutputEvent, stream: "stdout" | "stderr"): string {
  const { line, timeMs = null, truncated } = event;
  const bytes = Object.hasOwn(event, "bytes") && { bytes: Buffer.from(event.bytes).toString("base64") };
  const eol = event.text === line && { eol: false };
  const cut = truncated && { truncated };
  const record = { timestamp: timeMs, stream: event.stream ?? stream, line, ...eol, ...bytes, ...cut };
  return `${JSON.stringify(record)}\n`;
}

function timeOf({ timeMs }: OutputEvent): number {
  if (timeMs !== undefined) return timeMs;
  throw new Failure(
    EXIT.failure,
    "the server does not say when the lines were written: leave out --since and --timestamps",
  );
}

/** Refuses options that exclude each other. */
export function checkLogOptions({ stdout, stderr, json, timestamps }: LogOptions): void {
  if (stdout && stderr) throw misused("--stdout excludes --stderr");
  if (json && timestamps) throw misused("--json excludes --timestamps: its lines have a timestamp");
}
