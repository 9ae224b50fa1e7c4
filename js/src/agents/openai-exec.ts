// Commands of a session of the OpenAI Agents SDK: they run until they end or a time has passed, and are read on later.
import type { Cursor } from "../generated/types.js";
import type { Process } from "../process.js";
import type { Pty } from "../pty.js";
import type { Sandbox } from "../sandbox.js";
import { after } from "../timer.js";
import { unsupported } from "./adapter.js";

/** A command, and how it runs. */
export interface OpenAiCommand {
  /** A line of shell. */
  cmd: string;
  /** Where it runs. Default: the root of the workspace. */
  workdir?: string;
  /** The shell. Default: bash, otherwise sh. */
  shell?: string;
  /** Whether it is a login shell. Default: true. */
  login?: boolean;
  /** Whether it runs on a terminal, which takes input later. Default: false. */
  tty?: boolean;
  /** Milliseconds after which the call returns although the command runs. Default: 10,000. */
  yieldTimeMs?: number;
  /** The most tokens of output, four bytes each. Default: no limit. */
  maxOutputTokens?: number;
  /** The user in the sandbox. */
  runAs?: string;
}

/** Input for a command that still runs. */
export interface OpenAiInput {
  /** The number that `exec` returned. */
  sessionId: number;
  /** What to write. Default: nothing, which reads more output. */
  chars?: string;
  /** Milliseconds to wait for the end. Default: 250. */
  yieldTimeMs?: number;
  /** The most tokens of output. Default: no limit. */
  maxOutputTokens?: number;
}

/** How far a command has come. */
export interface OpenAiExecResult {
  /** Standard output and standard error as they were read. */
  output: string;
  /** Standard output. */
  stdout: string;
  /** Standard error. */
  stderr: string;
  /** Seconds that the call took. */
  wallTimeSeconds: number;
  /** The exit code. Null if a signal ended the command, absent while it runs. */
  exitCode?: number | null;
  /** The number of the signal that ended the command. */
  signal?: number;
  /** The number by which the command is read on, while it runs. */
  sessionId?: number;
  /** Tokens of the output, if a part was left out. */
  originalTokenCount?: number;
}

/** A command that runs. */
interface Running {
  /** Reads output until the end or the time limit. True: the command has ended. */
  read(ms: number, take: (stream: "stdout" | "stderr", bytes: Uint8Array) => void): Promise<boolean>;
  write(chars: string): Promise<void>;
  end(): { exitCode: number | null; signal: number | null };
}

/** The most bytes of output that one call reads; the next call reads on. */
const READ_BYTES = 1024 * 1024;
const SHELL = 'exec "${1:-$(command -v bash || echo sh)}" "$2" "$0"';

/** The commands of one session. */
export class Commands {
  readonly #running = new Map<number, Running>();
  #last = 0;

  constructor(
    private readonly sandbox: Sandbox,
    private readonly environment: () => Record<string, string>,
  ) {}

  async exec(args: OpenAiCommand, workingDir: string): Promise<OpenAiExecResult> {
    const { cmd, shell = "", login = true, tty = false, yieldTimeMs = 10_000, runAs } = args;
    const how = {
      args: ["-c", SHELL, cmd, shell, login ? "-lc" : "-c"],
      workingDir,
      env: this.environment(),
    };
    if (tty && runAs !== undefined) throw unsupported("a terminal runs as the sandbox's user: omit `runAs`");
    const running = tty
      ? onTerminal(await this.sandbox.createPty({ command: "sh", ...how }))
      : onPipes(await this.sandbox.startProcess("sh", { ...how, user: runAs }));
    const id = ++this.#last;
    this.#running.set(id, running);
    return this.#read(id, running, yieldTimeMs, args.maxOutputTokens);
  }

  async input({
    sessionId,
    chars = "",
    yieldTimeMs = 250,
    maxOutputTokens,
  }: OpenAiInput): Promise<OpenAiExecResult> {
    const running = this.#running.get(sessionId);
    if (!running) throw unsupported(`no command runs with the session id ${sessionId}: start one with exec`);
    if (chars !== "") await running.write(chars);
    return this.#read(sessionId, running, yieldTimeMs, maxOutputTokens);
  }

