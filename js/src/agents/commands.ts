// Tools that run commands and read their output.
import type { OutputExcerpt } from "../excerpt.js";
import type { ProcessInfo } from "../generated/types.js";
import type { Process } from "../process.js";
import type { Sandbox } from "../sandbox.js";
import { ShorelineError } from "../errors.js";
import { failed, Refusal } from "./failure.js";
import { reporting } from "./progress.js";
import { integer, optional, path, seconds, string } from "./schema.js";
import { type Call, result, type Shared, tool } from "./tool.js";
import type { SandboxTool, ToolResult } from "./types.js";

/** Bytes of a result beside the output. */
const FOOTER = 600;
/** Seconds that output which is there needs to arrive. */
const LEAST_WAIT = 0.2;
/** Seconds for reading what a process has left when its time limit ended it. A flood can take longer. */
const AFTER_LIMIT = 2;
/** Seconds for reading the output of a process that has ended. */
const LONGEST_READ = 10;
/** `bash`, where there is one: models write its syntax. */
const SHELL = 'exec "$(command -v bash || echo sh)" -c "$0"';

/** What `sh` is given to run a line. */
export const lineArgs = (line: string): string[] => ["-c", SHELL, line];

/** The line that a process was given by `lineArgs`; undefined of other processes. */
export const lineOf = ({ command, args }: { command: string; args: readonly string[] }) =>
  command === "sh" && args[1] === SHELL ? args[2] : undefined;

export const PID = integer("The pid that run_command, start_process or list_processes gave.", 1, 2 ** 31 - 1);

const END = {
  running: result.boolean("Whether the process is still running."),
  exit_code: result.integer("The exit code. Absent while the process runs and if a signal ended it."),
  signal: result.integer("The number of the signal that ended the process."),
  timed_out: result.boolean("Whether the time limit ended the process."),
};

const OUTPUT = {
  pid: result.integer("The process id."),
  output: result.string(
    "Standard output and standard error in the order in which they were read: the beginning and the end, if it is long.",
  ),
  ...END,
  cursor: result.string("The position after this output, for read_output."),
  more: result.boolean("Whether the process has ended, and there is more output after the cursor."),
  omitted: result.object("What was left out in the middle.", {
    lines: result.integer("How many lines."),
    bytes: result.integer("How many bytes."),
    cursor: result.string("The position at which it begins, for read_output."),
  }),
};

const WHERE = optional(path("The directory to run in"));

export function commandTools(shared: Shared): SandboxTool[] {
  const { commandTimeout, yieldAfter } = shared;
  return [
    tool(
      {
        name: "run_command",
        title: "Run a command",
        description: `Runs a line of shell in the sandbox and returns its output and exit code. Standard input is empty. If the command still runs after yield_after_seconds, the result has running: true, a pid and a cursor; the command goes on: read more with read_output, end it with kill_process. A command is killed after timeout_seconds (default: ${commandTimeout}). Each call is a shell of its own: the directory and variables do not stay. Start servers with start_process.`,
        input: {
          command: string("The line of shell, for example: npm test 2>&1 | tail -n 50"),
          working_dir: WHERE,
          timeout_seconds: optional(
            seconds("Seconds after which the command is killed.", 0.1, 86_400),
            commandTimeout,
          ),
          yield_after_seconds: optional(
            seconds("Seconds after which the call returns although the command is running.", 0, 3600),
            yieldAfter,
          ),
        },
        output: { ...OUTPUT, duration_ms: result.integer("Milliseconds that the call took.") },
        annotations: {
          readOnlyHint: false,
          destructiveHint: true,
          idempotentHint: false,
          openWorldHint: true,
        },
        lane: "commands",
        run: async (input, call) => {
          const began = Date.now();
          const process = await started(call, input.command, input.working_dir, "closed");
          const limit = input.timeout_seconds ?? commandTimeout;
          shared.limits.set(process, limit);
          const wait = Math.min(input.yield_after_seconds ?? yieldAfter, limit + AFTER_LIMIT);
          const report = await followed(call, process, undefined, Math.max(wait, LEAST_WAIT), true);
          return {
            ...report,
            structured: { ...report.structured, duration_ms: Date.now() - began },
          };
        },
      },
      shared,
    ),
    tool(
      {
        name: "start_process",
        title: "Start a process",
        description:
          "Starts a line of shell that keeps running, such as a server or a watcher, and returns its pid at once. Read its output with read_output, end it with kill_process. It has no time limit.",
        input: {
          command: string("The line of shell, for example: exec python3 -m http.server 8000"),
          working_dir: WHERE,
          stdin: optional(
            {
              schema: { type: "boolean", description: "Opens standard input for write_stdin." },
              required: true,
            },
            false,
          ),
        },
        output: { pid: result.integer("The process id.") },
        annotations: {
          readOnlyHint: false,
          destructiveHint: true,
          idempotentHint: false,
          openWorldHint: true,
        },
        lane: "others",
        run: async (input, call) => {
          const stdin = input.stdin === true ? "pipe" : "closed";
          const { pid } = await started(call, input.command, input.working_dir, stdin);
          return {
            text: `Started process ${pid}. Read its output with read_output, pid ${pid}.`,
            structured: { pid },
            isError: false,
          };
        },
      },
      shared,
    ),
    tool(
      {
        name: "read_output",
        title: "Read a process's output",
        description:
          "Reads the output of a process after a cursor, or from its start. Returns when the process has ended or wait_seconds have passed, and says whether it still runs. Pass the cursor of the result to read on. The output stays readable after the process has ended.",
        input: {
          pid: PID,
          cursor: optional(
            string("The cursor of an earlier result. Default: the start.", { maxLength: 300 }),
          ),
          wait_seconds: optional(seconds("Seconds to wait for the end of the process.", 0, 3600), 1),
        },
        output: OUTPUT,
        annotations: {
          readOnlyHint: true,
          destructiveHint: false,
          idempotentHint: true,
          openWorldHint: false,
        },
        lane: "commands",
        run: async ({ pid, cursor, wait_seconds = 1 }, call) => {
          const { sandbox, signal } = call;
          // Reports an unknown pid at once.
          const info = await sandbox.getProcess(pid, { signal });
          const process = sandbox.process({ pid, sandboxId: sandbox.sandboxId });
          const ended = info.status === "running" ? undefined : info;
          const wait = Math.max(wait_seconds, ended ? LONGEST_READ : LEAST_WAIT);
          return followed(call, process, cursor, wait, false, ended);
        },
      },
      shared,
    ),
  ];
}

