// Searches: their options, and their results as an iterator.
import type * as Glue from "../core/shoreline.js";
import type { GlobOptions, GrepOptions, Match, SearchSummary } from "../file-search.js";
import type { Dirent as DirentShape } from "../file-system.js";
import type { Sandbox } from "../sandbox.js";
import { explained } from "./error.js";
import { patternsOf } from "./pattern.js";
import { isLacking } from "./routes.js";
import { searchByCommands } from "./search-commands.js";
import { searchByRoute } from "./search-route.js";
import { shim } from "./shim.js";
import { Dirent, type Kind } from "./types.js";

// As in limits.rs.
const RESULTS = 1_000_000;
const LINE_BYTES = 65_536;
const PATTERN_BYTES = 4096;

/** A path that matches. */
export interface FoundPath {
  path: string;
  kind: Kind;
}

/** What is searched for, as both ways of searching take it. */
export interface Query {
  cwd: string;
  /** Patterns without braces. */
  patterns: string[];
  exclude: string[];
  hidden: boolean;
  ignoreFiles: boolean;
  limit: number;
  lines: { pattern: string; fixedStrings: boolean; ignoreCase: boolean; maxLineBytes: number } | undefined;
}

/** Results in batches, and how the search has ended. */
export type Batches = AsyncGenerator<(FoundPath | Match)[], SearchSummary>;

/** The same, as far as its results are asked for: after the end, there is no summary any more. */
type Asked = AsyncIterator<(FoundPath | Match)[], SearchSummary | undefined>;

/** Searches in one sandbox. */
export class Searcher {
  readonly #core: Glue.Sandbox;
  readonly #sandbox: Sandbox;
  /** The server was seen not to have the routes. */
  #lacksRoutes = false;

  constructor(core: Glue.Sandbox, sandbox: Sandbox) {
    this.#core = core;
    this.#sandbox = sandbox;
  }