  async #read(sessionId: number, running: Running, ms: number, tokens?: number): Promise<OpenAiExecResult> {
    const began = Date.now();
    const texts = { stdout: "", stderr: "", output: "" };
    const decoders = { stdout: decoder(), stderr: decoder() };
    const add = (stream: "stdout" | "stderr", bytes?: Uint8Array) => {
      const text = decoders[stream].decode(bytes, { stream: bytes !== undefined });
      texts[stream] += text;
      texts.output += text;
    };
    const isOver = await running.read(ms, add);
    add("stdout");
    add("stderr");
    const { output, originalTokenCount } = cut(texts.output, tokens);
    if (isOver) this.#running.delete(sessionId);
    const { exitCode, signal } = running.end();
    return {
      ...texts,
      output,
      wallTimeSeconds: (Date.now() - began) / 1000,
      ...(isOver ? { exitCode, ...(signal !== null && { signal }) } : { sessionId }),
      ...(originalTokenCount !== undefined && { originalTokenCount }),
    };
  }
}

const decoder = () => new TextDecoder("utf-8", { ignoreBOM: true });

function onPipes(process: Process): Running {
  let cursor: Cursor | undefined;
  return {
    read: async (ms, take) => {
      const follow = process.output({ until: "exit", pieces: true, ...(cursor && { after: cursor }) });
      let [isEarly, bytes] = [false, 0];
      const stop = () => {
        isEarly = true;
        void follow.return();
      };
      const cancel = after(Math.max(ms, 100), stop);
      try {
        for await (const { stream = "stdout", bytes: part } of follow.chunks()) {
          take(stream, part);
          cursor = follow.cursor();
          bytes += part.length;
          if (bytes >= READ_BYTES) stop();
        }
      } finally {
        cancel();
      }
      if (!isEarly) await process.wait();
      return !isEarly;
    },
    write: async (chars) => {
      // As the SDK's own sessions do without a terminal.
      if (chars.includes("\x03")) await process.kill("SIGINT");
      if (chars.replaceAll("\x03", "") !== "")
        throw unsupported("the command has no standard input: start it with tty=true");
    },
    end: () => process,
  };
}

function onTerminal(pty: Pty): Running {
  let [parts, bytes] = [[] as Uint8Array[], 0];
  const ended = pty.wait().then(() => true);
  // A `read` reports the loss of the terminal.
  ended.catch(() => undefined);
  pty.onData((part) => {
    parts.push(part);
    bytes += part.length;
    for (; bytes > READ_BYTES && parts.length > 1; bytes -= parts.shift()?.length ?? 0);
  });
  return {
    read: async (ms, take) => {
      let cancel = () => {};
      const late = new Promise<boolean>((resolve) => {
        cancel = after(Math.max(ms, 100), () => {
          resolve(false);
        });
      });
      const isOver = await Promise.race([ended, late]).finally(() => {
        cancel();
      });
      for (const part of parts) take("stdout", part);
      [parts, bytes] = [[], 0];
      return isOver;
    },
    write: (chars) => pty.sendInput(chars),
    end: () => pty.exit ?? { exitCode: null, signal: null },
  };
}

/** The beginning and the end of a long output. A token is about four bytes. */
function cut(output: string, tokens: number | undefined): { output: string; originalTokenCount?: number } {
  const size = new TextEncoder().encode(output).length;
  if (tokens === undefined || size <= tokens * 4) return { output };
  const half = tokens * 2;
  const marker = `\n… ${output.length - 2 * half} characters left out …\n`;
  const ends = output.slice(0, half) + marker + output.slice(output.length - half);
  return { output: ends, originalTokenCount: Math.ceil(size / 4) };
}

/** A result as the SDK's tools show it to a model. */
export function shown(result: OpenAiExecResult): string {
  const { sessionId, exitCode, signal, originalTokenCount } = result;
  const end =
    sessionId !== undefined
      ? `Process running with session ID ${sessionId}`
      : signal !== undefined
        ? `Process ended by signal ${signal}`
        : `Process exited with code ${exitCode ?? "unknown"}`;
  return [
    `Wall time: ${result.wallTimeSeconds.toFixed(4)} seconds`,
    end,
    ...(originalTokenCount === undefined ? [] : [`Original token count: ${originalTokenCount}`]),
    "Output:",
    result.output,
  ].join("\n");
}
