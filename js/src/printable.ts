// Characters that change what surrounds them where text is shown: controls (C0, C1, and with them every escape
// sequence), marks and overrides of direction, characters without a shape, line separators, halves of pairs.
const HARMFUL = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/**
 * Text of a server or a sandbox with those characters as JSON escapes, so that they are seen and not obeyed; those in
 * `except` are left.
 */
export function printable(text: string, except = ""): string {
  return text.replace(HARMFUL, (found) => {
    if (except.includes(found)) return found;
    const units = Array.from({ length: found.length }, (_, at) => found.charCodeAt(at));
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
  });
}
