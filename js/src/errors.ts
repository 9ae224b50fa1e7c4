import type { ErrorCode, ErrorCodes, ErrorKind, FileSystemErrorCode } from "./generated/errors.js";
import type { Cursor } from "./generated/types.js";
import { printable } from "./printable.js";
import { type CommandOutput, type CommandResult, type RawResult, revive, type Truncation } from "./result.js";

/**
 * Base class of every error of Shoreline. `code` is stable; `message` is for people and can change. Control characters in
 * text from a server or a command are escaped in `message`.
 */
export class ShorelineError extends Error {
  /** The name of its class. */
  declare readonly name: string;
  /** A stable code, for example `not_found` or `stream_broken`: {@link ErrorCode}. */
  readonly code: ErrorCode;
  /** The HTTP status, if a server answered. */
  readonly status: number | undefined;
  /** The server's own code, if it sent one, for example `NOT_FOUND`. */
  readonly serverCode: string | undefined;
  /** The id of the server's trace of the request, where the server sent one. */
  readonly traceId: string | undefined;
  /** Whether the same call may succeed later without a change. */
  readonly retryable: boolean;
  /** Output that a `run` or a follow had received before the error. */
  readonly partial: PartialResult | undefined;

  constructor(fields: ErrorFields) {
    super(
      printable(fields.message, "\n\t"),
      fields.cause === undefined ? undefined : { cause: fields.cause },
    );
    this.code = fields.code;
    this.status = fields.status;
    this.serverCode = fields.serverCode;
    this.traceId = fields.traceId;
    this.retryable = fields.retryable ?? false;
    this.partial = fields.partial;
    // Across realms and copies of the package, `instanceof` fails and this does not.
    Object.defineProperty(this, brand, { value: true });
  }

  /**
   * Whether `value` is an error of Shoreline, from any copy of the package, and of the class that this is called on, as in
   * `ApiError.is(error)`. In TypeScript, comparing `code` narrows the error to its class.
   *
   * @example
   * ```ts
   * if (ShorelineError.is(error) && error.code === "command_failed") console.log(error.stderr);
   * ```
   */
  // eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- as a callback it is called on nothing
  static is(this: void, value: unknown): value is AnyError;
  static is<C extends abstract new (...args: never[]) => ShorelineError>(
    this: C,
    value: unknown,
  ): value is ShorelineError extends InstanceType<C> ? AnyError : InstanceType<C>;
  static is(this: unknown, value: unknown): boolean {
    if (typeof value !== "object" || value === null || !(brand in value)) return false;
    const wanted = typeof this === "function" ? this : ShorelineError;
    if (wanted === ShorelineError || value instanceof wanted) return true;
    // That of another copy has the name of the class.
    const { prototype } = wanted as typeof ShorelineError;
    return Object.hasOwn(prototype, "name") && prototype.name === (value as { name?: unknown }).name;
  }
}

const brand: unique symbol = Symbol.for("shoreline.error") as never;

/** An argument is wrong. Nothing was sent. */
export class UsageError extends ShorelineError {
  declare readonly name: "UsageError";
  declare readonly code: ErrorCodes["usage"];
}

/** The server answered with an error status. */
export class ApiError extends ShorelineError {
  declare readonly name: "ApiError";
  declare readonly code: ErrorCodes["api"];
}

/** No connection, or one that broke and could not be resumed. */
export class ConnectionError extends ShorelineError {
  declare readonly name: "ConnectionError";
  declare readonly code: ErrorCodes["connection"];
}

/** A timeout passed. `code` says which. */
export class TimeoutError extends ShorelineError {
  declare readonly name: "TimeoutError";
  declare readonly code: ErrorCodes["timeout"];
}

/** The server violated the protocol, or its answer ended too early. */
export class ProtocolError extends ShorelineError {
  declare readonly name: "ProtocolError";
  declare readonly code: ErrorCodes["protocol"];
}

/** The caller's signal aborted the call. `reason` is the signal's. */
export class AbortError extends ShorelineError {
  declare readonly name: "AbortError";
  declare readonly code: ErrorCodes["abort"];
  /** The signal's reason. */
  readonly reason: unknown;

  constructor(fields: ErrorFields) {
    super(fields);
    this.reason = fields.cause;
  }
}

/** A command did not exit with 0 and `check` was set (`command_failed`). It has every field of the result. */
export class CommandError extends ShorelineError implements CommandOutput {
  declare readonly name: "CommandError";
  declare readonly code: "command_failed";
  /** The exit code; null if a signal ended the command. */
  declare readonly exitCode: number | null;
  /** The number of the signal that ended the command; null if it exited by itself. */
  declare readonly signal: number | null;
  declare readonly stdout: string;
  declare readonly stderr: string;
  declare readonly stdoutBytes: Uint8Array<ArrayBuffer>;
  declare readonly stderrBytes: Uint8Array<ArrayBuffer>;
  declare readonly timedOut: boolean | undefined;
  declare readonly oomKilled: boolean;
  declare readonly outputOpen: boolean;
  declare readonly pid: number | undefined;
  declare readonly handle: number | undefined;
  declare readonly durationMs: number;
  declare readonly truncated: Truncation | undefined;

