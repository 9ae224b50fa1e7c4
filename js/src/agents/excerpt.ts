// Stands in for `process.excerpt`, until handles have it.
import type { Cursor } from "../generated/types.js";
import type { Process } from "../process.js";
import { after } from "../timer.js";
import { bytesOf, head } from "./text.js";

export interface OutputExcerpt {
  text: string;
  cursor: Cursor;
  running: boolean;
  exitCode: number | null;
  signal: number | null;
  omitted?: { lines: number; bytes: number; after: Cursor };
}

export interface ExcerptOptions {
  after?: Cursor | undefined;
  yieldAfter?: number | undefined;
  maxBytes?: number | undefined;
  signal?: AbortSignal | undefined;
}

export async function excerpt(process: Process, options: ExcerptOptions): Promise<OutputExcerpt> {
  const { maxBytes = 30_000, yieldAfter, signal } = options;
  const follow = process.output({
    until: "exit",
    pieces: true,
    longLine: "cut",
    maxLineBytes: 65_536,
    ...(options.after && { after: options.after }),
    ...(signal && { signal }),
  });
  const left = { early: false };
  const cancel =
    yieldAfter !== undefined
      ? after(Math.max(yieldAfter, 200), () => {
          left.early = true;
          void follow.return();
        })
      : () => undefined;
  const half = maxBytes / 2;
  let [first, firstBytes] = ["", 0];
  let [last, lastBytes] = [[] as string[], 0];
  let omitted: { lines: number; bytes: number; after: Cursor } | undefined;
  let cursor = follow.cursor();
  let fresh = true;
  try {
    for await (const event of follow) {
      const mark = fresh && event.stream === "stderr" ? "stderr: " : "";
      fresh = event.text.endsWith("\n");
      const plain = event.text.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "").replace(/^.*\r(?!\n)/, "");
      const text = head(mark + plain, half);
      const size = bytesOf(text);
      if (last.length === 0 && firstBytes + size <= half) {
        first += text;
        firstBytes += size;
      } else {
        omitted ??= { lines: 0, bytes: 0, after: cursor };
        last.push(text);
        lastBytes += size;
        while (lastBytes > half) {
          const gone = bytesOf(last.shift() ?? "");
          lastBytes -= gone;
          omitted.bytes += gone;
          omitted.lines++;
        }
      }
      cursor = follow.cursor();
    }
  } finally {
    cancel();
  }
  if (omitted?.lines === 0) omitted = undefined;
  const mark = omitted ? `[… ${omitted.lines} lines, ${omitted.bytes} bytes left out …]\n` : "";
  const text = first + mark + last.join("");
  last = [];
  const running = left.early;
  if (!running) await process.wait({ timeout: 10, ...(signal && { signal }) });
  const { exitCode, signal: by } = process;
  return { text, cursor, running, exitCode, signal: by, ...(omitted && { omitted }) };
}
