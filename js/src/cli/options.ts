// Options that several commands have, and how their values are read.
import { type Command, InvalidArgumentError, Option } from "commander";
import { misused } from "./exit.js";

/** A number above 0, in the unit that the option's text names. */
export function positive(text: string): number {
  const number = Number(text);
  if (text.trim() === "" || !(number > 0) || !Number.isFinite(number))
    throw new InvalidArgumentError("It must be a number above 0.");
  return number;
}

/** A whole number of at least 0. */
export function whole(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}

/** The number of a port. */
export function port(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1 || number > 65_535)
    throw new InvalidArgumentError("A port is a whole number from 1 to 65535.");
  if (number === 9501) throw new InvalidArgumentError("Port 9501 is reserved for sandbox management.");
  return number;
}

/** Collects an option that may be given several times. */
export const each =
  <T>(read: (text: string) => T) =>
  (text: string, before: T[] = []): T[] => [...before, read(text)];

/** `NAME=VALUE` pairs as an object. */
export function variable(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("A variable is given as NAME=VALUE.");
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** What is common to the commands that run something. `run` has another use for `-i`. */
export function runningOptions(command: Command, interactive = "--interactive"): Command {
  return command
    .option("-t, --timeout <seconds>", "end the command after this many seconds (exit code 124)", positive)
    .option("-w, --workdir <directory>", "the working directory")
    .option("-e, --env <NAME=VALUE>", "an environment variable for the command; can be repeated", variable)
    .option("--user <user>", "the user to run as: a name, a uid or UID:GID")
    .option(interactive, "pass standard input to the command, even if it is a terminal")
    .option("--tty", "open a terminal for the command; -it is --interactive --tty")
    .option("-n, --no-stdin", "do not pass piped input to the command");
}

/**
 * Arranges the words of `run` and `exec` for the parser, which takes everything behind the first operand as the command's.
 * Options behind the sandbox move before it: `exec BOX --timeout 10 python …`. Options of every command move before the
 * command, wherever they stand: `ls --api-url URL`. `-it` is spelled out, since the `-i` and
 * `-t` of these commands take values: it would be the image `t`.
 */
export function arrange(program: Command, words: string[]): string[] {
  const global = readOptions(words, 0, program.options);
  const at = global.next;
  const name = words[at] ?? "";
  const command = program.commands.find((each) => each.name() === name);
  if (!command) return words;
  if (!["run", "exec"].includes(name)) return hoisted(program, command, words, at);
  const known = [...command.options, ...program.options];
  const before = readOptions(words, at + 1, known);
  const sandbox = words[before.next];
  const isOne = name === "run" || sandbox === undefined || sandbox === "--";
  const behind = isOne ? { options: [], next: before.next } : readOptions(words, before.next + 1, known);
  const operands = [...(isOne ? [] : [sandbox]), ...words.slice(behind.next)];
  // The program's own options, which the parser takes before the command only.
  const head = [name, ...before.options, ...behind.options];
  return [...words.slice(0, at), ...hoisted(program, command, head, 0), ...operands];
}

/** The command that the words call; empty without one. */
export function commandIn(program: Command, words: string[]): string {
  return words[readOptions(words, 0, program.options).next] ?? "";
}

/** The words with the program's own options first, but for those that the command has too. */
function hoisted(program: Command, command: Command, words: string[], at: number): string[] {
  const own = [command, ...command.commands].flatMap(({ options }) => options.map(({ long }) => long));
  const global: string[] = [];
  const rest: string[] = [];
  for (let next = at; next < words.length; next++) {
    const word = words[next] as string;
    if (word === "--") {
      rest.push(...words.slice(next));
      break;
    }
    const [long = "", value] = word.split("=", 2);
    const option = program.options.find((it) => it.long === long);
    if (!option || own.includes(long)) rest.push(word);
    else {
      global.push(word);
      if (!option.required || value !== undefined) continue;
      const after = words[++next];
      if (after === undefined) program.error(`error: option '${option.flags}' argument missing`);
      global.push(after);
    }
  }
  return [...words.slice(0, at), ...global, ...rest];
}

/** The options that stand at `from`, with their values, and where the next operand or `--` is. */
function readOptions(
  words: string[],
  from: number,
  known: readonly Option[],
): { options: string[]; next: number } {
  const options: string[] = [];
  let next = from;
  for (; next < words.length; next++) {
    const word = words[next] as string;
    if (!word.startsWith("-") || word === "--") break;
    if (word === "-it" || word === "-ti") options.push("--interactive", "--tty");
    else options.push(word);
    const takesValue = known.some((it) => it.required && (it.short === word || it.long === word));
    if (takesValue && next + 1 < words.length) options.push(words[++next] as string);
  }
  return { options, next };
}

export interface RunningOptions {
  interactive?: boolean;
  tty?: boolean;
  stdin: boolean;
  timeout?: number;
  workdir?: string;
  env?: Record<string, string>;
  user?: string;
}

/** Whether a terminal is asked for, if that is possible. */
export function wantsTerminal({ interactive, tty, stdin, timeout, user }: RunningOptions): boolean {
  if (!stdin && (interactive || tty)) throw misused("--no-stdin excludes --interactive and --tty");
  if (!tty) return false;
  if (timeout !== undefined || user !== undefined) throw misused("--tty excludes --timeout and --user");
  if (!process.stdin.isTTY || !process.stdout.isTTY)
    throw misused("--tty needs a terminal here too: leave it out in scripts and pipes");
  return true;
}

/** By this, tools in a sandbox know that they run in one process of it, as `tl sbx` tells them. */
const PROCESS_MODE = { TENSORLAKE_SANDBOX_PROCESS_MODE: "one-shot" };

/** These as the API takes them. */
export function running({ timeout, workdir, env, user }: RunningOptions): {
  timeout?: number | undefined;
  workingDir?: string | undefined;
  env?: Record<string, string> | undefined;
  user?: string | undefined;
} {
  if (user?.trim() === "") throw new InvalidArgumentError("--user must not be empty");
  return { timeout, workingDir: workdir, env: { ...env, ...PROCESS_MODE }, user };
}

export const json = (): Option => new Option("--json", "print the result as JSON");
