// The columns of a table on a terminal.
import stringWidth from "string-width";
import { coloured } from "./print.js";

/** The width below which no column is cut. */
const NARROW = 5;

/** Lines of cells, the head first, in columns. */
export function columns(lines: string[][]): string[] {
  const [head = []] = lines;
  const widths = fitted(
    head,
    head.map((_, i) => Math.max(...lines.map((line) => stringWidth(line[i] ?? "")))),
    process.stdout.columns || 80,
  );
  return lines.map((line, row) => {
    const cells = line.map((cell, i) => padded(cut(cell, widths[i] ?? 0), widths[i] ?? 0));
    const text = cells.join("  ").trimEnd();
    return row === 0 && coloured(process.stdout) ? `\u001b[1m${text}\u001b[0m` : text;
  });
}

/** Columns of text of any length, which are cut before others. */
const LONG = ["Name", "Image", "Output", "Command"];

/** The widths of columns on a terminal. The widest ones are cut, but the first one, which has what commands take. */
function fitted(head: string[], widths: number[], columns: number): number[] {
  const fitting = [...widths];
  let excess = fitting.reduce((sum, width) => sum + width + 2, -2) - columns;
  for (const isCut of [(i: number) => LONG.includes(head[i] ?? ""), () => true])
    for (; excess > 0; excess--) {
      const widest = Math.max(0, ...fitting.filter((_, i) => i > 0 && isCut(i)));
      if (widest <= NARROW) break;
      const at = fitting.findLastIndex((width, i) => i > 0 && isCut(i) && width === widest);
      fitting[at] = widest - 1;
    }
  return fitting;
}

const characters = new Intl.Segmenter();

/** A text that fits into so many columns. */
export function cut(text: string, columns: number): string {
  if (stringWidth(text) <= columns) return text;
  let [kept, width] = ["", 1];
  for (const { segment } of characters.segment(text)) {
    width += stringWidth(segment);
    if (width > columns) break;
    kept += segment;
  }
  return `${kept}…`;
}

const padded = (text: string, columns: number) => text + " ".repeat(Math.max(0, columns - stringWidth(text)));
