// A regular expression in Rust's syntax as an extended one (POSIX), for `grep -E` of GNU, BusyBox and musl. What has not the
// same meaning there, or could not be seen to have, is refused.

/** What a class of Rust is in brackets; there they have ASCII only. */
const CLASSES: Record<string, string> = { d: "0-9", w: "[:alnum:]_", s: "[:space:]" };
const POSIX = /^\[:(alnum|alpha|blank|cntrl|digit|graph|lower|print|punct|space|upper|xdigit):\]/;
const ASCII_PUNCTUATION = /[!-/:-@[-`{-~]/;
/** RE_DUP_MAX, which POSIX guarantees. */
const MOST = 255;

/** The extended regular expression; `refuse` makes the error that names what there is no other way for. */
export function extended(pattern: string, refuse: (what: string) => Error): string {
  let [rest, out, depth] = [pattern, "", 0];
  /** Whether there is something that can be repeated, and whether it is repeated already. */
  let [repeatable, repeated] = [false, false];
  const take = (length: number) => {
    const taken = rest.slice(0, length);
    rest = rest.slice(length);
    return taken;
  };
  while (rest !== "") {
    const char = take((rest.codePointAt(0) ?? 0) > 0xffff ? 2 : 1);
    const isAtom = !"|(*+?{^$".includes(char);
    if (char === "\\") {
      const next = take(1);
      const negated = CLASSES[next.toLowerCase()];
      if (next === "b") out += "\\b";
      else if (next === "t") out += "\t";
      else if (CLASSES[next] !== undefined) out += `[${CLASSES[next]}]`;
      else if (/[DWS]/.test(next) && negated !== undefined) out += `[^${negated}]`;
      else if (ASCII_PUNCTUATION.test(next)) out += quoted(next);
      else throw refuse(`\\${next}`);
      repeatable = next !== "b";
      repeated = false;
      continue;
    }
    if (char === "[") {
      const { text, length } = bracket(rest, refuse);
      out += text;
      take(length);
    } else if (char === "(") {
      if (rest.startsWith("?:")) take(2);
      else if (rest.startsWith("?")) throw refuse(`(${rest.slice(0, 2)}`);
      out += "(";
      depth++;
    } else if (char === ")") {
      if (depth-- === 0 || /[(|]$/.test(out)) throw refuse(")");
      out += ")";
    } else if (char === "|") {
      if (out === "" || /[(|]$/.test(out) || rest === "" || /^[|)]/.test(rest))
        throw refuse("an empty alternative");
      out += "|";
    } else if ("*+?".includes(char)) {
      // A lazy repetition finds the same lines.
      if (repeated && char === "?") {
        repeatable = false;
        continue;
      }
      if (!repeatable || repeated) throw refuse(`${char} at this place`);
      out += char;
      repeated = true;
      continue;
    } else if (char === "{") {
      const [whole = "", from, , to] = /^(\d+)(,(\d*))?\}/.exec(rest) ?? [];
      if (!repeatable || repeated || whole === "") throw refuse("{ at this place");
      if (Number(from) > MOST || Number(to ?? 0) > MOST) throw refuse(`more than ${MOST} repetitions`);
      out += `{${take(whole.length)}`;
      repeated = true;
      continue;
    } else out += "^$.".includes(char) ? char : quoted(char);
    repeatable = isAtom;
    repeated = false;
  }
  if (depth > 0) throw refuse("( without )");
  return out;
}

/** A character that stands for itself. */
function quoted(char: string): string {
  if (/[.*+?(){}[\]|^$\\]/.test(char)) return `\\${char}`;
  return char;
}

/** The rest of a class in brackets, as POSIX has it: there is no escaping in it, and places have meanings. */
function bracket(rest: string, refuse: (what: string) => Error): { text: string; length: number } {
  let at = rest.startsWith("^") ? 1 : 0;
  const not = at === 1;
  const [singles, others] = [new Set<string>(), [] as string[]];
  for (let first = true; ; first = false) {
    const char = String.fromCodePoint(rest.codePointAt(at) ?? 0x5d);
    if (at >= rest.length) throw refuse("[ without ]");
    if (char === "]" && !first) break;
    const named = POSIX.exec(rest.slice(at));
    if (named) {
      others.push(named[0]);
      at += named[0].length;
      continue;
    }
    if (char === "[" || /^(&&|--|~~)/.test(rest.slice(at)))
      throw refuse(`${rest.slice(at, at + 2)} in brackets`);
    at += char.length;
    let single = char;
    if (char === "\\") {
      const next = rest[at++] ?? "";
      const known = CLASSES[next];
      if (known !== undefined) {
        others.push(known);
        continue;
      }
      if (next === "t") single = "\t";
      else if (ASCII_PUNCTUATION.test(next)) single = next;
      else throw refuse(`\\${next} in brackets`);
    }
    const to = String.fromCodePoint(rest.codePointAt(at + 1) ?? 0x5d);
    if (rest[at] === "-" && to !== "]") {
      // At the ends of a range, these have meanings of their own.
      if (!/[^\]\\^[-]/.test(single) || !/[^\]\\^[-]/.test(to)) throw refuse(`the range ${single}-${to}`);
      if (single > to) throw refuse(`the range ${single}-${to}`);
      others.push(`${single}-${to}`);
      at += 1 + to.length;
    } else singles.add(single);
  }
  const last = ["^", "-"].filter((char) => singles.delete(char));
  const first = singles.delete("]") ? "]" : "";
  const middle = others.join("") + [...singles].join("");
  if (!not && first === "" && middle === "" && last[0] === "^")
    return { text: last.length === 1 ? "\\^" : "[-^]", length: at + 1 };
  return { text: `[${not ? "^" : ""}${first}${middle}${last.join("")}]`, length: at + 1 };
}