  glob(pattern: string | readonly string[], options: GlobOptions | undefined): Results<string | DirentShape> {
    const names = "cwd exclude withFileTypes hidden ignoreFiles limit signal";
    const given: GlobOptions = shim.optionsOf(options, names);
    const query = queryOf(given, patternsOf("pattern", pattern), patternsOf("exclude", given.exclude ?? []));
    return new Results(this.#batches("glob", query, given.signal), given.limit, (found) => {
      const { path, kind } = found as FoundPath;
      if (!given.withFileTypes) return path;
      const [above, name] = split(path);
      return new Dirent(name, above === "" ? query.cwd : join(query.cwd, above), kind);
    });
  }

  grep(pattern: string, options: GrepOptions | undefined): Results<Match> {
    const names = "cwd glob exclude fixedStrings ignoreCase hidden ignoreFiles limit maxLineBytes signal";
    const given: GrepOptions = shim.optionsOf(options, names);
    if (typeof pattern !== "string" || pattern === "" || /[\0\n]/.test(pattern) || /\p{Cs}/u.test(pattern))
      throw shim.invalid(
        "a pattern must be text of one line that is not empty, has no NUL and is valid Unicode",
      );
    const { fixedStrings = false, ignoreCase = false, maxLineBytes = 2000 } = given;
    check("maxLineBytes", maxLineBytes, LINE_BYTES);
    const anywhere = (name: string, patterns: unknown) =>
      patternsOf(name, patterns).map((path) => (path.includes("/") ? path : `**/${path}`));
    const globs = given.glob === undefined ? ["**"] : anywhere("glob", given.glob);
    const lines = { pattern, fixedStrings, ignoreCase, maxLineBytes };
    const query = queryOf(given, globs, anywhere("exclude", given.exclude ?? []), lines);
    return new Results(this.#batches("grep", query, given.signal), given.limit, (found) => found as Match);
  }

  /** Searches by the server's routes or, if it has none, by commands. A search that `stop` aborts ends everywhere. */
  #batches(syscall: string, query: Query, signal: AbortSignal | undefined): (stop: AbortSignal) => Batches {
    const [core, sandbox] = [this.#core, this.#sandbox];
    const lacks = () => (this.#lacksRoutes = true);
    const tryRoutes = !this.#lacksRoutes;
    return async function* (stop) {
      const both = new AbortController();
      const abort = () => {
        both.abort(signal?.aborted ? signal.reason : stop.reason);
      };
      for (const each of [signal, stop]) each?.addEventListener("abort", abort);
      try {
        if (signal?.aborted) abort();
        if (tryRoutes)
          try {
            return yield* searchByRoute(core, query, both.signal);
          } catch (error) {
            if (!isLacking(error)) throw error;
            lacks();
          }
        return yield* searchByCommands(sandbox, query, both.signal);
      } catch (error) {
        throw explained(error, syscall, query.cwd);
      } finally {
        for (const each of [signal, stop]) each?.removeEventListener("abort", abort);
      }
    };
  }
}

/** The results, one by one. */
export class Results<T> implements AsyncIterator<T, SearchSummary | undefined> {
  readonly #stop = new AbortController();
  readonly #batches: Asked;
  readonly #shaped: (found: FoundPath | Match) => T;
  readonly #isLimited: boolean;
  #batch: Iterator<FoundPath | Match> = [].values();
  /** Each `next` begins after the one before. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    begin: (stop: AbortSignal) => Batches,
    limit: number | undefined,
    shaped: (found: FoundPath | Match) => T,
  ) {
    this.#batches = begin(this.#stop.signal);
    this.#shaped = shaped;
    this.#isLimited = limit !== undefined;
  }

  next(): Promise<IteratorResult<T, SearchSummary | undefined>> {
    const next = this.#turn.then(() => this.#next());
    this.#turn = next.catch(() => undefined);
    return next;
  }

  async #next(): Promise<IteratorResult<T, SearchSummary | undefined>> {
    for (;;) {
      if (this.#isStopped()) return { done: true, value: undefined };
      const found = this.#batch.next();
      if (!found.done) return { done: false, value: this.#shaped(found.value) };
      try {
        const next = await this.#batches.next();
        if (next.done) {
          if (!next.value?.truncated || this.#isLimited) return next;
          const message = `there are more than ${RESULTS} results: search for less, or pass a \`limit\``;
          throw new shim.ApiError({ code: "payload_too_large", message });
        }
        this.#batch = next.value.values();
      } catch (error) {
        if (!this.#isStopped()) throw error;
      }
    }
  }

  #isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Ends the search, also while a result is awaited. */
  async return(): Promise<IteratorResult<T, SearchSummary | undefined>> {
    this.#stop.abort();
    // What it throws is the abort.
    await this.#batches.return?.().catch(() => undefined);
    return { done: true, value: undefined };
  }
}

function queryOf(
  given: GlobOptions | GrepOptions,
  patterns: string[],
  exclude: string[],
  lines?: Query["lines"],
): Query {
  const { cwd = ".", hidden = false, ignoreFiles = true, limit } = given;
  if (typeof cwd !== "string" || cwd === "" || cwd.includes("\0") || /\p{Cs}/u.test(cwd))
    throw shim.invalid("`cwd` must be a path that is not empty, has no NUL and is valid Unicode");
  check("limit", limit ?? 1, RESULTS);
  const bytes = new TextEncoder().encode([...patterns, ...exclude, lines?.pattern ?? ""].join("")).length;
  if (bytes > PATTERN_BYTES)
    throw shim.invalid(`the patterns have more than ${PATTERN_BYTES} bytes together: search several times`);
  return { cwd, patterns, exclude, hidden, ignoreFiles, limit: limit ?? RESULTS, lines };
}

function check(name: string, value: number, most: number): void {
  if (!Number.isInteger(value) || value < 1 || value > most)
    throw shim.invalid(`\`${name}\` must be a whole number from 1 to ${most}`);
}

function split(path: string): [above: string, name: string] {
  const at = path.lastIndexOf("/");
  return [path.slice(0, Math.max(at, 0)), path.slice(at + 1)];
}

function join(path: string, below: string): string {
  return `${path.replace(/\/+$/, "")}/${below}`;
}
