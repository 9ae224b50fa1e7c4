// Patterns of paths. Servers without the routes are searched by commands, whose own patterns differ: their results are
// matched here, in steps linear in the length of a name, since the names are the sandbox's.
import { shim } from "./shim.js";

/** A character of a part, "one" for any character, "any" for any number of them, or a class. */
type Token = string | { not: boolean; ranges: [from: string, to: string][] };
/** A part between slashes; `**` is `below`. */
type Part = "below" | { tokens: Token[]; dot: boolean };
export type Pattern = Part[];

/** What is left of the patterns in a directory: the number of a pattern, and that of its next part. */
export type Left = [pattern: number, part: number][];

/** As the server has it (`SEARCH_PATTERNS` of limits.rs). */
const PATTERNS = 64;

/** The patterns of an option, without braces. */
export function patternsOf(name: string, given: unknown): string[] {
  const all: unknown[] = Array.isArray(given) ? given : [given];
  const patterns = all.flatMap((pattern) => {
    if (typeof pattern !== "string" || pattern === "" || pattern.includes("\0") || /\p{Cs}/u.test(pattern))
      throw shim.invalid(`\`${name}\` must be a pattern, or several: text that is not empty and has no NUL`);
    const wrong = (why: string) => shim.invalid(`the pattern "${pattern}" of \`${name}\`: ${why}`);
    if (pattern.startsWith("!")) throw wrong("to leave paths out, pass their patterns as `exclude`");
    if (/(?<!\\)[?*+@!]\(/.test(pattern))
      throw wrong("groups such as `@(a|b)` are not supported: use braces, or `\\(` for a parenthesis");
    if (/(?<!\\)\{[^{},/]*\.\.[^{},/]*\}/.test(pattern))
      throw wrong("ranges in braces are not supported: list what they stand for");
    return expand(pattern, wrong).map((plain) => {
      const parts = plain.split("/").filter((part) => part !== ".");
      if (parts[0] === "") throw wrong("it must be relative: pass the directory as `cwd`");
      if (parts.length === 0 || parts.includes("") || parts.includes(".."))
        throw wrong("each part between slashes must be a name or wildcards, and not `..`");
      parts.forEach((part) => parsePart(part, wrong));
      return parts.join("/");
    });
  });
  if (patterns.length > PATTERNS)
    throw shim.invalid(`\`${name}\` has more than ${PATTERNS} patterns, with each alternative in braces`);
  return patterns;
}

/** The texts that a pattern with braces stands for. */
export function expand(pattern: string, wrong: (why: string) => Error): string[] {
  let depth = 0;
  let open = -1;
  const cuts: number[] = [];
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i];
    if (char === "\\") i++;
    else if (char === "[") i = classEnd(pattern, i, wrong);
    else if (char === "{" && depth++ === 0) open = i;
    else if (char === "," && depth === 1) cuts.push(i);
    else if (char === "}") {
      if (depth === 0) throw wrong("a `}` has no `{` before it");
      if (--depth > 0) continue;
      const bounds = [open, ...cuts, i];
      const [before, after] = [pattern.slice(0, open), pattern.slice(i + 1)];
      const alternatives = bounds.slice(1).flatMap((end, at) => {
        const text = before + pattern.slice((bounds[at] ?? 0) + 1, end) + after;
        return expand(text, wrong);
      });
      if (alternatives.length > PATTERNS) throw wrong(`it stands for more than ${PATTERNS} patterns`);
      return alternatives;
    }
  }
  if (depth > 0) throw wrong("a `{` has no `}` after it");
  return [pattern];
}

/** Where the class that begins at `[` ends. */
function classEnd(pattern: string, start: number, wrong: (why: string) => Error): number {
  let i = start + 1;
  if (pattern[i] === "!" || pattern[i] === "^") i++;
  for (let first = true; i < pattern.length; i++, first = false) {
    if (pattern[i] === "]" && !first) return i;
    if (pattern[i] === "\\") i++;
  }
  throw wrong("a `[` has no `]` after it");
}

/** Parses a pattern without braces. */
export function parse(pattern: string, wrong: (why: string) => Error = invalidPattern): Pattern {
  return pattern.split("/").map((part) => parsePart(part, wrong));
}

function invalidPattern(why: string): Error {
  return shim.invalid(`a pattern is not valid: ${why}`);
}

