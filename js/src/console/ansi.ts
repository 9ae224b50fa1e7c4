// Lines as programs write them for terminals, as text with a style.
import { eastAsianWidth } from "get-east-asian-width";
import { isPlain, PLAIN, restyled, type Span, spanOf, type Style } from "./sgr.js";

export interface Shown {
  text: string;
  /** Where it has a style. */
  spans: Span[] | undefined;
}

/** ECMA-48: a control sequence; a string (title, link) to its end; any other escape sequence. */
const SEQUENCE =
  /\u001b\[([0-?]*)[ -/]*([@-~])|\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)|\u001b[ -/]*[0-OQ-WYZ`-~\\]/y;
/** The beginning of one, at the end of what has come. */
const BEGUN = /\u001b(?:\[[0-?]*[ -/]*|[\]PX^_][^\u0007\u001b]*\u001b?|[ -/]*)$/y;
/** What is longer than that is no sequence whose end is to come. */
const LONGEST_SEQUENCE = 4096;
const SPECIAL = /[\u0000-\u0008\u000a-\u001f\u007f]/;
const MARK = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
/** Where a cursor can be put without text before it. */
const MOST_COLUMNS = 4096;
const TAB = 8;

/** A character with what is combined with it; the second column of a wide one has none. */
interface Cell {
  text: string;
  style: Style;
}

/** Reads the lines of one stream in order: a style goes on in the next line. */
export class AnsiReader {
  style: Style = PLAIN;

  /** A whole line. */
  read(line: string): Shown {
    // Where the cursor is at the end of a line is not seen.
    const text = line.endsWith("\r") ? line.replace(/\r+$/, "") : line;
    if (isPlain(this.style) && !SPECIAL.test(text)) return { text, spans: undefined };
    const terminal = new TerminalLine(this);
    terminal.write(text);
    return terminal.shown();
  }
}

/** A line of a terminal without a right margin: what is written, goes back and is overwritten. */
export class TerminalLine {
  readonly #reader: AnsiReader;
  /** All of it, as long as it is plain text. */
  #plain: string | undefined = "";
  #cells: (Cell | undefined)[] = [];
  #column = 0;
  /** The beginning of a sequence. */
  #held = "";

  constructor(reader: AnsiReader) {
    this.#reader = reader;
  }

  /** Adds what a program has written. */
  write(part: string): void {
    const text = this.#held + part;
    this.#held = "";
    if (this.#plain !== undefined && isPlain(this.#reader.style) && !SPECIAL.test(text)) {
      this.#plain += text;
      return;
    }
    const before = this.#plain;
    this.#plain = undefined;
    if (before !== undefined) this.#print(before, PLAIN);
    this.#read(text);
  }

  shown(): Shown {
    if (this.#plain !== undefined) return { text: this.#plain, spans: undefined };
    const spans: Span[] = [];
    let [text, style] = ["", PLAIN];
    const end = () => {
      if (text !== "") spans.push(spanOf(text, style));
      text = "";
    };
    for (const cell of this.#cells) {
      // A column that nothing was written to.
      const { text: char, style: its } = cell ?? { text: " ", style: PLAIN };
      if (its !== style) end();
      style = its;
      text += char;
    }
    end();
    const isStyled = ({ className, color, background }: Span) =>
      className !== "" || color !== undefined || background !== undefined;
    return {
      text: spans.map((span) => span.text).join(""),
      spans: spans.some(isStyled) ? spans : undefined,
    };
  }

  #read(text: string): void {
    for (let at = 0; at < text.length;) {
      const char = text.charAt(at);
      if (char === "\u001b") {
        SEQUENCE.lastIndex = BEGUN.lastIndex = at;
        const found = SEQUENCE.exec(text);
        if (!found && text.length - at < LONGEST_SEQUENCE && BEGUN.test(text)) {
          this.#held = text.slice(at);
          return;
        }
        const [whole = char, parameters = "", final] = found ?? [];
        at += whole.length;
        if (final !== undefined && /^[0-9;:]*$/.test(parameters)) this.#control(final, parameters);
        continue;
      }
      at++;
      if (char === "\r") this.#column = 0;
      else if (char === "\b") this.#column = Math.max(0, this.#column - 1);
      else if (char === "\t") this.#column = (Math.floor(this.#column / TAB) + 1) * TAB;
      else if (SPECIAL.test(char)) this.#put(sign(char), 1, this.#reader.style);
      else {
        const from = at - 1;
        while (at < text.length && !/[\u0000-\u001f\u007f]/.test(text.charAt(at))) at++;
        this.#print(text.slice(from, at), this.#reader.style);
      }
    }
  }

  #print(text: string, style: Style): void {
    for (const char of text) {
      if (char < "\u0300") {
        if (char === "\t") this.#column = (Math.floor(this.#column / TAB) + 1) * TAB;
        else this.#put(char, 1, style);
      } else if (MARK.test(char)) this.#combine(char);
      else this.#put(char, eastAsianWidth(char.codePointAt(0) ?? 0), style);
    }
  }

  #put(char: string, width: 1 | 2, style: Style): void {
    this.#clear(this.#column, this.#column + width, style);
    this.#cells[this.#column] = { text: char, style };
    if (width === 2) this.#cells[this.#column + 1] = { text: "", style };
    this.#column += width;
  }

  /** Adds a mark to the character before the cursor. */
  #combine(mark: string): void {
    let at = this.#column - 1;
    if (this.#cells[at]?.text === "") at--;
    const before = this.#cells[at];
    if (before) this.#cells[at] = { ...before, text: before.text + mark };
  }

  /** Empties columns. Of a wide character that has one of them, the other one is a space then, in that style. */
  #clear(from: number, to: number, style = PLAIN): void {
    const cells = this.#cells;
    const space = { text: " ", style };
    if (cells[from]?.text === "") cells[from - 1] = space;
    if (cells[to]?.text === "") cells[to] = space;
    for (let at = from; at < Math.min(to, cells.length); at++) cells[at] = undefined;
  }

  #control(final: string, parameters: string): void {
    if (final === "m") {
      this.#reader.style = restyled(this.#reader.style, parameters);
      return;
    }
    const number = Number(parameters.split(";")[0]);
    const count = Math.min(Math.max(1, number), MOST_COLUMNS);
    const cells = this.#cells;
    const [at, most] = [this.#column, Math.max(cells.length, MOST_COLUMNS)];
    if (final === "C") this.#column = Math.min(at + count, most);
    else if (final === "D") this.#column = Math.max(0, at - count);
    else if (final === "G") this.#column = Math.min(count - 1, most);
    else if (final === "X") this.#clear(at, at + count);
    else if (final === "K") {
      this.#clear(number === 0 ? at : 0, number === 1 ? at + 1 : cells.length);
      if (number !== 1) cells.length = Math.min(cells.length, number === 0 ? at : 0);
    } else if (final === "P" && at < cells.length) {
      this.#clear(at, at + count);
      cells.splice(at, count);
    } else if (final === "@" && at < cells.length) {
      this.#clear(at, at);
      cells.splice(at, 0, ...Array.from<undefined>({ length: count }));
    }
  }
}

/** A control character as a sign, so that it is seen and does nothing. */
function sign(char: string): string {
  return String.fromCharCode(char === "\u007f" ? 0x2421 : 0x2400 + char.charCodeAt(0));
}
