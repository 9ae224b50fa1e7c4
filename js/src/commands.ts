// The part of a sandbox that runs commands to their end.
import type * as Glue from "./core/shoreline.js";
import { invalid, optionsOf } from "./arguments.js";
import { OPTIONS } from "./client.js";
import { callSync, optionNames } from "./core.js";
import { UsageError } from "./errors.js";
import type { Cursor } from "./generated/types.js";
import type { ClientOptions, FollowOptions, ProcessAddress } from "./options.js";
import { type BatchSource, nextBatch } from "./output.js";
import { Ports } from "./ports.js";
import type { ProcessCalls } from "./process.js";
import type { CommandResult, SuccessfulResult } from "./result.js";
import { reconnectHandler, RunningCommand, type RunOptions } from "./run.js";
import type { Sandbox } from "./sandbox.js";
import type * as implementation from "./session/index.js";
import type { Parts } from "./session/index.js";
import type { OpenShellOptions, ShellJSON, ShellSession } from "./shell-session.js";
import { shellArgs, type ShellValue } from "./shell.js";
import { Transports } from "./transports.js";

/** Options of a command whose failure is an error. */
export interface CheckedRunOptions extends RunOptions {
  /** Makes anything but exit code 0 a `CommandError`. */
  check: true;
}

/** Options of a line of shell. */
export type ShellOptions = Omit<RunOptions, "args">;

/** Runs a template as a line for a shell. */
export type Shell<R extends CommandResult = CommandResult> = (
  parts: TemplateStringsArray,
  ...values: ShellValue[]
) => RunningCommand<R>;

/** The part of a sandbox that runs commands to their end. */
export abstract class Commands extends Ports {
  readonly #transports: Transports;

  /** @internal */
  constructor(core: Glue.Sandbox, options: ClientOptions) {
    super(core, options);
    this.#transports = new Transports(core, options);
  }

  /** @internal */
  protected abstract get calls(): ProcessCalls;

  /** @internal Opens a stream: of both outputs, of one, or of the exit alone, which only the local server has. */
  async open(which: number, process: ProcessAddress, options?: FollowOptions): Promise<BatchSource> {
    const stream = await this.stream(which, process, options);
    return {
      next: () => nextBatch(stream),
      close: () => {
        callSync(() => {
          stream.close();
        });
      },
      cursor: (taken) => callSync(() => stream.cursor(taken) as Cursor),
    };
  }

  /** @internal The same as the core has it. */
  protected async stream(
    which: number,
    process: ProcessAddress,
    options?: FollowOptions,
  ): Promise<Glue.OutputStream> {
    const given: FollowOptions = optionsOf(options, "onReconnect signal", optionNames(OPTIONS.follow));
    const onReconnect = reconnectHandler(given);
    const [chosen, via] = await this.#transports.forFollow(given);
    return callSync(() => this.core.follow(which, process, chosen, onReconnect, via, given.signal));
  }

  /**
   * Runs a command to its end. `await` gives the result; iterating gives the output as it arrives. The command is sent
   * immediately and once. If the connection breaks, its output is resumed. A failing command is a result, not an error,
   * unless `check` is set.
   *
   * @param command - A program, found by `PATH` or by its path. Its arguments go into `args`; for a line of shell see `sh`.
   * @throws {@link ShorelineError} `not_found` if the program does not exist, `run_outcome_unknown` if the exit status
   * cannot be determined, `stream_broken` or `output_gap` if output is missing, `aborted` if `signal` aborts, `run_timeout`
   * and others; a {@link CommandError} with `check`.
   *
   * @example
   * ```ts
   * const { stdout, exitCode } = await sandbox.run("ls", { args: ["-l"], workingDir: "/srv" });
   * for await (const { line } of sandbox.run("make")) console.log(line);
   * ```
   */
  run(command: string, options: CheckedRunOptions): RunningCommand<SuccessfulResult>;
  run(command: string, options?: RunOptions): RunningCommand;
  run(command: string, options?: RunOptions): RunningCommand {
    return new RunningCommand(this.core, this.calls, command, options, this.#transports);
  }

  /**
   * Opens a shell that keeps its directory, variables and functions from one line to the next, or continues with one of
   * another isolate. Its code is loaded on first use, by `import()`, which service workers do not allow.
   *
   * @param options - Directory, environment and user of the shell, or what the `toJSON()` of a shell returned.
   * @throws {@link ShorelineError} `command_failed` if the sandbox has no `mktemp` or no place for the state, `invalid_argument`
   * for a shell of another sandbox, `missing_capability` in service workers.
   *
   * @example
   * ```ts
   * await using shell = await sandbox.shell({ workingDir: "/srv" });
   * await shell.run("python3 -m venv env && . env/bin/activate");
   * const { exitCode } = await shell.run("pip install flask", { timeout: 300 });
   * ```
   */
  async shell(options?: OpenShellOptions | ShellJSON): Promise<ShellSession> {
    const { open } = await sessions();
    const run: Parts["run"] = (command, how, after) =>
      new RunningCommand(this.core, this.calls, command, how, this.#transports, after);
    return open({ invalid, optionsOf, run }, this as unknown as Sandbox, options);
  }

  /**
   * Runs a line of shell (`sh -c`) as `run` runs a command. Each `${…}` is one word, with any characters: the shell never
   * interprets it as code. An array is one word for each of its items. Do not put quotes around a value.
   *
   * @returns The command; with options, a function that takes the line.
   * @throws {@link ShorelineError} `invalid_argument`, synchronously, if a value is inside quotes, or is not a string, a
   * number or an array of these.
   *
   * @example
   * ```ts
   * const { stdout } = await sandbox.sh`grep -c ${pattern} ${files} | sort`;
   * await sandbox.sh({ workingDir: "/srv", check: true })`git commit -m ${message} && git push`;
   * ```
   */
  sh(parts: TemplateStringsArray, ...values: ShellValue[]): RunningCommand;
  sh(options: ShellOptions & { check: true }): Shell<SuccessfulResult>;
  sh(options: ShellOptions): Shell;
  sh(first: TemplateStringsArray | RunOptions, ...values: ShellValue[]): RunningCommand | Shell {
    if (isTemplate(first)) return this.run("sh", { args: shellArgs(first, values) });
    if (typeof first !== "object" || (first as unknown) === null || "args" in first)
      throw invalid("`sh` takes a template, or options without `args`: sandbox.sh`ls -l`");
    return (parts, ...values) => this.run("sh", { ...first, args: shellArgs(parts, values) });
  }
}

/** Loads the code of shells, which keeps the entry small. */
async function sessions(): Promise<typeof implementation> {
  try {
    return await import("./session/index.js");
  } catch (cause) {
    const message = "shells are not available in this runtime: it loads no code on first use";
    throw new UsageError({ code: "missing_capability", message, cause });
  }
}

function isTemplate(value: unknown): value is TemplateStringsArray {
  return Array.isArray(value) && "raw" in value;
}
