// Searches by commands of the sandbox, for servers without the routes: names by `find`, lines by `rg` or, where there is
// none, by `find` and `grep`, GNU's or BusyBox's. No value is part of a shell's code.
import type { Match, SearchSummary } from "../file-search.js";
import type { Sandbox } from "../sandbox.js";
import { BY_KIND, Commands, KINDS } from "./commands.js";
import { extended } from "./ere.js";
import { Failure } from "./error.js";
import { Ignores } from "./ignores.js";
import { type Left, parse, Patterns } from "./pattern.js";
import type { Batches, FoundPath, Query } from "./search.js";
import { shim } from "./shim.js";

type Lines = NonNullable<Query["lines"]>;

/** Each character in a locale of UTF-8, which every C library has. */
const ENV = { LC_ALL: "C.UTF-8" };
/** What ripgrep says if there was no file to search. */
const HINT = /^(No files were searched|Running with --debug)/;
/** Files that one `grep` is given. */
const FILES = "100";

/** Prints the paths below the directory $1, one a line: in them NULs stand for newlines. The rest are arguments of `find`. */
const FIND = String.raw`cd "$1" && shift && find . -mindepth 1 "$@" | tr '\000\n' '\n\000'`;

/** Prints whether there is ripgrep, and whether `grep` takes `-a`. With ripgrep, exits with 1 if that takes the pattern $2. */
const PROBE = String.raw`
if command -v rg > /dev/null; then
  echo rg
  rg --no-config $1 -e "$2" -- /dev/null
else
  case $(grep --version 2>&1) in *GNU*) echo gnu ;; *) echo grep ;; esac
fi`;

/**
 * Searches files for $3, with $1 and $2 as the options of `grep`; $4 is their directory. Prints the path of each file that
 * has it, a NUL for each newline in it and one behind it, then the lines with their numbers. A file with a NUL is left out.
 */
const GREP = String.raw`
how=$1 text=$2 pattern=$3
cd "$4" || exit
shift 4
grep -q "$how" "$text" -e "$pattern" -- "$@" /dev/null || exit 0
for f do
  [ -f "$f" ] && [ ! -L "$f" ] && grep -q "$how" "$text" -e "$pattern" -- "$f" || continue
  [ "$(tr -dc '\000' < "$f" | head -c 1 | wc -c)" -eq 0 ] || continue
  printf %s "$f" | tr '\n' '\000'
  printf '\000\n'
  grep -n "$how" "$text" -e "$pattern" -- "$f"
done`;

export async function* searchByCommands(sandbox: Sandbox, query: Query, signal: AbortSignal): Batches {
  const search = new Search(sandbox, query, signal);
  await search.check();
  const found = query.lines ? search.lines(query.lines) : search.paths();
  let count = 0;
  for await (const result of found) {
    if (count++ === query.limit) return search.summary(true);
    yield [result];
  }
  return search.summary(false);
}

class Search {
  readonly #sandbox: Sandbox;
  readonly #query: Query;
  readonly #signal: AbortSignal;
  readonly #cwd: string;
  readonly #patterns: Patterns;
  readonly #exclude: Patterns;
  #skipped = 0;

