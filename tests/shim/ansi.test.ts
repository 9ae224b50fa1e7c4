// How the console reads lines with control sequences (ECMA-48) as text with a style.
import assert from "node:assert/strict";
import { test } from "node:test";
import headless from "@xterm/headless";
import { AnsiReader, type Shown, TerminalLine } from "../../js/src/console/ansi.js";
import type { Span } from "../../js/src/console/sgr.js";
import { Random } from "../faults/random.js";
import { RECORDED } from "./recorded.js";

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
  assert.equal(text("a\u001b[?25lb\u001b]0;title\u0007c\u001b]8;;http://a\u001b\\d\u001b(Be"), "abcde");
  assert.equal(text("a\u001b[31"), "a");
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
  assert.equal(text("100%|####\r 50%"), " 50%|####");
  assert.equal(text("ab\bc\b\bX"), "Xc");
});

test("underlines have shapes and colors, and a color's numbers set nothing else", () => {
  assert.deepEqual(spansOf("\u001b[4:3mx"), [styled("x", "underline curly")]);
  assert.deepEqual(spansOf("\u001b[4:3m\u001b[4:0;1mx"), [styled("x", "bold")]);
  assert.deepEqual(spansOf("\u001b[21mx"), [styled("x", "underline double")]);
  assert.deepEqual(spansOf("\u001b[4;58;5;31mx"), [
    { ...styled("x", "underline"), underline: "rgb(0 135 175)" },
  ]);
  assert.deepEqual(spansOf("\u001b[58:2::1:2:3;4mx"), [
    { ...styled("x", "underline"), underline: "rgb(1 2 3)" },
  ]);
  assert.deepEqual(spansOf("\u001b[38:2::1:2:3mx")?.[0]?.color, "rgb(1 2 3)");
  assert.deepEqual(spansOf("\u001b[38:2:1:2:3mx")?.[0]?.color, "rgb(1 2 3)");
});

const COLUMNS = 400;

/** The lines that xterm.js shows, each with what is bold, underlined or reversed in it. */
async function expected(output: string): Promise<string[]> {
  const terminal = new headless.Terminal({ cols: COLUMNS, rows: 200, allowProposedApi: true });
  await new Promise<void>((resolve) => {
    terminal.write(output, resolve);
  });
  const { active } = terminal.buffer;
  const lines = Array.from({ length: active.baseY + active.cursorY + 1 }, (_, y) => {
    const line = active.getLine(y);
    const cells = Array.from({ length: COLUMNS }, (_, x) => line?.getCell(x));
    return cells
      .map((cell) => {
        if (!cell || cell.getWidth() === 0) return "";
        const marks = [cell.isBold() && "b", cell.isUnderline() && "u", cell.isInverse() && "r"].filter(
          Boolean,
        );
        return `${cell.getChars() || " "}${marks.join("")}`;
      })
      .join("")
      .trimEnd();
  });
  terminal.dispose();
  return lines;
}

function expanded(text: string): string {
  const [first = "", ...rest] = text.split("\t");
  return rest.reduce((before, part) => {
    const columns = before.replace(/\p{M}/gu, "").replace(/[漢字]/g, "xx").length;
    return before + " ".repeat(8 - (columns % 8)) + part;
  }, first);
}

/** The same of what the console shows. */
function actual({ text, spans }: Shown): string {
  const marksOf = (className: string) =>
    [
      ["bold", "b"],
      ["underline", "u"],
      ["reversed|bg-", "r"],
    ]
      .filter(([name]) => new RegExp(`\\b(?:${name})`).test(className))
      .map(([, mark]) => mark)
      .join("");
  // Plain text keeps its tabs, which the page's style makes as wide.
  return (spans ?? [{ text: expanded(text), className: "" }])
    .flatMap((span) => (span.text.match(/\P{M}\p{M}*/gu) ?? []).map((char) => char + marksOf(span.className)))
    .join("")
    .trimEnd();
}

/** What the console shows of output that comes in parts. */
function shownOf(output: string, parts: (line: string) => string[]): string[] {
  const reader = new AnsiReader();
  return output.split("\n").map((line) => {
    const terminal = new TerminalLine(reader);
    for (const part of parts(line)) terminal.write(part);
    return actual(terminal.shown());
  });
}

for (const [program, output] of Object.entries(RECORDED)) {
  test(`what ${program} writes is shown as xterm shows it`, async () => {
    const lines = await expected(output);
    assert.deepEqual(
      shownOf(output, (line) => [line]),
      lines,
    );
    assert.deepEqual(
      shownOf(output, (line) => Array.from(line)),
      lines,
    );
    const reader = new AnsiReader();
    assert.deepEqual(
      output.split("\n").map((line) => actual(reader.read(line.replace(/\r$/, "")))),
      lines,
    );
  });
}

const SEED = Number(process.env.SEED ?? Date.now() % 1e9);

test(`random lines are shown as xterm shows them, whatever parts they come in (SEED=${SEED})`, async () => {
  const random = new Random(SEED);
  const escapes = (all: string) => all.split(" ").map((it) => `\u001b${it}`);
  const EVERYWHERE = [
    ...["a", "bc", "def ghi", "é", "e\u0301", "\r", "\b", "\t"],
    ...escapes("[1m [0m [m [4m [24m [7m [27m [22m [31;1m [38;5;1m [39m"),
    ...escapes("[K [1K [2K [C [3C [D [2D [G [4G [X [3X [?25l ]0;title\u0007 (B [2q = 7"),
  ];
  // xterm.js shifts half a wide character, which has no width then.
  const PARTS = [
    [...EVERYWHERE, "漢", "字x"],
    [...EVERYWHERE, ...escapes("[P [2P [@ [2@")],
  ];
  for (let round = 0; round < 300; round++) {
    const parts = PARTS[round % 2] ?? [];
    const lines = Array.from({ length: 3 }, () =>
      Array.from({ length: random.int(0, 25) }, () => random.pick(parts)).join(""),
    );
    const output = lines.join("\r\n");
    const cut = (line: string) => {
      const parts = [];
      for (let at = 0; at < line.length;) parts.push(line.slice(at, (at += random.int(1, 6))));
      return parts;
    };
    assert.deepEqual(shownOf(output, cut), await expected(output), JSON.stringify(output));
  }
});

test("what a program claims about the cursor takes no more room than text", () => {
  const { text } = new AnsiReader().read(
    "a\u001b[999999999Cb\u001b[999999999@\u001b[9999999X\u001b[999999999Gc",
  );
  assert.ok(text.length < 10_000, String(text.length));
});
