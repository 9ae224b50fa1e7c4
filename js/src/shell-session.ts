// Shells that keep their state between commands.
import type { CallOptions } from "./options.js";
import type { RunningCommand, RunOptions } from "./run.js";

/** Options of `sandbox.shell`. */
export interface OpenShellOptions extends Pick<RunOptions, "workingDir" | "env" | "user">, CallOptions {}

/** Options of a line in a shell. */
export type ShellRunOptions = Omit<RunOptions, "args" | "workingDir" | "env" | "user">;

/** Plain data, from which `sandbox.shell(json)` continues with a shell in another isolate. */
export interface ShellJSON extends Pick<RunOptions, "user"> {
  /** The id of its sandbox. */
  sandboxId: string;
  /** The directory with its state. */
  path: string;
  /** Which shell it is. */
  kind: "bash" | "sh";
}

/**
 * A shell that keeps its directory, variables, functions, aliases and options from one line to the next. Each line is a
 * process of its own, which takes over the state of the one before: it has its own exit code, output and time limit. A line
 * that is killed, or runs into its time limit, leaves the state as it was.
 *
 * @example
 * ```ts
 * await using shell = await sandbox.shell();
 * await shell.run("cd /srv && export PORT=8000; greet() { echo hello $1; }");
 * const { stdout } = await shell.run("greet $PWD:$PORT"); // hello /srv:8000
 * ```
 */
export interface ShellSession extends AsyncDisposable {
  /** `bash`, or `sh` in a sandbox without bash. `sh` does not keep functions and aliases. */
  readonly kind: "bash" | "sh";

  /**
   * Runs a line, or several, as `sandbox.run` runs a command. Lines of one shell run one after the other: the line is sent
   * when the one before has ended. A line that fails, or calls `exit`, does not end the shell.
   *
   * `command.kill("SIGINT")` is Ctrl-C: it ends what runs in the foreground, and the state up to there is kept. Jobs in the
   * background live on, but `jobs`, `fg` and `wait` of a later line do not know them.
   *
   * @param line - At most 100 KiB. Values in it are code: quote them, or use `sandbox.sh`.
   * @throws {@link ShorelineError} `invalid_argument`, synchronously, for a line that is too long or a closed shell; and
   * what `run` throws.
   */
  run(line: string, options?: ShellRunOptions): RunningCommand;

  /** Plain data, from which `sandbox.shell(json)` continues in another isolate. */
  toJSON(): ShellJSON;

  /** Waits for the last line, and removes the state. Processes in the background live on. */
  close(): Promise<void>;
}
