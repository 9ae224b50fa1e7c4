// The sandbox session of the AI SDK.
import { optionsOf } from "../arguments.js";
import type { Dirent } from "../file-system.js";
import type { Sandbox } from "../sandbox.js";
import { exitCodeOf, killed, lineArgs, runLine, textOf, unlessMissing, unsupported } from "./adapter.js";

/** A path, and the signal that aborts the call. */
export interface AiPathOptions {
  /** An absolute path, or one from the sandbox's working directory. */
  path: string;
  /** Aborts the call. */
  abortSignal?: AbortSignal;
}

/** A command, and how it runs. */
export interface AiCommandOptions {
  /** A line of shell. */
  command: string;
  /** Where it runs. Default: the sandbox's working directory. */
  workingDirectory?: string;
  /** Variables that are added to those of the sandbox. */
  env?: Record<string, string>;
  /** Kills the command. */
  abortSignal?: AbortSignal;
}

/** A process that `spawn` has started. */
export interface AiProcess {
  /** The process id in the sandbox. */
  readonly pid: number;
  /** Standard output, byte for byte. It is read as it is consumed. */
  readonly stdout: ReadableStream<Uint8Array>;
  /** Standard error, as `stdout`. */
  readonly stderr: ReadableStream<Uint8Array>;
  /**
   * Waits for the end. A process that a signal ended has the exit code 128 and the number of the signal. Rejects with the
   * reason of the `abortSignal` after an abort.
   */
  wait(): Promise<{ exitCode: number }>;
  /** Kills the process. A process that has ended is no error. */
  kill(): Promise<void>;
}

/** A process that `spawn` has started with `stdin: true`. */
export interface AiWritableProcess extends AiProcess {
  /** Standard input. Closing it ends the input. */
  readonly stdin: WritableStream<Uint8Array>;
}

/** The sandbox session of the AI SDK: what its tools get as `experimental_sandbox`. */
export interface AiSession {
  /** What an agent has to know about the sandbox. */
  readonly description: string;
  /** Reads a file as a stream. Null if it does not exist. */
  readonly readFile: (options: AiPathOptions) => Promise<ReadableStream<Uint8Array> | null>;
  /** Reads a file as bytes. Null if it does not exist. */
  readonly readBinaryFile: (options: AiPathOptions) => Promise<Uint8Array | null>;
  /** Reads a file as text, or the lines from `startLine` to `endLine` of it. Null if it does not exist. */
  readonly readTextFile: (
    options: AiPathOptions & { encoding?: string; startLine?: number; endLine?: number },
  ) => Promise<string | null>;
  /** Writes a file, and makes the directories above it. */
  readonly writeFile: (options: AiPathOptions & { content: ReadableStream<Uint8Array> }) => Promise<void>;
  /** Writes a file, and makes the directories above it. */
  readonly writeBinaryFile: (options: AiPathOptions & { content: Uint8Array }) => Promise<void>;
  /** Writes a file in UTF-8, and makes the directories above it. Other encodings are refused. */
  readonly writeTextFile: (options: AiPathOptions & { content: string; encoding?: string }) => Promise<void>;
  /** The type and size of a file, through links. Null if it does not exist. */
  readonly stat: (
    options: AiPathOptions,
  ) => Promise<{ type: "file" | "directory" | "other"; size: number } | null>;
  /** Lists a directory. Null if it does not exist. */
  readonly listDirectory: (
    options: AiPathOptions,
  ) => Promise<{ name: string; type: "file" | "directory" | "symlink" | "other" }[] | null>;
  /** Removes a file or a link. False if it does not exist. */
  readonly deleteFile: (options: AiPathOptions) => Promise<boolean>;
  /** Starts a command that goes on. */
  readonly spawn: AiSpawn;
  /**
   * Runs a command to its end. Standard output and standard error are exact, final newlines included; bytes that are not
   * UTF-8 are U+FFFD. A command that a signal ended has the exit code 128 and the number of the signal.
   */
  readonly run: (options: AiCommandOptions) => Promise<{ exitCode: number; stdout: string; stderr: string }>;
}

/** Starts a command that goes on. */
export interface AiSpawn {
  /** Starts a command with open standard input. */
  (options: AiCommandOptions & { stdin: true }): Promise<AiWritableProcess>;
  /** Starts a command with closed standard input. */
  (options: AiCommandOptions & { stdin?: false }): Promise<AiProcess>;
  /** Starts a command. */
  (options: AiCommandOptions & { stdin?: boolean }): Promise<AiProcess | AiWritableProcess>;
}

/** Options of `sandboxSession`. */
export interface AiSessionOptions {
  /** What agents read about the sandbox. Default: a sentence about the shell and relative paths. */
  description?: string | undefined;
}

/**
 * Makes a sandbox session of the AI SDK, for `experimental_sandbox`. The sandbox stays yours: the session does not
 * terminate it.
 *
 * @example
 * ```ts
 * const { text } = await generateText({
 *   model,
 *   tools,
 *   experimental_sandbox: sandboxSession(sandbox),
 *   prompt: "Which files are there?",
 * });
 * ```
 */
