// How the console reads lines with control sequences (ECMA-48) as text with a style.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AnsiReader, type Span, visible } from "../../js/src/console/ansi.js";

const spansOf = (line: string): Span[] | undefined => new AnsiReader().read(line).spans;
const styled = (text: string, className: string) => ({
  text,
  className,
  color: undefined,
  background: undefined,
});

test("a plain line has no spans", () => {
  assert.deepEqual(new AnsiReader().read("a\tb é"), { text: "a\tb é", spans: undefined });
});

test("colors and decorations are classes, and a reset ends them", () => {
  assert.deepEqual(spansOf("\u001b[1;31mred\u001b[0m plain"), [
    styled("red", "bold fg-red"),
    styled(" plain", ""),
  ]);
  assert.deepEqual(spansOf("\u001b[94;42mx"), [styled("x", "fg-brightBlue bg-green")]);
  assert.deepEqual(spansOf("\u001b[1;2;3mx\u001b[22my"), [
    styled("x", "bold dim italic"),
    styled("y", "italic"),
  ]);
});

test("numbered colors are CSS, in both notations, and do not exceed a byte", () => {
  const colors = (line: string) => spansOf(line)?.map(({ color, background }) => [color, background]);
  assert.deepEqual(colors("\u001b[38;2;1;2;300mx"), [["rgb(1 2 255)", undefined]]);
  assert.deepEqual(colors("\u001b[48:5:196mx"), [[undefined, "rgb(255 0 0)"]]);
  assert.deepEqual(colors("\u001b[38;5;255mx"), [["rgb(238 238 238)", undefined]]);
  assert.deepEqual(spansOf("\u001b[38;5;9;1mx"), [styled("x", "bold fg-brightRed")]);
});

test("reversed colors are exchanged, also where there are none", () => {
  assert.deepEqual(spansOf("\u001b[7mx\u001b[27my"), [
    styled("x", "fg-reversed bg-reversed"),
    styled("y", ""),
  ]);
  assert.deepEqual(spansOf("\u001b[31;7mx"), [styled("x", "bg-red")]);
});

test("a style continues in the next line, and can be set back", () => {
  const reader = new AnsiReader();
  const before = reader.style;
  reader.read("\u001b[32mgreen");
  assert.deepEqual(reader.read("more").spans, [styled("more", "fg-green")]);
  reader.style = before;
  assert.equal(reader.read("plain").spans, undefined);
});

test("other sequences are removed, also unfinished ones", () => {
  const text = (line: string) => new AnsiReader().read(line).text;
  assert.equal(text("a\u001b[2Kb\u001b]0;title\u0007c\u001b]8;;http://a\u001b\\d\u001b(Be"), "abcde");
  assert.equal(text("a\u001b[31"), "a31");
  assert.equal(text("a\u001b"), "a");
  assert.equal(text("a\u001b]0;no end"), "a");
});

test("control characters are shown as symbols", () => {
  assert.equal(new AnsiReader().read("a\u0000\u007fb").text, "a␀␡b");
});

test("a carriage return starts the line again", () => {
  const text = (line: string) => new AnsiReader().read(line).text;
  assert.equal(text("10%\r20%\r30%"), "30%");
  assert.equal(text("done\r"), "done");
  assert.equal(visible("10%\r20%\r"), "20%\r");
});
