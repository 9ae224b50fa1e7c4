// The lines of output that the console keeps, searches and drops.
import assert from "node:assert/strict";
import { test } from "node:test";
import { OutputBuffer } from "../../js/src/console/output-buffer.js";

type Event = Parameters<OutputBuffer["push"]>[0][number];

const line = (text: string, stream: Event["stream"] = "stdout"): Event => ({
  line: text,
  stream,
  partial: false,
  timeMs: 1,
});
const part = (text: string, stream: Event["stream"] = "stdout"): Event => ({
  line: text,
  stream,
  partial: true,
  timeMs: 1,
});
/** The lines that are kept. */
const lines = (buffer: OutputBuffer) =>
  Array.from({ length: buffer.end - buffer.dropped }, (_, i) => buffer.line(buffer.dropped + i)).filter(
    (kept) => kept !== undefined,
  );
const texts = (buffer: OutputBuffer) => lines(buffer).map(({ text }) => text);

function filled(...events: Event[]): OutputBuffer {
  const buffer = new OutputBuffer();
  buffer.push(events);
  return buffer;
}

test("parts of an unfinished line are joined, and finished in place", () => {
  const buffer = filled(part("a"), line("other", "stderr"), part("b"));
  assert.deepEqual(texts(buffer), ["ab", "other"]);
  buffer.push([line("c"), line("next")]);
  assert.deepEqual(texts(buffer), ["abc", "other", "next"]);
});

test("of a progress bar only the last state is shown", () => {
  assert.deepEqual(texts(filled(part("10%\r"), part("20%\r"), line("done"))), ["done"]);
});

test("the style of an unfinished line is read once, and each stream has its own", () => {
  const buffer = filled(part("a\u001b[31mb"), line("err", "stderr"), line("c"), line("d"));
  assert.deepEqual(
    lines(buffer).map((shown) => shown.spans?.map(({ text, className }) => [text, className])),
    [
      [
        ["a", ""],
        ["bc", "fg-red"],
      ],
      undefined,
      [["d", "fg-red"]],
    ],
  );
});

test("a search ignores case, takes special characters literally and covers later lines", () => {
  const buffer = filled(line("Error (a.b)"), line("fine"));
  buffer.search("(A.B)");
  assert.deepEqual([...buffer.matches], [0]);
  buffer.push([line("(axb)"), line("x (a.b)")]);
  assert.deepEqual([...buffer.matches], [0, 3]);
  buffer.search("");
  assert.deepEqual([...buffer.matches], []);
});

test("standard error alone is shown, searched and saved", async () => {
  const buffer = filled(line("out a"), line("err a", "stderr"), line("out b"), line("err b", "stderr"));
  buffer.search("b");
  assert.deepEqual([...buffer.matches], [2, 3]);
  buffer.showStderrOnly(true);
  assert.deepEqual([...buffer.matches], [3]);
  assert.deepEqual(
    lines(buffer).map((kept) => buffer.isShown(kept)),
    [false, true, false, true],
  );
  assert.equal(await buffer.text().text(), "err a\nerr b\n");
  buffer.showStderrOnly(false);
  assert.deepEqual([...buffer.matches], [2, 3]);
});

test("an unfinished line is searched again when it changes", () => {
  const buffer = filled(part("err"));
  buffer.search("error");
  assert.deepEqual([...buffer.matches], []);
  buffer.push([line("or")]);
  assert.deepEqual([...buffer.matches], [0]);
});

test("beyond a hundred thousand lines the oldest are dropped and counted", () => {
  const buffer = new OutputBuffer();
  buffer.search("7");
  buffer.push(Array.from({ length: 110_001 }, (_, i) => line(String(i))));
  assert.deepEqual([buffer.dropped, buffer.end], [10_001, 110_001]);
  assert.deepEqual([buffer.line(10_000), buffer.line(10_001)?.text], [undefined, "10001"]);
  assert.equal(buffer.matches[0], 10_007);
});

test("lines of more than 64 Mi characters are dropped, however few", () => {
  const long = "x".repeat(40 * 1024 * 1024);
  const buffer = filled(line(long), line(long));
  assert.deepEqual([buffer.dropped, buffer.end], [1, 2]);
});

test("an unfinished line that was dropped does not come back", () => {
  const buffer = filled(part("first"));
  buffer.push(Array.from({ length: 110_001 }, (_, i) => line(String(i), "stderr")));
  const { dropped, end } = buffer;
  buffer.push([line("x".repeat(40 * 1024 * 1024)), line("y".repeat(30 * 1024 * 1024), "stderr")]);
  assert.deepEqual([buffer.dropped, buffer.end], [dropped, end + 1]);
});
