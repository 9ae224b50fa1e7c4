// What a command writes and how it ends, known beforehand to the byte.
import type { Random } from "./random.js";

export type StreamName = "stdout" | "stderr";

/** How a command ends. */
export type Ending =
  | { how: "code"; code: number }
  | { how: "signal"; signal: number }
  /** It does not; the run's time limit ends it. */
  | { how: "timeout"; seconds: number };

export interface Workload {
  /** Arguments of `sh`. */
  args: string[];
  /** What it writes. */
  written: Record<StreamName, Buffer>;
  /** What something that it leaves behind writes after its end, once the file `gate` is there. */
  late?: Record<StreamName, Buffer>;
  ending: Ending;
}

/** A part of the output, and how a shell writes it where that is not as its bytes. */
interface Part {
  command?: string;
  bytes: Buffer;
}

/** What a schedule may ask of a command. */
interface Wanted {
  /** Whether a time limit may end it. */
  mayTimeOut: boolean;
  /** Whether it writes little. */
  brief: boolean;
  /** Whether it writes lines in pieces, with pauses in which they are sent. */
  pieces: boolean;
  /** Whether only what it writes to standard error is read. */
  stderr: boolean;
}

export function workload(random: Random, wanted: Wanted): Workload {
  const ending = endingOf(random, wanted.mayTimeOut);
  // What is written before the time limit must not depend on how fast the machine is.
  const brief = wanted.brief || ending.how === "timeout";
  const parts = random.weighted({ none: 1, one: 2, some: 12, many: brief ? 0 : 1 });
  const count = { none: 0, one: 1, some: random.int(2, brief ? 4 : 8), many: 25 }[parts];
  const written: Record<StreamName, Buffer[]> = { stdout: [], stderr: [] };
  const script: string[] = [];
  const given: string[] = [];
  for (let i = 0; i < count; i++) {
    const stream = random.chance(wanted.stderr ? 0.8 : 0.3) ? "stderr" : "stdout";
    const { command, bytes } = part(random, brief);
    const call = (command: string) => script.push(stream === "stderr" ? `{ ${command}; } >&2` : command);
    if (command !== undefined) call(command);
    else
      for (const [index, piece] of (wanted.pieces ? cut(random, bytes) : [bytes]).entries()) {
        if (index > 0 && !brief) script.push(`sleep 0.0${random.int(2, 6)}`);
        given.push(escaped(piece));
        call(`printf %b "\${${given.length}}"`);
      }
    written[stream].push(bytes);
    if (!brief && random.chance(0.25)) script.push(`sleep 0.0${random.int(1, 4)}`);
  }
  script.push(last(ending));
  return {
    args: ["-c", script.join("\n"), "sh", ...given],
    written: { stdout: Buffer.concat(written.stdout), stderr: Buffer.concat(written.stderr) },
    ending,
  };
}

/** The same command, which leaves something behind that writes later. */
export function withLateOutput(early: Workload, random: Random): Workload {
  const [option, script = "", ...given] = early.args as [string, ...string[]];
  const late: Record<StreamName, Buffer[]> = { stdout: [], stderr: [] };
  const commands = ["until [ -e gate ]; do sleep 0.01; done"];
  for (const stream of ["stdout", "stderr", "stdout"] as const) {
    const { command, bytes } = part(random, true);
    if (command === undefined) given.push(escaped(bytes));
    const called = command ?? `printf %b "\${${given.length - 1}}"`;
    commands.push(stream === "stderr" ? `{ ${called}; } >&2` : called);
    late[stream].push(bytes);
  }
  const lines = script.split("\n");
  lines.splice(-1, 0, `{ ${commands.join("; ")}; } &`);
  return {
    ...early,
    args: [option, lines.join("\n"), ...given],
    late: { stdout: Buffer.concat(late.stdout), stderr: Buffer.concat(late.stderr) },
  };
}

function endingOf(random: Random, mayTimeOut: boolean): Ending {
  const how = random.weighted({ code: 14, signal: 4, timeout: mayTimeOut ? 2 : 0 });
  if (how === "timeout") return { how, seconds: 0.5 };
  if (how === "signal") return { how, signal: random.pick([6, 9, 15]) };
  return { how, code: random.chance(0.5) ? 0 : random.int(1, 255) };
}

function last(ending: Ending): string {
  if (ending.how === "code") return `exit ${ending.code}`;
  return ending.how === "signal" ? `kill -${ending.signal} $$` : "exec sleep 1000";
}

function part(random: Random, brief: boolean): Part {
  const kind = random.weighted({ lines: 20, long: 2, numbers: brief ? 0 : 1 });
  if (kind === "long") {
    // Longer than what the server writes at a time, and than what a socket holds.
    const length = random.pick([5_000, 70_000, 300_000]);
    const end = random.chance(0.8) ? "\n" : "";
    const command = `head -c ${length} /dev/zero | tr '\\0' z${end && "; echo"}`;
    return { command, bytes: Buffer.from("z".repeat(length) + end) };
  }
  if (kind === "numbers") {
    const count = random.pick([300, 3_000, 10_000]);
    const bytes = Array.from({ length: count }, (_, i) => `line ${i + 1} é\n`).join("");
    return { command: `seq -f 'line %.0f é' ${count}`, bytes: Buffer.from(bytes) };
  }
  return { bytes: Buffer.concat(Array.from({ length: random.int(1, 12) }, () => line(random))) };
}

/** Bytes cut anywhere. */
function cut(random: Random, bytes: Buffer): Buffer[] {
  const places = Array.from({ length: random.int(1, 3) }, () => random.int(0, bytes.length));
  const ends = [...places.sort((a, b) => a - b), bytes.length];
  return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
}

/** A line, mostly with its end. */
function line(random: Random): Buffer {
  const end = random.chance(0.93) ? "\n" : "";
  const kind = random.weighted({ text: 10, empty: 3, odd: 6, bytes: 4 });
  if (kind === "empty") return Buffer.from(end);
  if (kind === "odd") return Buffer.from(random.pick(ODD) + end);
  if (kind === "text") return Buffer.from(`${"word ".repeat(random.int(1, 30))}${random.int(0, 1e6)}${end}`);
  const bytes = Array.from({ length: random.int(1, 40) }, () => random.int(0, 255)).filter((b) => b !== 10);
  return Buffer.concat([Buffer.from(bytes), Buffer.from(end)]);
}

/** What a decoder could trip over. */
const ODD = [
  "data: {}",
  "event: eof",
  'id: 7\rdata: {"exit_code":0}',
  '{"line":"x","timestamp":1}',
  '"quoted" \\ and \\n not a line end',
  "\r",
  "ends in CR\r",
  "progress 1%\rprogress 2%",
  "\ufeffbyte order mark",
  "\u2028\u2029\u0085",
  "\0NUL\0",
  "😀 é 中文 \u0301",
  "\x1b[31mred\x1b[0m",
  ":",
  " ",
];

/** Bytes as an argument for `printf %b`. */
function escaped(bytes: Buffer): string {
  const one = (byte: number) => {
    const char = String.fromCharCode(byte);
    return /[\w .,:;=-]/.test(char) ? char : `\\0${byte.toString(8).padStart(3, "0")}`;
  };
  return Array.from(bytes, one).join("");
}
