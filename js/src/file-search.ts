// The types of `sandbox.fs.glob` and `sandbox.fs.grep`.
import type { CallOptions } from "./options.js";

/** Options of every search. */
export interface SearchOptions extends CallOptions {
  /** The directory to search. Default: the sandbox's working directory. */
  cwd?: string | undefined;
  /** Searches names that begin with a dot too, and what is below them. Default: false. */
  hidden?: boolean | undefined;
  /**
   * Leaves out what `.gitignore`, `.ignore` and `.rgignore` files say, as ripgrep does; those of the directories above `cwd`
   * are read too. `.gitignore` files hold outside of repositories as well. Default: true.
   */
  ignoreFiles?: boolean | undefined;
  /** Results at most, from 1 to 1,000,000. `summary.truncated` says whether there are more. */
  limit?: number | undefined;
}

/** Options of `glob`. */
export interface GlobOptions extends SearchOptions {
  /** Patterns of paths to leave out, a directory with everything in it. Wildcards match a dot everywhere. */
  exclude?: string | readonly string[] | undefined;
  /** Finds entries with their types instead of paths. Default: false. */
  withFileTypes?: boolean | undefined;
}

/** Options of `grep`. */
export interface GrepOptions extends SearchOptions {
  /**
   * Searches only files whose paths match one of these patterns of `glob`. A pattern without a slash is one of names, in
   * whatever directory. Default: every file.
   */
  glob?: string | readonly string[] | undefined;
  /** Leaves out paths that match one of these patterns, a directory with everything in it. As for `glob` without a slash. */
  exclude?: string | readonly string[] | undefined;
  /** Takes the pattern as plain text. Default: false. */
  fixedStrings?: boolean | undefined;
  /** Takes upper and lower case for the same. Default: false. */
  ignoreCase?: boolean | undefined;
  /** Bytes at which the text of a line is cut, from 1 to 65,536. Default: 2000. */
  maxLineBytes?: number | undefined;
}

/** A line that matches. */
export interface Match {
  /** The path of the file, from `cwd`. */
  path: string;
  /** The number of the line, from 1. */
  line: number;
  /**
   * Where the first match in the line begins, from 1, in UTF-16 code units: `text.slice(column - 1)` begins with it.
   * Undefined if the text was cut before, and on servers where the sandbox has only `grep`, which does not say.
   */
  column: number | undefined;
  /** The line without its line feed. Bytes that are not UTF-8 are U+FFFD. */
  text: string;
  /** Whether the text was cut (`maxLineBytes`). */
  cut: boolean;
}

/** How a search has ended. */
export interface SearchSummary {
  /** Whether there is at least one result more than `limit`. */
  truncated: boolean;
  /**
   * How many files have a NUL byte: such a file is not searched further than that byte. Undefined where commands search,
   * which do not say.
   */
  binary: number | undefined;
  /**
   * How many files, directories and ignore files could not be read or were too large for the search's bounds, and how many
   * names are not UTF-8.
   */
  skipped: number;
}

/**
 * A search under way. It is sent when the first result is asked for. Leaving the loop ends it in the sandbox; a loop that
 * is slow makes it wait.
 *
 * @example
 * ```ts
 * const search = sandbox.fs.grep("TODO", { glob: "*.ts", limit: 100 });
 * for await (const { path, line, text } of search) console.log(`${path}:${line}: ${text}`);
 * if (search.summary?.truncated) console.log("and more");
 * ```
 */
export interface Search<T> extends AsyncIterableIterator<T, SearchSummary | undefined> {
  /** How the search has ended. Undefined until the last result was read; also what the last `next()` has as its `value`. */
  readonly summary: SearchSummary | undefined;
}
