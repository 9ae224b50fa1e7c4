// Ignore files on servers without the routes: read by one command, and matched here as the server does.
import type { Sandbox } from "../sandbox.js";
import { expand, parse, Patterns } from "./pattern.js";

/** The names, the strongest first. */
const NAMES = [".rgignore", ".ignore", ".gitignore"];
/** Bytes of all ignore files. */
const ALL_BYTES = 4 * 1024 * 1024;

/**
 * Goes to the directory $1 and prints its path, then the ignore files of the directories above it and those below, each as
 * a path and a text after a colon, with NULs behind them. `.git` stands for a repository. Special files are not opened, and files of more
 * than 256 KiB are left out.
 */
const READ = String.raw`
cd "$1" || exit
show='for f do
  printf "%s\000:" "$f"
  case $f in */.git) ;; *) tr -d "\000" < "$f" ;; esac
  printf "\000\n"
done'
d=$(pwd -P)
printf "%s\000\n" "$d"
while [ "$d" != / ]; do
  d=$(dirname "$d")
  for n in .git .gitignore .ignore .rgignore; do
    if [ "$n" = .git ]; then [ -e "$d/$n" ]; else [ -f "$d/$n" ] && [ ! -L "$d/$n" ]; fi && sh -c "$show" sh "$d/$n"
  done
done
find . \( -name .git -prune -o \( -name .gitignore -o -name .ignore -o -name .rgignore \) -type f -size -513 \) -exec sh -c "$show" sh {} +`;

interface Rule {
  keeps: boolean;
  directories: boolean;
  patterns: Patterns;
}

/** The rules of a directory, by the place of a file's name in `NAMES`. */
interface Rules {
  files: (Rule[] | undefined)[];
  isRepository: boolean;
}

export class Ignores {
  /** By the absolute path of the directory, without a slash at the end. */
  readonly #rules = new Map<string, Rules>();
  /** The path of the directory that is searched. */
  #root = "";
  skipped = 0;

  static async read(sandbox: Sandbox, cwd: string, signal: AbortSignal): Promise<Ignores> {
    const ignores = new Ignores();
    let text = "";
    const args = ["-c", READ, "sh", cwd];
    const reading = sandbox.run("sh", { args, env: { LC_ALL: "C" }, signal });
    for await (const event of reading) {
      if (event.stream === "stderr") ignores.skipped++;
      else text += event.text;
      if (text.length <= ALL_BYTES) continue;
      ignores.skipped++;
      break;
    }
    const [root = "", ...records] = text.split("\0\n");
    ignores.#root = root.replace(/\/$/, "");
    for (const record of records) {
      const at = record.indexOf("\0:");
      if (at >= 0) ignores.#add(record.slice(0, at), record.slice(at + 2));
    }
    return ignores;
  }

  #add(path: string, text: string): void {
    const whole = path.startsWith("/") ? path : this.#root + path.slice(1);
    const at = whole.lastIndexOf("/");
    const [directory, name] = [whole.slice(0, at), whole.slice(at + 1)];
    const rules = this.#rules.get(directory) ?? { files: [], isRepository: false };
    this.#rules.set(directory, rules);
    if (name === ".git") rules.isRepository = true;
    else
      rules.files[NAMES.indexOf(name)] = text
        .replace(/^\ufeff/, "")
        .split(/\r?\n/)
        .flatMap(rulesOf);
  }

  /** Whether a path from the directory that is searched is left out; those above it are not. */
  leaveOut(path: string, isDirectory: boolean): boolean {
    const whole = `${this.#root}/${path}`;
    for (const kind of NAMES.keys())
      for (let at = whole.lastIndexOf("/"); at >= 0; at = at === 0 ? -1 : whole.lastIndexOf("/", at - 1)) {
        const rules = this.#rules.get(whole.slice(0, at));
        if (!rules) continue;
        const rule = rules.files[kind]?.findLast(
          (it) => (isDirectory || !it.directories) && it.patterns.match(whole.slice(at + 1)),
        );
        if (rule) return !rule.keeps;
        if (rules.isRepository && NAMES[kind] === ".gitignore") break;
      }
    return false;
  }
}

/** The rules of a line (gitignore(5)). A line that is not valid has none. */
function rulesOf(line: string): Rule[] {
  let text = line.replace(/(?<!\\)\s+$/, "");
  if (text === "" || text.startsWith("#")) return [];
  const keeps = text.startsWith("!");
  if (keeps) text = text.slice(1);
  const directories = text.endsWith("/");
  if (directories) text = text.replace(/\/+$/, "");
  if (text.startsWith("/")) text = text.slice(1);
  else if (!text.includes("/")) text = `**/${text}`;
  try {
    const patterns = expand(text, wrong).map((plain) => parse(plain, wrong));
    return [{ keeps, directories, patterns: new Patterns(patterns, true) }];
  } catch {
    return [];
  }
}

function wrong(why: string): Error {
  return new Error(why);
}
