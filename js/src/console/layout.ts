// Where the lines of output are, in rows of one height: those that are shown, each of one row or wrapped to several.
import { eastAsianWidth } from "get-east-asian-width";
import type { Line, OutputBuffer } from "./output-buffer.js";

/** Rows that an element can have: browsers limit its height, Firefox to 17.8 million px. */
const MOST_ROWS = 800_000;
/** Sums of rows are kept for so many lines at a time. */
const BLOCK = 256;
const TAB = 8;
const ASCII = /^[\x20-\x7e]*$/;

export class Layout {
  readonly #buffer: OutputBuffer;
  /** Columns of a row; undefined where lines do not wrap. */
  readonly #columns: number | undefined;
  /** Columns that a line takes beside its text. */
  readonly #widthOf: (line: Line) => number;
  /** Numbers of the lines that are shown, and the rows of each. */
  #numbers: number[] = [];
  #rows: number[] = [];
  /** The rows of each block of lines. */
  #sums: number[] = [];
  #end: number;
  #least = 0;
  /** Lines that can change. */
  #unfinished: readonly number[] = [];
  /** How many rows there are. */
  rows = 0;

  constructor(buffer: OutputBuffer, columns: number | undefined, widthOf: (line: Line) => number) {
    this.#buffer = buffer;
    this.#columns = columns;
    this.#widthOf = widthOf;
    this.#end = buffer.dropped;
    this.update();
  }

  /** Takes in what has come since, and lets go what the buffer has let go. */
  update(): void {
    const { dropped, end } = this.#buffer;
    for (const number of this.#unfinished) this.#measure(number);
    for (let number = Math.max(this.#end, dropped); number < end; number++) {
      const line = this.#buffer.line(number);
      if (!line || !this.#buffer.isShown(line)) continue;
      const rows = this.#rowsOf(line);
      const block = Math.floor(this.#numbers.length / BLOCK);
      this.#numbers.push(number);
      this.#rows.push(rows);
      this.#sums[block] = (this.#sums[block] ?? 0) + rows;
      this.rows += rows;
    }
    this.#end = end;
    this.#unfinished = this.#buffer.unfinished;
    this.#letGo(this.#indexOf(dropped));
    if (this.rows > MOST_ROWS) {
      // More than is needed, since each time moves the lines that stay.
      const from = this.#at(this.rows - MOST_ROWS * 0.9).index;
      this.#letGo(Math.min(from, this.#numbers.length - 1));
      this.#least = this.#numbers[0] ?? 0;
    }
  }

  /** How many lines are shown. */
  get count(): number {
    return this.#numbers.length;
  }

  /** Lines with lower numbers are not shown any more. */
  get least(): number {
    return Math.max(this.#least, this.#buffer.dropped);
  }

  /** How many of the lines that are shown have this number or a higher one. */
  countFrom(number: number): number {
    return this.#numbers.length - this.#indexOf(number);
  }

  /** The row in which a line begins; of a line that is not shown, that of the next one. */
  rowOf(number: number): number {
    return this.#before(this.#indexOf(number));
  }

  /** The line that has a row, and the row in which it begins. */
  lineAt(row: number): { number: number; row: number } {
    const { index, row: begins } = this.#at(row);
    return { number: this.#numbers[index] ?? this.#end, row: begins };
  }

  /** The numbers of the lines with these rows, and the row in which the first of them begins. */
  slice(fromRow: number, toRow: number): { numbers: number[]; row: number } {
    const { index, row } = this.#at(fromRow);
    let to = index;
    for (let at = row; at < toRow && to < this.#numbers.length; to++) at += this.#rows[to] ?? 1;
    return { numbers: this.#numbers.slice(index, to), row };
  }

  /** Corrects the rows of a line that is drawn. Whether they were others. */
  correct(number: number, rows: number): boolean {
    const index = this.#indexOf(number);
    if (this.#numbers[index] !== number || this.#rows[index] === rows || rows < 1) return false;
    this.#set(index, rows);
    return true;
  }

  #measure(number: number): void {
    const index = this.#indexOf(number);
    const line = this.#buffer.line(number);
    if (line && this.#numbers[index] === number) this.#set(index, this.#rowsOf(line));
  }

  #set(index: number, rows: number): void {
    const by = rows - (this.#rows[index] ?? 0);
    this.#rows[index] = rows;
    const block = Math.floor(index / BLOCK);
    this.#sums[block] = (this.#sums[block] ?? 0) + by;
    this.rows += by;
  }

  /** How many rows are before a line. */
  #before(index: number): number {
    const block = Math.floor(index / BLOCK);
    let row = 0;
    for (let i = 0; i < block; i++) row += this.#sums[i] ?? 0;
    for (let i = block * BLOCK; i < index; i++) row += this.#rows[i] ?? 0;
    return row;
  }

  #at(row: number): { index: number; row: number } {
    let block = 0;
    let begins = 0;
    for (; block < this.#sums.length - 1 && begins + (this.#sums[block] ?? 0) <= row; block++)
      begins += this.#sums[block] ?? 0;
    let index = block * BLOCK;
    for (; index < this.#numbers.length - 1 && begins + (this.#rows[index] ?? 1) <= row; index++)
      begins += this.#rows[index] ?? 1;
    return { index, row: begins };
  }

  /** Where a line is among those that are shown, or would be. */
  #indexOf(number: number): number {
    let from = 0;
    let to = this.#numbers.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#numbers[middle] ?? 0) < number) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  #letGo(count: number): void {
    if (count <= 0) return;
    this.#numbers.splice(0, count);
    this.#rows.splice(0, count);
    this.#sums = [];
    this.rows = 0;
    this.#rows.forEach((rows, i) => {
      const block = Math.floor(i / BLOCK);
      this.#sums[block] = (this.#sums[block] ?? 0) + rows;
      this.rows += rows;
    });
  }

  #rowsOf(line: Line): number {
    return this.#columns === undefined ? 1 : Math.max(1, Math.ceil(this.#widthOf(line) / this.#columns));
  }
}

/** How many columns a text takes. */
export function widthOf(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const character of text) {
    if (character === "\t") width += TAB - (width % TAB);
    else width += eastAsianWidth(character.codePointAt(0) ?? 0);
  }
  return width;
}
