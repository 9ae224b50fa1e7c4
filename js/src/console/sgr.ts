// Styles of text as programs set them (ECMA-48, "Select Graphic Rendition"; ISO 8613-6).

/** Text of one style: classes for what is named, colors for what is numbered. */
export interface Span {
  text: string;
  className: string;
  color?: string | undefined;
  background?: string | undefined;
  /** Color of the underline, where that is another one than the text's. Named ones are left to the text's. */
  underline?: string | undefined;
}

/** A color by name, which the page's style has, or as CSS has it. */
type Color = { name: string } | { css: string } | undefined;

/** A style. Not changed: another one is made. */
export interface Style {
  decorations: readonly string[];
  fore: Color;
  back: Color;
  under: Color;
  reversed: boolean;
}

export const PLAIN: Style = {
  decorations: [],
  fore: undefined,
  back: undefined,
  under: undefined,
  reversed: false,
};

const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
/** What a number switches on (ECMA-48, section 8.3.117), but for 7, which exchanges the colors. */
const ON: Record<number, string[]> = {
  1: ["bold"],
  2: ["dim"],
  3: ["italic"],
  4: ["underline"],
  9: ["strikethrough"],
  21: ["underline", "double"],
  53: ["overline"],
};
/** The shapes of underlines, by the number after `4:`. */
const SHAPES = [
  [],
  ["underline"],
  ["underline", "double"],
  ["underline", "curly"],
  ["underline", "dotted"],
  ["underline", "dashed"],
];
const UNDERLINES = ["underline", "double", "curly", "dotted", "dashed"];
const OFF: Record<number, string[]> = {
  22: ["bold", "dim"],
  23: ["italic"],
  24: UNDERLINES,
  29: ["strikethrough"],
  55: ["overline"],
};

/** The style after a sequence with these parameters, which are numbers between `;`, each with parts between `:`. */
export function restyled(style: Style, parameters: string): Style {
  const all = parameters.split(";").map((parameter) => parameter.split(":").map(Number));
  const next = { ...style };
  const switched = (off: string[], on: string[]) => {
    next.decorations = [
      ...next.decorations.filter((name) => !off.includes(name) && !on.includes(name)),
      ...on,
    ];
  };
  for (let i = 0; i < all.length; i++) {
    const [number = 0, ...parts] = all[i] ?? [];
    if (number === 0) Object.assign(next, PLAIN);
    else if (number === 38 || number === 48 || number === 58) {
      // After `:` the color is in the same parameter, and a third part can name its space. After `;` it is in those that follow.
      const rest = all.slice(i + 1, i + 5).map(([value = 0]) => value);
      const inParts = parts[0] === 2 && parts.length > 4 ? [2, ...parts.slice(2)] : parts;
      const [color, taken] = numbered(parts.length > 0 ? inParts : rest);
      if (parts.length === 0) i += taken;
      next[number === 38 ? "fore" : number === 48 ? "back" : "under"] = color;
    } else if (number === 4 && parts.length > 0) switched(UNDERLINES, SHAPES[parts[0] ?? 1] ?? ["underline"]);
    else if (number === 7 || number === 27) next.reversed = number === 7;
    else if (ON[number]) switched(ON[number].includes("underline") ? UNDERLINES : [], ON[number]);
    else if (OFF[number]) switched(OFF[number], []);
    else if (number === 59) next.under = undefined;
    else if (number === 39 || (number >= 30 && number <= 37)) next.fore = named(number - 30);
    else if (number === 49 || (number >= 40 && number <= 47)) next.back = named(number - 40);
    else if (number >= 90 && number <= 97) next.fore = named(number - 90, true);
    else if (number >= 100 && number <= 107) next.back = named(number - 100, true);
  }
  return isPlain(next) && next.under === undefined ? PLAIN : next;
}

/** Text in a style. */
export function spanOf(text: string, { decorations, fore, back, under, reversed }: Style): Span {
  // A named color is one thing as text and another behind it, so that each can be read.
  const [front, behind]: Color[] = !reversed
    ? [fore, back]
    : fore
      ? [back, fore]
      : [{ name: "reversed" }, { name: "reversed" }];
  const classes = [...decorations];
  if (front && "name" in front) classes.push(`fg-${front.name}`);
  if (behind && "name" in behind) classes.push(`bg-${behind.name}`);
  const css = (color: Color) => (color && "css" in color ? color.css : undefined);
  const underline = css(under);
  return {
    text,
    className: classes.join(" "),
    color: css(front),
    background: css(behind),
    ...(underline !== undefined && { underline }),
  };
}

export const isPlain = ({ decorations, fore, back, reversed }: Style): boolean =>
  decorations.length === 0 && fore === undefined && back === undefined && !reversed;

function named(index: number, bright = false): Color {
  const name = NAMES[index];
  if (name === undefined) return undefined;
  return { name: bright ? `bright${name.charAt(0).toUpperCase()}${name.slice(1)}` : name };
}

/** A color of the 256, or of all (ISO 8613-6), and how many numbers it takes. */
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
