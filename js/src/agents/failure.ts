// Failures as results that a model can act on: a stable code, and a sentence that says what to do next.
import { ShorelineError } from "../errors.js";
import { printable } from "../printable.js";
import { cut } from "./text.js";
import type { ToolResult } from "./types.js";

/** The most bytes of a message: a server's or a file's name can be long. */
const MESSAGE_BYTES = 2000;

/** A failure that a tool has found itself. */
export class Refusal extends Error {
  constructor(
    readonly code: string,
    message: string,
    /** What the result has beside the error. */
    readonly structured: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

const LOOK = "Look for the right path with list_directory or find_files.";
const AGAIN = "Call again in a few seconds.";
const UNKNOWN = "It may have been carried out: look before you repeat it.";
const SETUP = "Tell the user: the program's settings are wrong.";

/** What to do next, by the code of the error. */
const NEXT: Readonly<Record<string, string>> = {
  ENOENT: LOOK,
  ENOTDIR: LOOK,
  EISDIR: "It is a directory: use list_directory, or name a file in it.",
  EACCES: "The sandbox's user has no rights on it: choose another path.",
  EPERM: "The sandbox's user has no rights on it: choose another path.",
  EROFS: "It is read-only: choose another path, such as one in the working directory or in /tmp.",
  ENXIO: "It is a FIFO, a socket or a device: use run_command with a time limit.",
  ENOSPC: "The disk is full: remove files that are not needed with run_command.",
  EDQUOT: "The disk is full: remove files that are not needed with run_command.",
  EEXIST: "Choose another path.",
  ELOOP: "The path has a loop of symbolic links: choose another path.",
  ENAMETOOLONG: "Choose a shorter path.",
  EINVAL: "Choose another path.",
  not_found: "list_processes shows the processes there are, list_directory the files.",
  conflict: "Look at the state with list_processes, then call again.",
  payload_too_large: "Ask for less: a deeper directory, a narrower pattern or smaller content.",
  rate_limited: AGAIN,
  unavailable: AGAIN,
  gateway: AGAIN,
  server: AGAIN,
  connect_failed: AGAIN,
  connect_timeout: AGAIN,
  wait_timeout: "Narrow the call down, or do it with run_command and a longer time limit.",
  connection_lost: UNKNOWN,
  run_outcome_unknown: UNKNOWN,
  stream_broken: "Read on with read_output.",
  idle_timeout: "Read on with read_output.",
  output_gap:
    "The server no longer has the start of the output. Send output to a file and look at parts of it.",
  process_gone: "list_processes shows the processes there are.",
  authentication: SETUP,
  permission: SETUP,
  missing_api_key: SETUP,
  missing_capability: "This server cannot do it: find another way.",
  unsupported: "This server cannot do it: find another way.",
};

/** The result of a call that failed. */
export function failed(error: unknown): ToolResult {
  const { code, message, structured } = described(error);
  const text = cut(message, MESSAGE_BYTES);
  return {
    text: `Error (${code}): ${text}`,
    structured: { ...structured, error: { code, message: text } },
    isError: true,
  };
}

function described(error: unknown): Pick<Refusal, "code" | "message" | "structured"> {
  if (error instanceof Refusal) return error;
  if (!ShorelineError.is(error)) {
    const words = error instanceof Error ? error.message : String(error);
    return { code: "internal", message: `${sentence(words)} Tell the user.`, structured: {} };
  }
  if (error.code === "invalid_argument")
    return {
      code: "invalid_input",
      message: `${sentence(error.message)} Call again with a corrected input.`,
      structured: {},
    };
  const next = NEXT[error.code] ?? (error.retryable ? AGAIN : "");
  return { code: error.code, message: `${sentence(error.message)} ${next}`.trim(), structured: {} };
}

/** A message with a full stop, and without what could be taken for more than it. */
export function sentence(message: string): string {
  const text = printable(message, "\n\t").trim();
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
