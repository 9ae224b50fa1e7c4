// Patterns for what is left out of a tree: the same in GNU's tar, which is told them, and here.
import { invalid } from "../arguments.js";

export class Excludes {
  readonly #names: RegExp[] = [];
  readonly #paths: RegExp[] = [];
  /** The options for GNU's tar. */
  readonly args: string[] = [];

  constructor(patterns: readonly string[] = []) {
    if (!Array.isArray(patterns)) throw invalid("`exclude` must be an array of patterns");
    for (const given of patterns as readonly unknown[]) {
      const pattern = typeof given === "string" ? given.replace(/^\.\/+/, "/").replace(/\/+$/, "") : "";
      if (pattern === "" || pattern.includes("\0"))
        throw invalid("`exclude` has something that is not a pattern: give names, or paths below the root");
      const anchored = pattern.includes("/");
      const plain = pattern.replace(/^\/+/, "");
      (anchored ? this.#paths : this.#names).push(expression(plain));
      const escaped = plain.replace(/[\\?[\]]/g, String.raw`\$&`);
      this.args.push(
        "--no-wildcards-match-slash",
        ...(anchored ? ["--anchored", `--exclude=./${escaped}`] : ["--no-anchored", `--exclude=${escaped}`]),
      );
    }
  }

  /** Whether a pattern matches this path. */
  has(path: string): boolean {
    const name = path.slice(path.lastIndexOf("/") + 1);
    return this.#names.some((each) => each.test(name)) || this.#paths.some((each) => each.test(path));
  }

  /** Whether a pattern matches this path or a directory above it. */
  covers(path: string): boolean {
    if (this.args.length === 0) return false;
    for (let end = path.indexOf("/"); end !== -1; end = path.indexOf("/", end + 1))
      if (this.has(path.slice(0, end))) return true;
    return this.has(path);
  }
}

/** `*` stands for any characters of one name; everything else for itself. */
function expression(pattern: string): RegExp {
  const parts = pattern.split(/\*+/).map((part) => part.replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join("[^/]*")}$`, "su");
}