/**
 * Starts a line of shell. A start that was sent cannot be taken back: a call that is canceled meanwhile kills the process
 * that it has started.
 */
async function started(
  { sandbox, signal }: Call,
  line: string,
  workingDir: string | undefined,
  stdinMode: "closed" | "pipe",
): Promise<Process> {
  const process = await sandbox.startProcess("sh", { args: lineArgs(line), workingDir, stdinMode });
  if (!signal?.aborted) return process;
  await process.kill().catch(() => undefined);
  throw new Refusal("aborted", "The call was canceled, and the process killed.");
}

/**
 * The output of a process from a position until it ends or `wait` seconds have passed. `ended` is the record of a process
 * that had ended before.
 */
async function followed(
  call: Call,
  process: Process,
  from: string | undefined,
  wait: number,
  isOwn: boolean,
  ended?: ProcessInfo,
): Promise<ToolResult> {
  const { sandbox, shared, signal } = call;
  const { pid } = process;
  const stop = reporting(call, process, isOwn);
  try {
    const found = await process.excerpt({
      after: from,
      yieldAfter: wait,
      maxBytes: shared.maxResultBytes - FOOTER,
      signal,
    });
    const known =
      found.running && ended ? { ...found, exitCode: ended.exitCode, signal: ended.signal } : found;
    return reported(call, pid, known, ended !== undefined, await oomKilled(sandbox, pid, known));
  } catch (error) {
    if (isOwn && signal?.aborted) {
      await process.kill().catch(() => undefined);
      throw new Refusal("aborted", "The call was canceled, and its command killed.", { pid });
    }
    const { structured, text, isError } = failed(error);
    const read = ShorelineError.is(error) ? (error.partial?.text ?? "") : "";
    return {
      text: read === "" ? text : `${read}\n${text}`,
      structured: { pid, ...(read !== "" && { output: read }), ...structured },
      isError,
    };
  } finally {
    stop();
  }
}

/** Whether the memory limit ended a process. Only a signal can have. */
async function oomKilled(sandbox: Sandbox, pid: number, { signal }: OutputExcerpt): Promise<boolean> {
  if (signal === null) return false;
  return sandbox.getProcess(pid).then(
    (info) => info.oomKilled,
    () => false,
  );
}

function reported(
  { shared }: Call,
  pid: number,
  found: OutputExcerpt,
  hadEnded: boolean,
  isOom: boolean,
): ToolResult {
  const { text: output, cursor, running: hasMore, exitCode, signal, omitted } = found;
  const running = hasMore && !hadEnded && !shared.limits.isOver(pid);
  const timedOut = !running && shared.limits.ended(pid);
  const error = running ? undefined : ending(found, timedOut, isOom);
  const notes = [
    ...(omitted ? [`to read what is omitted: read_output with pid ${pid} and cursor ${omitted.after}`] : []),
    running
      ? `still running: read on with read_output, pid ${pid} and cursor ${cursor}; end it with kill_process`
      : (error?.message ?? "exit code 0"),
    ...(hasMore && !running
      ? [`there is more output: read_output with pid ${pid} and cursor ${cursor}`]
      : []),
  ];
  const gap = output === "" || output.endsWith("\n") ? "" : "\n";
  return {
    text: `${output}${gap}[${notes.join(".\n")}]`,
    structured: {
      pid,
      output,
      running,
      ...(exitCode !== null && { exit_code: exitCode }),
      ...(signal !== null && { signal }),
      ...(timedOut && { timed_out: true }),
      cursor,
      ...(hasMore && !running && { more: true }),
      ...(omitted && { omitted: { lines: omitted.lines, bytes: omitted.bytes, cursor: omitted.after } }),
      ...(error && { error }),
    },
    isError: error !== undefined,
  };
}

/** Why a process that has ended did not succeed. */
function ending({ exitCode, signal }: OutputExcerpt, timedOut: boolean, isOom: boolean) {
  if (timedOut)
    return {
      code: "run_timeout",
      message:
        "The time limit ended the command. Call again with a larger timeout_seconds, or use start_process for a command that does not end.",
    };
  if (isOom)
    return {
      code: "out_of_memory",
      message: "The memory limit ended the command. Work on less data at once.",
    };
  if (exitCode === 0) return undefined;
  const how = exitCode === null ? `was ended by signal ${signal ?? "unknown"}` : `exited with ${exitCode}`;
  return { code: "command_failed", message: `The command ${how}. Its output says why.` };
}