export function sandboxSession(sandbox: Sandbox, options?: AiSessionOptions): AiSession {
  const { description = DESCRIPTION }: AiSessionOptions = optionsOf(options, "description");
  const readBinaryFile = ({ path, abortSignal: signal }: AiPathOptions) =>
    unlessMissing(sandbox.fs.readFile(path, { signal }), null);
  const write = (
    path: string,
    content: string | Uint8Array | ReadableStream<Uint8Array>,
    signal?: AbortSignal,
  ) => sandbox.writeFile(path, content, { signal });
  return {
    description,
    readFile: ({ path, abortSignal: signal }) =>
      unlessMissing(sandbox.readFileStream(path, { signal }), null),
    readBinaryFile,
    readTextFile: async ({ encoding = "utf-8", startLine, endLine, ...options }) => {
      const decoder = decoderOf(encoding);
      const bytes = await readBinaryFile(options);
      return bytes && linesOf(decoder.decode(bytes), startLine, endLine);
    },
    writeFile: ({ path, content, abortSignal }) => write(path, content, abortSignal),
    writeBinaryFile: ({ path, content, abortSignal }) => write(path, content, abortSignal),
    writeTextFile: async ({ path, content, encoding = "utf-8", abortSignal }) => {
      if (!/^utf-?8$/i.test(encoding))
        throw unsupported(`text is written in UTF-8, not in ${encoding}: encode it, and use writeBinaryFile`);
      await write(path, content, abortSignal);
    },
    stat: async ({ path, abortSignal: signal }) => {
      const stats = await unlessMissing(sandbox.fs.stat(path, { signal }), null);
      return stats && { type: typeOf(stats), size: stats.size };
    },
    listDirectory: async ({ path, abortSignal: signal }) => {
      const entries = await unlessMissing(sandbox.fs.readdir(path, { withFileTypes: true, signal }), null);
      const kind = (entry: Dirent) => (entry.isSymbolicLink() ? "symlink" : typeOf(entry));
      return entries?.map((entry) => ({ name: entry.name, type: kind(entry) })) ?? null;
    },
    deleteFile: async ({ path, abortSignal: signal }) =>
      unlessMissing(
        sandbox.fs.rm(path, { signal }).then(() => true),
        false,
      ),
    spawn: ((options) => spawn(sandbox, options)) as AiSpawn,
    run: async ({ command, workingDirectory: workingDir, env, abortSignal: signal }) => {
      const result = await runLine(sandbox, command, { workingDir, env, signal });
      return {
        exitCode: exitCodeOf(result),
        stdout: textOf(result.stdoutBytes),
        stderr: textOf(result.stderrBytes),
      };
    },
  };
}

const DESCRIPTION =
  "A Linux sandbox. Each command is a line of shell in a new shell; the directory and variables do not stay. Relative paths begin in the working directory of the sandbox.";

type Spawned = AiCommandOptions & { stdin?: boolean };

async function spawn(
  sandbox: Sandbox,
  { command, workingDirectory: workingDir, env, abortSignal, stdin = false }: Spawned,
): Promise<AiProcess | AiWritableProcess> {
  const stdinMode = stdin ? "pipe" : "closed";
  const args = lineArgs(command);
  abortSignal?.throwIfAborted();
  // Without the signal: a start that was sent cannot be taken back, and its process must be killed.
  const process = await sandbox.startProcess("sh", { args, workingDir, env, stdinMode });
  const kill = () => killed(process);
  const abort = () => {
    // `wait` reports the abort.
    kill().catch(noop);
  };
  abortSignal?.addEventListener("abort", abort, { once: true });
  if (abortSignal?.aborted) abort();
  const wait = async () => {
    const ended = await process.wait({ signal: abortSignal }).catch((error: unknown) => {
      throw abortSignal?.aborted ? (abortSignal.reason as unknown) : error;
    });
    abortSignal?.removeEventListener("abort", abort);
    return { exitCode: exitCodeOf(ended) };
  };
  const { pid, stdout, stderr } = process;
  return { pid, stdout, stderr, wait, kill, ...(stdin && { stdin: process.stdin }) };
}

function decoderOf(encoding: string): TextDecoder {
  try {
    return new TextDecoder(encoding, { ignoreBOM: true });
  } catch (cause) {
    throw unsupported(`this runtime cannot decode ${encoding}: use readBinaryFile (${String(cause)})`);
  }
}

/** Lines from 1, both ends included, with the line ends between them, as the AI SDK's own `extractLines`. */
function linesOf(text: string, startLine: number | undefined, endLine: number | undefined): string {
  if (startLine === undefined && endLine === undefined) return text;
  const end = ["\r\n", "\n", "\r"].find((one) => text.includes(one)) ?? "\n";
  const lines = text.split(end);
  return lines.slice(Math.max(1, startLine ?? 1) - 1, endLine).join(end);
}

function typeOf(entry: { isFile(): boolean; isDirectory(): boolean }): "file" | "directory" | "other" {
  return entry.isFile() ? "file" : entry.isDirectory() ? "directory" : "other";
}

function noop(): void {}
