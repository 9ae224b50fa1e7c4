// The work done by commands of the sandbox, for servers without the routes: GNU's or BusyBox's, one process for each.
// No value is part of a shell's code: two scripts, which are constants, take their values as arguments.
import type { FileContent } from "../files.js";
import type { Sandbox } from "../sandbox.js";
import { codeOf, Failure } from "./error.js";
import { shim } from "./shim.js";
import type { Backend, Copying, Kind, RawEntry, RawStats, Writing } from "./types.js";

type Signal = AbortSignal | undefined;

/** Of times the seconds, which every `stat` has as numbers, and the text that has their fractions. */
const STAT = "%f %s %u %g %i %h %d %X %Y %Z|%x|%y|%z";

/** `find` prints the path of each entry once, or several times, by its type. */
export const KINDS: [string, Kind][] = [
  ["f", "file"],
  ["d", "directory"],
  ["l", "link"],
  ["p", "fifo"],
  ["s", "socket"],
  ["c", "character"],
  ["b", "block"],
];
export const BY_KIND = KINDS.flatMap(([letter], i) => [
  ...(i > 0 ? ["-o"] : []),
  ...["-type", letter],
  ...Array<string>(i + 1).fill("-print0"),
]);

/**
 * Writes standard input to the file $1: as $2 says by `>`, `>>` or `>|`, where `>` fails if the file exists. $3 are the
 * permission bits that a new file does not have, and $4 those of execution, which a shell does not give.
 */
const WRITE = `
set -C; x=
refuse() { echo "$1" >&2; exit 1; }
if [ "$2" = '>' ] && { [ -e "$1" ] || [ -L "$1" ]; }; then refuse 'File exists'; fi
if [ -d "$1" ]; then refuse 'Is a directory'; fi
if [ -e "$1" ] && [ ! -f "$1" ]; then refuse 'No such device or address'; fi
if [ -n "$3" ]; then
  [ -e "$1" ] || x=$4
  umask "$(printf %o $(($(umask) | 0$3)))"
fi
case $2 in
  '>') cat > "$1" ;;
  '>>') cat >> "$1" ;;
  *) cat >| "$1" ;;
esac && { [ -z "$x" ] || chmod "$x" "$1"; }`;

/** Copies the file $1 to $2, which must not exist. */
const COPY_NEW = 'set -C; cat < "$1" > "$2"';