  constructor(sandbox: Sandbox, query: Query, signal: AbortSignal) {
    this.#sandbox = sandbox;
    this.#query = query;
    this.#signal = signal;
    const { cwd, patterns, exclude, hidden } = query;
    this.#cwd = cwd.startsWith("/") ? cwd : `./${cwd}`;
    // What the kernel makes has no end.
    const made = /^\/+$/.test(cwd) ? ["proc", "sys"] : [];
    this.#patterns = new Patterns(
      patterns.map((it) => parse(it)),
      hidden,
    );
    this.#exclude = new Patterns(
      [...exclude, ...made].map((it) => parse(it)),
      true,
    );
  }

  /** Fails unless the directory is one. */
  async check(): Promise<void> {
    const { mode } = await new Commands(this.#sandbox).stat(this.#query.cwd, true, this.#signal);
    if ((mode & 0o170000) !== 0o040000) throw new Failure("ENOTDIR");
  }

  summary(truncated: boolean): SearchSummary {
    return { truncated, binary: this.#query.lines ? undefined : 0, skipped: this.#skipped };
  }

  /** What matches the patterns, as `find` finds it: a directory before what is in it. */
  async *paths(): AsyncGenerator<FoundPath> {
    const { ignoreFiles, hidden } = this.#query;
    const ignores = ignoreFiles ? await Ignores.read(this.#sandbox, this.#cwd, this.#signal) : undefined;
    this.#skipped += ignores?.skipped ?? 0;
    const prune = hidden || this.#patterns.hasDot ? [] : ["-name", ".?*", "-prune", "-o"];
    const args = ["-c", FIND, "sh", this.#cwd, ...prune, "(", ...BY_KIND, ")"];
    /** The directories down to the entry that is looked at. */
    let levels: { path: string; left: Left; excluded: Left }[] = [
      { path: "", left: this.#patterns.start(), excluded: this.#exclude.start() },
    ];
    const look = (path: string, kind: FoundPath["kind"]): boolean => {
      const at = path.lastIndexOf("/");
      const [above, name] = [path.slice(0, Math.max(at, 0)), path.slice(at + 1)];
      const isBelow = (path: string) => path === "" || `${above}/`.startsWith(`${path}/`);
      levels = levels.slice(0, levels.findLastIndex((level) => isBelow(level.path)) + 1);
      const level = levels.at(-1);
      // The directory was left out.
      if (level?.path !== above) return false;
      if (name.includes("\ufffd")) {
        this.#skipped++;
        return false;
      }
      const { matched, below } = this.#patterns.step(level.left, name);
      const excluded = this.#exclude.step(level.excluded, name);
      const isDirectory = kind === "directory";
      if (excluded.matched || ignores?.leaveOut(path, isDirectory)) return false;
      if (isDirectory && below.length > 0) levels.push({ path, left: below, excluded: excluded.below });
      return matched;
    };
    let [last, count] = ["", 0];
    for await (const output of this.#output("sh", args)) {
      const line = output.slice(2).replaceAll("\0", "\n");
      // Once for a file, and more often by its kind.
      if (line === last) {
        count++;
        continue;
      }
      const kind = KINDS[count - 1]?.[1] ?? "unknown";
      if (last !== "" && look(last, kind)) yield { path: last, kind };
      [last, count] = [line, 1];
    }
    const kind = KINDS[count - 1]?.[1] ?? "unknown";
    if (last !== "" && look(last, kind)) yield { path: last, kind };
  }

  async *lines(lines: Lines): AsyncGenerator<Match> {
    const flags = [lines.fixedStrings ? "-F" : "", lines.ignoreCase ? "-i" : ""].filter(Boolean);
    const probe = await this.#sandbox.run("sh", {
      args: ["-c", PROBE, "sh", flags.join(" "), lines.pattern],
      env: ENV,
      signal: this.#signal,
    });
    const tool = probe.stdout.split("\n")[0];
    if (tool !== "rg") {
      yield* this.#grep(lines, tool === "gnu");
      return;
    }
    if (probe.exitCode !== 1) {
      const message = `the pattern is not a valid regular expression: ${probe.stderr.slice(0, 2000)}`;
      throw new shim.ApiError({ code: "invalid_request", message });
    }
    yield* this.#ripgrep(lines, flags);
  }

  async *#ripgrep(lines: Lines, flags: string[]): AsyncGenerator<Match> {
    const { hidden, ignoreFiles, exclude } = this.#query;
    const args = ["--no-config", "--null", "--with-filename", "--line-number", "--column", "--no-heading"];
    args.push("--color=never", "--no-require-git", "--no-ignore-global", "--no-ignore-exclude", ...flags);
    if (hidden || this.#patterns.hasDot) args.push("--hidden");
    if (!ignoreFiles) args.push("--no-ignore");
    // Only to stay out of directories: what is found is matched here. `?` and classes take bytes there.
    for (const path of exclude) if (!/[?[]/.test(path)) args.push("-g", `!/${path}`);
    if (/^\/+$/.test(this.#cwd)) args.push("-g", "!/proc", "-g", "!/sys");
    args.push("-e", lines.pattern, "--", ".");
    let text = "";
    const script = 'cd "$1" && shift && exec rg "$@"';
    for await (const line of this.#output("sh", ["-c", script, "sh", this.#cwd, ...args])) {
      // A name with a newline is on several lines.
      text += line;
      const [path, rest] = halves(text, "\0");
      if (rest === undefined) {
        if (/: WARNING: stopped searching binary file after match \(found .*\)$/.test(line)) text = "";
        else text += "\n";
        continue;
      }
      text = "";
      const [number, more = ""] = halves(rest, ":");
      const [column, whole = ""] = halves(more, ":");
      const name = path.slice(2);
      if (name.includes("\ufffd") || !this.#patterns.match(name) || this.#exclude.match(name, true)) continue;
      yield lineOf(name, Number(number), whole, Number(column), lines);
    }
  }

  async *#grep(lines: Lines, isGnu: boolean): AsyncGenerator<Match> {
    const refuse = (what: string) => {
      const message = `the sandbox has no ripgrep, and its \`grep\` has nothing that is the same as ${what}: install ripgrep, or write the pattern without`;
      return new shim.ApiError({ code: "unsupported", message });
    };
    const pattern = lines.fixedStrings ? lines.pattern : extended(lines.pattern, refuse);
    const how = lines.fixedStrings ? "-F" : "-E";
    const files = this.paths();
    const input = (async function* () {
      const encoder = new TextEncoder();
      for await (const { path, kind } of files) if (kind === "file") yield encoder.encode(`./${path}\0`);
    })();
    const text = `-${isGnu ? "a" : ""}${lines.ignoreCase ? "i" : ""}s`;
    const args = ["-0", "-n", FILES, "sh", "-c", GREP, "sh", how, text, pattern, this.#cwd];
    let path = "";
    for await (const line of this.#output("xargs", args, input)) {
      if (line.endsWith("\0")) {
        path = line.slice(2, -1).replaceAll("\0", "\n");
        continue;
      }
      const [number, whole = ""] = halves(line, ":");
      yield lineOf(path, Number(number), whole, undefined, lines);
    }
  }

  /** The lines of a command's output. What it says on standard error is counted. */
  async *#output(command: string, args: string[], input?: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
    // The number of a line and a path come before the text.
    const maxLineBytes = (this.#query.lines?.maxLineBytes ?? 0) + 8192;
    const [env, signal] = [ENV, this.#signal];
    const running = this.#sandbox.run(command, { args, env, signal, input, maxLineBytes, longLine: "cut" });
    for await (const { stream, line } of running) {
      if (stream === "stderr") this.#skipped += HINT.test(line) ? 0 : 1;
      else yield line;
    }
  }
}

function halves(text: string, at: string): [string, string?] {
  const found = text.indexOf(at);
  return found < 0 ? [text] : [text.slice(0, found), text.slice(found + 1)];
}

/** A line that was found. `byte` is where the match begins, from 1. */
function lineOf(path: string, line: number, whole: string, byte: number | undefined, lines: Lines): Match {
  const bytes = new TextEncoder().encode(whole);
  let end = Math.min(bytes.length, lines.maxLineBytes);
  while (end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  const decoder = new TextDecoder();
  const cut = end < bytes.length;
  const text = cut ? decoder.decode(bytes.subarray(0, end)) : whole;
  const isSeen = byte !== undefined && (byte - 1 < end || !cut);
  const column = isSeen ? decoder.decode(bytes.subarray(0, byte - 1)).length + 1 : undefined;
  return { path, line, column, text, cut };
}
