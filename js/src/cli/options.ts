// Options that several commands have, and how their values are read.
import { type Command, InvalidArgumentError, Option } from "commander";

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

/** What is common to the commands that run something. */
export function runningOptions(command: Command): Command {
  return command
    .option("-t, --timeout <seconds>", "end the command after so many seconds (exit code 124)", positive)
    .option("-w, --workdir <directory>", "the directory to start in")
    .option("-e, --env <NAME=VALUE>", "a variable for the command; may be repeated", variable)
    .option("--user <user>", "a name, a uid or UID:GID to run as");
}

export interface RunningOptions {
  timeout?: number;
  workdir?: string;
  env?: Record<string, string>;
  user?: string;
}

/** These as the API takes them. */
export function running({ timeout, workdir, env, user }: RunningOptions): {
  timeout?: number | undefined;
  workingDir?: string | undefined;
  env?: Record<string, string> | undefined;
  user?: string | undefined;
} {
  if (user?.trim() === "") throw new InvalidArgumentError("--user must not be empty");
  return { timeout, workingDir: workdir, env, user };
}

export const json = (): Option => new Option("--json", "print the result as JSON");