function parsePart(part: string, wrong: (why: string) => Error): Part {
  if (part === "**") return "below";
  const tokens: Token[] = [];
  const chars = Array.from(part);
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] ?? "";
    if (char === "*") tokens.push("any");
    else if (char === "?") tokens.push("one");
    else if (char === "\\") {
      const next = chars[++i];
      if (next === undefined) throw wrong("a backslash at the end escapes nothing");
      tokens.push(next);
    } else if (char === "[") {
      const not = chars[i + 1] === "!" || chars[i + 1] === "^";
      if (not) i++;
      const ranges: [string, string][] = [];
      const next = () => {
        if (chars[++i] === "\\") i++;
        const found = chars[i];
        if (found === undefined) throw wrong("a `[` has no `]` after it");
        return found;
      };
      while (chars[i + 1] !== "]" || ranges.length === 0) {
        const from = next();
        let to = from;
        if (chars[i + 1] === "-" && chars[i + 2] !== undefined && chars[i + 2] !== "]") {
          i++;
          to = next();
        }
        if (order(to) < order(from)) throw wrong("a range of characters ends before it begins");
        ranges.push([from, to]);
      }
      i++;
      tokens.push({ not, ranges });
    } else tokens.push(char);
  }
  return { tokens, dot: part.startsWith(".") || part.startsWith("\\.") };
}

function order(char: string): number {
  return char.codePointAt(0) ?? 0;
}

function fits(token: Token | undefined, char: string): boolean {
  if (token === undefined || token === "any") return false;
  if (token === "one") return true;
  if (typeof token === "string") return token === char;
  const at = order(char);
  return token.ranges.some(([from, to]) => order(from) <= at && at <= order(to)) !== token.not;
}

/** Whether a part matches a name: after a `*`, only the last one is ever tried again. */
function matches(tokens: Token[], name: string): boolean {
  const chars = Array.from(name);
  let [at, char, star, retry] = [0, 0, -1, 0];
  while (char < chars.length) {
    if (fits(tokens[at], chars[char] ?? "")) {
      at++;
      char++;
    } else if (tokens[at] === "any") {
      star = at++;
      retry = char;
    } else if (star >= 0) {
      at = star + 1;
      char = ++retry;
    } else return false;
  }
  while (tokens[at] === "any") at++;
  return at === tokens.length;
}

/** Several patterns. */
export class Patterns {
  readonly #patterns: Pattern[];
  readonly #hidden: boolean;

  /** `hidden`: wildcards match a dot at the beginning of a name. */
  constructor(patterns: Pattern[], hidden: boolean) {
    this.#patterns = patterns;
    this.#hidden = hidden;
  }

  /** What is left of the patterns in the first directory. */
  start(): Left {
    return this.#patterns.map((_, pattern) => [pattern, 0]);
  }

  /** Whether a pattern has a part that matches hidden names. */
  get hasDot(): boolean {
    return this.#patterns.some((parts) => parts.some((part) => part !== "below" && part.dot));
  }

  /** Whether an entry of a directory matches, and what is left of the patterns below it. */
  step(left: Left, name: string): { matched: boolean; below: Left } {
    const plain = this.#hidden || !name.startsWith(".");
    let matched = false;
    const below = new Map<string, [number, number]>();
    for (const [pattern, first] of left) {
      const parts = this.#patterns[pattern] ?? [];
      let at = first;
      while (parts[at] === "below") {
        if (plain) below.set(`${pattern} ${at}`, [pattern, at]);
        at++;
      }
      const part = parts[at];
      const isFit =
        part === undefined || part === "below" ? plain : (plain || part.dot) && matches(part.tokens, name);
      if (!isFit) continue;
      if (at + 1 >= parts.length) matched = true;
      else below.set(`${pattern} ${at + 1}`, [pattern, at + 1]);
    }
    return { matched, below: [...below.values()] };
  }

  /** Whether a whole path matches, and with `orAbove` whether it or a directory above it does. */
  match(path: string, orAbove = false): boolean {
    let left = this.start();
    const names = path.split("/");
    for (const [i, name] of names.entries()) {
      const { matched, below } = this.step(left, name);
      if (matched && (orAbove || i === names.length - 1)) return true;
      left = below;
    }
    return false;
  }
}
