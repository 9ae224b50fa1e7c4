// How the program ends: the code, and the sentence on standard error.
import { ShorelineError } from "shoreline";
import { clean } from "./print.js";

/** Exit codes of the program's own failures. 124 to 127 are what `timeout`, `docker` and shells have there. */
export const EXIT = {
  usage: 2,
  authentication: 121,
  notFound: 122,
  connection: 123,
  timeout: 124,
  failure: 125,
  notExecutable: 126,
  commandNotFound: 127,
} as const;

/** An end that is told by a sentence and a code. */
export class Failure extends Error {
  constructor(
    readonly exitCode: number,
    message: string,
  ) {
    super(message);
  }
}

/** The end by a signal, as shells tell it. */
export class Interrupted extends Error {
  constructor(readonly signal: number) {
    super("interrupted");
  }
}

/** The wrong use of the program: nothing was sent. */
export function misused(message: string): Failure {
  return new Failure(EXIT.usage, message);
}

/** The exit code for an error. */
export function codeOf(error: unknown): number {
  if (error instanceof Failure) return error.exitCode;
  const interrupted = interruption(error);
  if (interrupted) return 128 + interrupted.signal;
  if (!ShorelineError.is(error)) return EXIT.failure;
  if (error.serverCode === "EXECUTABLE_NOT_FOUND") return EXIT.commandNotFound;
  if (error.serverCode === "SPAWN_FAILED") return EXIT.notExecutable;
  if (error.status === 401 || error.status === 403) return EXIT.authentication;
  if (error.code === "unsupported" || error.code === "tree_refused") return EXIT.failure;
  if (error.code === "not_found" || error.status === 404 || error.status === 410) return EXIT.notFound;
  switch (error.name) {
    case "UsageError":
      return error.code === "missing_capability" ? EXIT.failure : EXIT.usage;
    case "ConnectionError":
    case "ProtocolError":
      return EXIT.connection;
    case "TimeoutError":
      return EXIT.timeout;
    default:
      return EXIT.failure;
  }
}

/** Says an error as the official program does, with what lies below it. */
export function sayError(error: unknown, debug: boolean): void {
  if (interruption(error)) return;
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`Error: ${indented(message)}\n`);
  for (let cause = causeOf(error); cause instanceof Error; cause = causeOf(cause)) {
    if (cause.message && !message.includes(cause.message))
      process.stderr.write(`  Caused by: ${clean(cause.message)}\n`);
  }
  if (debug && error instanceof Error) process.stderr.write(`${indented(error.stack ?? "")}\n`);
}

/** A text whose further lines cannot be taken for lines of this program. */
const indented = (text: string) => clean(text, "\n").trimEnd().replaceAll("\n", "\n  ");

/** The signal that made calls fail, where that is why. */
function interruption(error: unknown): Interrupted | undefined {
  while (error instanceof Error && !(error instanceof Interrupted)) error = error.cause;
  return error instanceof Interrupted ? error : undefined;
}

const causeOf = (error: unknown) => (error instanceof Error ? error.cause : undefined);