  constructor(command: string, result: CommandResult) {
    const how = result.timedOut
      ? "ran into its time limit"
      : result.exitCode === null
        ? `was ended by signal ${result.signal}`
        : `exited with ${result.exitCode}`;
    const last = result.stderr.trimEnd().split("\n").at(-1)?.slice(0, 500);
    super({ code: "command_failed", message: `${command} ${how}${last ? `: ${last}` : ""}` });
    // As they are in the result: its bytes are made when they are asked for.
    Object.defineProperties(this, Object.getOwnPropertyDescriptors(result));
  }
}

/** A call of `sandbox.fs` failed in the sandbox's file system. */
export class FileSystemError extends ShorelineError {
  declare readonly name: "FileSystemError";
  /** The name of the error number, as in Node, for example `ENOENT`. */
  declare readonly code: FileSystemErrorCode;
  /** The name of the call, for example `mkdir`. */
  declare readonly syscall: string;
  /** The path that the call was given. */
  declare readonly path: string;
  /** The second path of a call that takes two. */
  declare readonly dest: string | undefined;
}

/** The WebAssembly core could not be loaded, or crashed. */
export class CoreError extends ShorelineError {
  declare readonly name: "CoreError";
  declare readonly code: ErrorCodes["core"];
}

const named = {
  ShorelineError,
  UsageError,
  ApiError,
  ConnectionError,
  TimeoutError,
  ProtocolError,
  AbortError,
  CommandError,
  FileSystemError,
  CoreError,
};
// As of the language's own errors; what minifies code renames the classes.
for (const [name, { prototype }] of Object.entries(named))
  Object.defineProperty(prototype, "name", { value: name, writable: true, configurable: true });

/** Union of all errors. Comparing `code` narrows it to one class. */
export type AnyError =
  | UsageError
  | ApiError
  | ConnectionError
  | TimeoutError
  | ProtocolError
  | AbortError
  | CommandError
  | FileSystemError
  | CoreError
  | (ShorelineError & {
      /** A code of what was waited for in a command's output. */
      readonly code: Exclude<ErrorCodes["command"], "command_failed">;
    });

/** Fields of an error. */
export interface ErrorFields {
  /** A stable code. */
  code: ErrorCode;
  /** A sentence for people. */
  message: string;
  /** The HTTP status, if a server answered. */
  status?: number | undefined;
  /** The server's own code, if it sent one. */
  serverCode?: string | undefined;
  /** The id of the server's trace of the request, where the server sent one. */
  traceId?: string | undefined;
  /** Whether the same call may succeed later without a change. Default: false. */
  retryable?: boolean | undefined;
  /** The underlying cause; of an {@link AbortError} the signal's reason. */
  cause?: unknown;
  /** Output that was received before the error. */
  partial?: PartialResult | undefined;
}

const classes: Record<ErrorKind, new (fields: ErrorFields) => ShorelineError> = {
  usage: UsageError,
  api: ApiError,
  connection: ConnectionError,
  timeout: TimeoutError,
  protocol: ProtocolError,
  abort: AbortError,
  command: ShorelineError,
  core: CoreError,
};

/** The error of a handler that the core calls, on its way through the core. */
export class HandlerFailure extends Error {
  constructor(readonly error: unknown) {
    super();
  }
}

/** Converts an error of the core to its class. */
export function toError(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Error) return value;
  const fields = value as ErrorFields & { kind?: ErrorKind };
  if (fields.cause instanceof HandlerFailure) return fields.cause.error;
  const make = fields.kind === undefined ? undefined : classes[fields.kind];
  if (make === undefined) return value;
  const cause = toError(fields.cause);
  // Of a run it is a result without an exit.
  const collected = fields.partial && "stdout" in fields.partial;
  const partial = collected ? revive(fields.partial as unknown as RawResult) : fields.partial;
  return new make({ ...fields, cause, partial: partial as PartialResult | undefined });
}

/** Output that was received before an error. */
export interface PartialResult {
  /** Of a `run`: standard output so far. */
  stdout?: string;
  /** Of a `run`: standard error so far. */
  stderr?: string;
  /** Of a `run`: standard output so far, as far as possible byte for byte. */
  stdoutBytes?: Uint8Array<ArrayBuffer>;
  /** Of a `run`: standard error so far, as far as possible byte for byte. */
  stderrBytes?: Uint8Array<ArrayBuffer>;
  /** Of a `run`: the process, once it was known. */
  pid?: number;
  /** Of a follow: events that were delivered. */
  events?: number;
  /** Of a follow: where to go on, as `after`. */
  cursor?: Cursor;
  /** Of an excerpt: the text so far. */
  text?: string;
}

export type { ErrorCode, ErrorCodes, FileSystemErrorCode };