export class Commands implements Backend {
  readonly #sandbox: Sandbox;

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
  }

  async stat(path: string, follow: boolean, signal: Signal): Promise<RawStats> {
    const args = [...(follow ? ["-L"] : []), "-c", STAT, plain(path)];
    const [numbers = "", ...texts] = (await this.#run(signal, "stat", args)).split("|");
    const [hex = "", ...rest] = numbers.split(" ");
    const [size = 0, uid = 0, gid = 0, ino = 0, nlink = 0, dev = 0, ...times] = rest.map(Number);
    const ms = (at: number) => {
      const fraction = Number(/\.\d+/.exec(texts[at] ?? "")?.[0] ?? 0);
      return ((times[at] ?? 0) + fraction) * 1000;
    };
    const mode = parseInt(hex, 16);
    return { dev, ino, mode, nlink, uid, gid, size, atimeMs: ms(0), mtimeMs: ms(1), ctimeMs: ms(2) };
  }

  async readdir(path: string, recursive: boolean, signal: Signal): Promise<RawEntry[]> {
    // With the dot, a link to a directory is followed, and what is not a directory is an error.
    const root = `${plain(path)}/.`;
    const depth = recursive ? [] : ["-maxdepth", "1"];
    const output = await this.#run(signal, "find", [root, "-mindepth", "1", ...depth, "(", ...BY_KIND, ")"]);
    const entries: RawEntry[] = [];
    let [last, count] = ["", 0];
    for (const found of [...output.split("\0").slice(0, -1), ""]) {
      if (found === last) count++;
      else {
        if (last !== "") {
          const name = last.slice(root.length + 1);
          // It stands for what was not UTF-8.
          if (name.includes("\ufffd")) throw new Failure("EILSEQ", new Error(last));
          entries.push({ name, kind: KINDS[count - 1]?.[1] ?? "unknown" });
        }
        [last, count] = [found, 1];
      }
    }
    return entries;
  }

  async readlink(path: string, signal: Signal): Promise<string> {
    try {
      return line(await this.#run(signal, "readlink", [plain(path)]));
    } catch (error) {
      // It says nothing.
      if (!isSilent(error)) throw error;
      await this.stat(path, false, signal);
      throw new Failure("EINVAL", error);
    }
  }

  async realpath(path: string, signal: Signal): Promise<string> {
    // It takes a path that does not exist.
    await this.stat(path, true, signal);
    return line(await this.#run(signal, "realpath", [plain(path)]));
  }

  async access(path: string, mode: number, signal: Signal): Promise<void> {
    await this.stat(path, true, signal);
    for (const [bit, flag] of [
      [4, "-r"],
      [2, "-w"],
      [1, "-x"],
    ] as const) {
      if ((mode & bit) === 0) continue;
      await this.#run(signal, "test", [flag, plain(path)]).catch((error: unknown) => {
        throw isSilent(error) ? new Failure("EACCES", error) : error;
      });
    }
  }

  mkdir(path: string, recursive: boolean, mode: number | undefined, signal: Signal): Promise<unknown> {
    const bits = mode === undefined ? [] : ["-m", octal(mode)];
    return this.#run(signal, "mkdir", [...(recursive ? ["-p"] : []), ...bits, plain(path)]);
  }

  async rename(path: string, to: string, signal: Signal): Promise<void> {
    try {
      await this.#run(signal, "mv", ["-f", "-T", plain(path), plain(to)]);
    } catch (error) {
      if (!isSame(error)) throw error;
    }
  }

  async copyFile(path: string, to: string, exclusive: boolean, signal: Signal): Promise<void> {
    try {
      if (exclusive) await this.#sh(signal, COPY_NEW, [plain(path), plain(to)]);
      else await this.#run(signal, "cp", ["-T", plain(path), plain(to)]);
    } catch (error) {
      if (!isSame(error)) throw error;
    }
  }

  async cp(path: string, to: string, how: Copying, signal: Signal): Promise<void> {
    const above = plain(to).replace(/\/+[^/]*\/*$/, "") || "/";
    await this.mkdir(above, true, undefined, signal);
    const flags = [
      how.recursive ? "-R" : "",
      how.dereference ? "-L" : "-P",
      how.force ? "-f" : "-n",
      how.times ? "-p" : "",
    ];
    await this.#run(signal, "cp", [...flags.filter(Boolean), "-T", plain(path), plain(to)]);
  }

  rm(path: string, recursive: boolean, force: boolean, signal: Signal): Promise<unknown> {
    return this.#run(signal, "rm", [...(recursive ? ["-r"] : []), ...(force ? ["-f"] : []), plain(path)]);
  }

  chmod(path: string, mode: number, signal: Signal): Promise<unknown> {
    return this.#run(signal, "chmod", [octal(mode), plain(path)]);
  }

  symlink(target: string, path: string, signal: Signal): Promise<unknown> {
    return this.#run(signal, "ln", ["-s", "-T", "--", target, plain(path)]);
  }

  async utimes(path: string, atimeMs: number, mtimeMs: number, signal: Signal): Promise<void> {
    // `touch -c` takes a path that does not exist.
    await this.stat(path, true, signal);
    for (const [flag, ms] of [
      ["-a", atimeMs],
      ["-m", mtimeMs],
    ] as const)
      await this.#run(signal, "touch", ["-c", flag, "-d", `@${Math.floor(ms / 1000)}`, plain(path)]);
  }

  async write(path: string, data: FileContent, { flag, mode }: Writing, signal: Signal): Promise<void> {
    const how = { w: ">|", a: ">>", wx: ">" }[flag];
    const execution = (["u", "g", "o"] as const).filter((_, i) => ((mode ?? 0) >> (6 - 3 * i)) & 1);
    const bits =
      mode === undefined ? ["", ""] : [octal(0o777 & ~mode), execution.map((who) => `${who}+x`).join(",")];
    await this.#sh(signal, WRITE, [plain(path), how, ...bits], data);
  }

  #sh(signal: Signal, script: string, args: string[], input?: FileContent): Promise<string> {
    return this.#run(signal, "sh", ["-c", script, "sh", ...args], input);
  }

  async #run(signal: Signal, command: string, args: string[], input?: FileContent): Promise<string> {
    const result = await this.#sandbox.run(command, { args, env: { LC_ALL: "C" }, signal, input });
    if (result.exitCode === 0) return result.stdout;
    const error = new shim.CommandError(command, result);
    const code = codeOf(result.stderr);
    throw code ? new Failure(code, error) : error;
  }
}

/** A path that no command takes for an option. */
function plain(path: string): string {
  return path.startsWith("/") ? path : `./${path}`;
}

/** A mode in five digits, by which `chmod` takes the bits away from directories that it leaves with fewer. */
function octal(mode: number): string {
  return mode.toString(8).padStart(5, "0");
}

/** The one line of an output: names can have newlines. */
function line(output: string): string {
  return output.replace(/\n$/, "");
}

function isSilent(error: unknown): boolean {
  return error instanceof shim.CommandError && error.exitCode === 1 && error.stderr === "";
}

/** Whether both paths name the same file, which is not an error. */
function isSame(error: unknown): boolean {
  const { cause } = error as { cause?: unknown };
  return (
    error instanceof Failure &&
    cause instanceof shim.CommandError &&
    cause.stderr.trimEnd().endsWith("same file")
  );
}
