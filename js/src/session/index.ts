// Shells that keep their state. This code is loaded on first use.
import type { Shim } from "../file-system.js";
import type { RunningCommand } from "../run.js";
import type { Sandbox } from "../sandbox.js";
import type {
  OpenShellOptions,
  ShellJSON,
  ShellRunOptions,
  ShellSession as Shape,
} from "../shell-session.js";
import { BASH, OPEN, RUN, SH } from "./scripts.js";

/** Linux takes arguments of 128 KiB. */
const LONGEST_LINE = 100 * 1024;

/** What the entry passes: functions, and how a command is run once another one has ended. */
export interface Parts extends Pick<Shim, "invalid" | "optionsOf"> {
  run(
    command: string,
    options: ShellRunOptions & { args: string[]; user?: OpenShellOptions["user"] },
    after: Promise<unknown>,
  ): RunningCommand;
}

/** Opens a shell, or continues one. */
export async function open(
  parts: Parts,
  sandbox: Sandbox,
  given: OpenShellOptions | ShellJSON | undefined,
): Promise<Shape> {
  const { invalid, optionsOf } = parts;
  const options: OpenShellOptions & Partial<ShellJSON> = optionsOf(
    given,
    "workingDir env user signal sandboxId path kind",
  );
  const { sandboxId, path, kind } = options;
  if (path !== undefined) {
    if (typeof path !== "string" || (kind !== "bash" && kind !== "sh"))
      throw invalid("pass what the `toJSON()` of a shell returned");
    if (sandboxId !== sandbox.sandboxId && sandboxId !== sandbox.name)
      throw invalid(`the shell is one of sandbox ${String(sandboxId)}: connect to that`);
    return new Session(parts, sandbox, { sandboxId: sandbox.sandboxId, path, kind, ...user(options) });
  }
  const { stdout } = await sandbox.run("sh", {
    ...options,
    args: ["-c", OPEN, "sh", BASH, SH, RUN],
    check: true,
  });
  const [found, directory] = stdout.split(/ (.*)/s) as [ShellJSON["kind"], string];
  return new Session(parts, sandbox, {
    sandboxId: sandbox.sandboxId,
    path: directory,
    kind: found,
    ...user(options),
  });
}

class Session implements Shape {
  readonly kind: ShellJSON["kind"];
  readonly #parts: Parts;
  readonly #sandbox: Sandbox;
  readonly #json: ShellJSON;
  /** Settles when the last command has ended. */
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(parts: Parts, sandbox: Sandbox, json: ShellJSON) {
    this.#parts = parts;
    this.#sandbox = sandbox;
    this.#json = json;
    this.kind = json.kind;
  }

  run(line: string, options?: ShellRunOptions): RunningCommand {
    const { invalid, optionsOf } = this.#parts;
    if (this.#isClosed) throw invalid("the shell is closed: open another one");
    if (typeof line !== "string" || line.includes("\0"))
      throw invalid("a line of shell must be a string without NUL characters");
    if (new TextEncoder().encode(line).length > LONGEST_LINE)
      throw invalid("a line of shell must be at most 100 KiB: write it to a file, and run that");
    const given: ShellRunOptions = optionsOf(options);
    for (const name of ["args", "workingDir", "env", "user"])
      if (name in given)
        throw invalid(`\`${name}\` is not an option of a line in a shell: set it when the shell is opened`);
    const { path, kind } = this.#json;
    const flags = kind === "bash" ? ["--noprofile", "--norc"] : [];
    const command = this.#parts.run(
      kind,
      { ...given, args: [...flags, `${path}/run`, line], ...user(this.#json) },
      this.#last,
    );
    this.#last = command.over;
    return command;
  }

  toJSON(): ShellJSON {
    return this.#json;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#last;
    await this.#sandbox.run("rm", { args: ["-rf", "--", this.#json.path], ...user(this.#json), check: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

const user = (options: Pick<OpenShellOptions, "user">) =>
  options.user !== undefined && { user: options.user };
