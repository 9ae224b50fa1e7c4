// What the server replays, the same every time: lines of a log, as events of the public API.
import { sha256 } from "./contenders.mjs";

const LINES = 200_000;
const WORDS = "GET POST /api/v1/items user=42 took status=200 cache miss retry naïve façade ok élan".split(
  " ",
);

/** Lines of 20 to 120 characters. */
function logLines() {
  let state = 1;
  const next = (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  return Array.from({ length: LINES }, (_, i) => {
    const length = 20 + next(101);
    let line = i % 1_000 === 999 ? `${i} né à Zürich ` : `${i} `;
    while (line.length < length) line += `${WORDS[next(WORDS.length)]} `;
    return line.slice(0, length);
  });
}

const isStderr = (i) => i % 10 === 9;

function output(line, i) {
  const stream = isStderr(i) ? "stderr" : "stdout";
  return `data: ${JSON.stringify({ line, timestamp: 1_765_432_100_000 + i, stream })}\n\n`;
}

const lines = logLines();
const STARTED = 'data: {"handle":7,"pid":42,"started_at":1765432100000}\n\n';
const EXITED = 'data: {"exit_code":0}\n\n';
const EOF = "event: eof\ndata: {}\n\n";

export const FOLLOW = Buffer.from(lines.map((line, i) => `event: output\n${output(line, i)}`).join("") + EOF);
export const RUN = Buffer.from(STARTED + lines.map(output).join("") + EXITED);
export const RUN_NOTHING = Buffer.from(STARTED + EXITED);

/** A line that comes in very many pieces. */
export function longLine(mebibytes) {
  return Buffer.from(`event: output\n${output("x".repeat(mebibytes * 1024 * 1024), 0)}${EOF}`);
}

/** What a reader of all of it must have seen. */
export const EXPECTED = {
  bytes: FOLLOW.length,
  events: LINES,
  lines: sha256(lines),
  stdout: sha256(lines.filter((_, i) => !isStderr(i))),
  stderr: sha256(lines.filter((_, i) => isStderr(i))),
  outputBytes: Buffer.byteLength(lines.join("\n")),
};
