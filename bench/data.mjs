// What the server replays, the same every time: lines of a log, as events of the public API.
import { sha256 } from "./contenders.mjs";

const LINES = 200_000;
const WORDS = "GET POST /api/v1/items user=42 took status=200 cache miss retry naive ok".split(" ");
const ACCENTS = WORDS.map((word) => word.replace("a", "\u00e4"));

/** Lines of 20 to 120 characters: of plain words, every thousandth with accents, or all with them. */
function logLines(words) {
  let state = 1;
  const next = (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  return Array.from({ length: LINES }, (_, i) => {
    const length = 20 + next(101);
    let line = i % 1_000 === 999 ? `${i} n\u00e9 \u00e0 Z\u00fcrich ` : `${i} `;
    while (line.length < length) line += `${words[next(words.length)]} `;
    return line.slice(0, length);
  });
}

const isStderr = (i) => i % 10 === 9;

function output(line, i) {
  const stream = isStderr(i) ? "stderr" : "stdout";
  return `data: ${JSON.stringify({ line, timestamp: 1_765_432_100_000 + i, stream })}\n\n`;
}

const STARTED = 'data: {"handle":7,"pid":42,"started_at":1765432100000}\n\n';
const EXITED = 'data: {"exit_code":0}\n\n';
const EOF = "event: eof\ndata: {}\n\n";

async function followed(lines) {
  const bytes = Buffer.from(lines.map((line, i) => `event: output\n${output(line, i)}`).join("") + EOF);
  return { bytes, expected: { bytes: bytes.length, events: lines.length, lines: await sha256(lines) } };
}

const lines = logLines(WORDS);
/** By name, what is followed and what a reader of all of it must have seen. */
export const FOLLOWED = {
  many: await followed(lines),
  accents: await followed(logLines(ACCENTS)),
  few: await followed(lines.slice(0, 2_000)),
};
export const RUN = Buffer.from(STARTED + lines.map(output).join("") + EXITED);
export const RUN_NOTHING = Buffer.from(STARTED + EXITED);

/** So often, the lines of `many` are 10,000,000. */
export const REPEATED = 50;

export function* repeated() {
  const { bytes } = FOLLOWED.many;
  for (let i = 0; i < REPEATED; i++) yield bytes.subarray(0, bytes.length - EOF.length);
  yield Buffer.from(EOF);
}

/** A line that comes in very many pieces. */
export function longLine(mebibytes) {
  return Buffer.from(`event: output\n${output("x".repeat(mebibytes * 1024 * 1024), 0)}${EOF}`);
}

/** What a run of all of it must have collected. */
export const COLLECTED = {
  stdout: await sha256(lines.filter((_, i) => !isStderr(i))),
  stderr: await sha256(lines.filter((_, i) => isStderr(i))),
  outputBytes: Buffer.byteLength(lines.join("\n")),
};
