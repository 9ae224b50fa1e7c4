// Lines as programs write them for terminals, as text with a style.

/** Text of one style: classes for what is named, colours for what is numbered. */
export interface Span {
  text: string;
  className: string;
  color?: string | undefined;
  background?: string | undefined;
}

/** A colour by name, which the page's style has, or as CSS has it. */
type Color = { name: string } | { css: string } | undefined;

/** ECMA-48: a control sequence; a string (title, link) to its end; any other escape sequence. */
const SEQUENCES =
  /\u001b\[([0-?]*)[ -/]*([@-~])|\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[ -/]*[0-~]?/g;
const CONTROLS = /[\u0000-\u0008\u000a-\u001a\u001c-\u001f\u007f]/g;
const SPECIAL = /[\u0000-\u0008\u000a-\u001f\u007f]/;

const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
/** What a number switches on (ECMA-48, section 8.3.117), but for 7, which exchanges the colours. */
const ON: Record<number, string> = {
  1: "bold",
  2: "dim",
  3: "italic",
  4: "underline",
  9: "strikethrough",
  53: "overline",
};
const OFF: Record<number, string[]> = {
  21: ["bold"],
  22: ["bold", "dim"],
  23: ["italic"],
  24: ["underline"],
  29: ["strikethrough"],
  55: ["overline"],
};

/** What has been switched on. */
export interface Style {
  decorations: readonly string[];
  fore: Color;
  back: Color;
  reversed: boolean;
}

/** Reads the lines of one stream in order: a style goes on in the next line. */
export class AnsiReader {
  readonly #decorations = new Set<string>();
  #fore: Color;
  #back: Color;
  #reversed = false;

  /** The style in which the next line begins. Setting it goes back there. */
  get style(): Style {
    return {
      decorations: [...this.#decorations],
      fore: this.#fore,
      back: this.#back,
      reversed: this.#reversed,
    };
  }

  set style({ decorations, fore, back, reversed }: Style) {
    this.#decorations.clear();
    for (const name of decorations) this.#decorations.add(name);
    this.#fore = fore;
    this.#back = back;
    this.#reversed = reversed;
  }

  /** A line's text, and its spans where it has a style. */
  read(line: string): { text: string; spans: Span[] | undefined } {
    if (!this.#isStyled() && !SPECIAL.test(line)) return { text: line, spans: undefined };
    const shown = overwritten(line);
    const spans: Span[] = [];
    const add = (part: string) => {
      if (part === "") return;
      spans.push(this.#span(part.replace(CONTROLS, sign)));
    };
    let done = 0;
    for (const { 0: whole, 1: parameters, 2: final, index } of shown.matchAll(SEQUENCES)) {
      add(shown.slice(done, index));
      done = index + whole.length;
      if (final === "m" && parameters !== undefined && /^[0-9;:]*$/.test(parameters)) this.#set(parameters);
    }
    add(shown.slice(done));
    const text = spans.map((span) => span.text).join("");
    return { text, spans: spans.some(hasStyle) ? spans : undefined };
  }

  #isStyled(): boolean {
    return (
      this.#fore !== undefined || this.#back !== undefined || this.#reversed || this.#decorations.size > 0
    );
  }

  #span(text: string): Span {
    // A named colour is one thing as text and another behind it, so that each can be read.
    const [fore, back]: Color[] = !this.#reversed
      ? [this.#fore, this.#back]
      : this.#fore
        ? [this.#back, this.#fore]
        : [{ name: "reversed" }, { name: "reversed" }];
    const classes = [...this.#decorations];
    if (fore && "name" in fore) classes.push(`fg-${fore.name}`);
    if (back && "name" in back) classes.push(`bg-${back.name}`);
    const css = (color: Color) => (color && "css" in color ? color.css : undefined);
    return { text, className: classes.join(" "), color: css(fore), background: css(back) };
  }

  /** Select Graphic Rendition. */
  #set(parameters: string): void {
    const numbers = parameters.split(/[;:]/).map(Number);
    for (let i = 0; i < numbers.length; i++) {
      const number = numbers[i] as number;
      if (number === 0) {
        this.#decorations.clear();
        this.#fore = this.#back = undefined;
        this.#reversed = false;
      } else if (number === 38 || number === 48) {
        const [color, taken] = numbered(numbers.slice(i + 1, i + 5));
        i += taken;
        if (number === 38) this.#fore = color;
        else this.#back = color;
      } else if (number === 7 || number === 27) this.#reversed = number === 7;
      else if (ON[number] !== undefined) this.#decorations.add(ON[number]);
      else if (OFF[number]) for (const name of OFF[number]) this.#decorations.delete(name);
      else if (number === 39 || (number >= 30 && number <= 37)) this.#fore = named(number - 30);
      else if (number === 49 || (number >= 40 && number <= 47)) this.#back = named(number - 40);
      else if (number >= 90 && number <= 97) this.#fore = named(number - 90, true);
      else if (number >= 100 && number <= 107) this.#back = named(number - 100, true);
    }
  }
}

const hasStyle = ({ className, color, background }: Span) =>
  className !== "" || color !== undefined || background !== undefined;

function named(index: number, bright = false): Color {
  const name = NAMES[index];
  if (name === undefined) return undefined;
  return { name: bright ? `bright${name.charAt(0).toUpperCase()}${name.slice(1)}` : name };
}

/** A colour of the 256, or of all (ISO 8613-6), and how many numbers it takes. */
function numbered([kind, ...rest]: number[]): [Color, number] {
  const byte = (number = 0) => Math.min(255, number);
  if (kind === 2) return [{ css: `rgb(${byte(rest[0])} ${byte(rest[1])} ${byte(rest[2])})` }, 4];
  if (kind !== 5) return [undefined, 0];
  const index = byte(rest[0]);
  if (index < 16) return [named(index % 8, index > 7), 2];
  const level = (step: number) => (step === 0 ? 0 : 55 + 40 * step);
  const cube = index - 16;
  const [red, green, blue] =
    index > 231
      ? [8 + 10 * (index - 232), 8 + 10 * (index - 232), 8 + 10 * (index - 232)]
      : [level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)];
  return [{ css: `rgb(${red} ${green} ${blue})` }, 2];
}

/** The end of an unfinished line, without what a carriage return has let be overwritten. */
export function visible(line: string): string {
  const at = /\r+$/.exec(line)?.index ?? line.length;
  return line.slice(line.lastIndexOf("\r", at - 1) + 1);
}

/** What a terminal would show of a line in which the cursor goes back to its start. */
function overwritten(line: string): string {
  return line.split("\r").findLast((part) => part !== "") ?? "";
}

/** A control character as a sign, so that it is seen and does nothing. */
function sign(char: string): string {
  return String.fromCharCode(char === "\u007f" ? 0x2421 : 0x2400 + char.charCodeAt(0));
}
