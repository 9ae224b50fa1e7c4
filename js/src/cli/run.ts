// run and exec.
import { type Command, Option } from "commander";
import { type HealthCheck, type RestartPolicy, Sandbox } from "shoreline";
import { clientOptions, type GlobalOptions, sandboxOf } from "./client.js";
import { execute } from "./execute.js";
import { Interrupts } from "./interrupts.js";
import { EXIT, Failure, misused } from "./exit.js";
import { isHere, leaseSeconds, renewed } from "./lease.js";
import type { openTerminal } from "./terminal.js";
import { port, running, type RunningOptions, runningOptions, wantsTerminal, whole } from "./options.js";
import { newSandbox, type NewSandboxOptions, sandboxOptions } from "./new-sandbox.js";
import { note, print, printRecord } from "./print.js";

interface RunOptions extends RunningOptions, NewSandboxOptions {
  keep?: boolean;
}

interface ExecOptions extends RunningOptions {
  detach?: boolean;
  json?: boolean;
  name?: string;
  restart?: "never" | "on-failure" | "always";
  maxRestarts?: number;
  initialBackoffMs?: number;
  maxBackoffMs?: number;
  healthHttp?: string;
  healthTcp?: number;
  healthInitialDelayMs?: number;
  healthIntervalMs?: number;
  healthTimeoutMs?: number;
  healthFailureThreshold?: number;
}

export function addRunning(program: Command): void {
  runningOptions(sandboxOptions(program.command("run <command> [args...]")))
    .option("-k, --keep", "keep the sandbox after the command has ended")
    .summary("run a command in a new sandbox")
    .description(
      "Runs a command in a new sandbox and always terminates the sandbox afterwards. Options come before the command; everything after the command is passed to it.",
    )
    .passThroughOptions()
    .action(async (command: string, args: string[], options: RunOptions) => {
      process.exitCode = await run(program.opts(), command, args, options);
    });

  const exec = program.command("exec <sandbox> <command> [args...]");
  runningOptions(exec, "-i, --interactive")
    .option("--detach", "start the command, print its pid and leave it running")
    .option("--json", "with --detach: print the process as JSON")
    .option("--name <name>", "with --detach: the name of the process, which stays the same across restarts")
    .addOption(
      new Option("--restart <policy>", "with --detach: when to restart the process").choices([
        "never",
        "on-failure",
        "always",
      ]),
    )
    .option("--max-restarts <count>", "with --restart: the maximum number of restarts", whole)
    .option(
      "--initial-backoff-ms <ms>",
      "with --restart: milliseconds to wait before the first restart",
      whole,
    )
    .option(
      "--max-backoff-ms <ms>",
      "with --restart: the longest wait before a restart, in milliseconds",
      whole,
    )
    .option(
      "--health-http <port[:/path]>",
      "with --detach: check health by an HTTP request; a status from 200 to 399 is healthy",
    )
    .option("--health-tcp <port>", "with --detach: check health by a TCP connection", port)
    .option("--health-initial-delay-ms <ms>", "milliseconds before the first health check", whole)
    .option("--health-interval-ms <ms>", "milliseconds between health checks", whole)
    .option("--health-timeout-ms <ms>", "time limit of a health check in milliseconds", whole)
    .option(
      "--health-failure-threshold <count>",
      "failed health checks in a row until the process is unhealthy",
      whole,
    )
    .summary("run a command in a sandbox")
    .description(
      "Runs a command in a sandbox. Options come before the command, and `--` ends them; everything after the command is passed to it. Piped input becomes the command's standard input. Input and output pass byte for byte. The first Ctrl-C ends the command (SIGTERM, after 5 s SIGKILL); the second exits immediately.",
    )
    .passThroughOptions()
    .action(async (sandbox: string, command: string, args: string[], options: ExecOptions) => {
      const [first = "", ...rest] = command === "--" ? args : [command, ...args];
      if (first === "") throw misused("there is no command after `--`");
      process.exitCode = await runIn(program.opts(), sandbox, first, rest, options);
    });
}

async function run(
  globals: GlobalOptions,
  command: string,
  args: string[],
  options: RunOptions,
): Promise<number> {
  // Before anything is made.
  const { timeout, ...start } = running(options);
  const terminal = wantsTerminal(options);
  const wanted = newSandbox(options);
  const seconds = leaseSeconds();
  using interrupts = new Interrupts();
  const client = await clientOptions(globals);
  note(
    options.image
      ? `Creating sandbox with image ${options.image}...`
      : "Creating sandbox with default image...",
  );
  interrupts.waits = "Ending the sandbox that is being created...";
  interrupts.left = "A sandbox that is being created may be left: see `shoreline ls`.";
  const sandbox = await Sandbox.create({ ...client, ...wanted, signal: interrupts.abort });
  interrupts.waits = undefined;
  interrupts.left = options.keep
    ? undefined
    : `Sandbox ${sandbox.sandboxId} may still run: end it by \`shoreline terminate ${sandbox.sandboxId}\`.`;
  const leave = renewed(sandbox, options.keep || !isHere(client) ? 0 : seconds);
  const finish = async () => {
    if (options.keep) note(`Sandbox ${sandbox.sandboxId} kept alive.`);
    else await terminated(sandbox);
  };
  try {
    if (terminal)
      return await inTerminal(sandbox, sandbox.sandboxId, { command, args, ...start }, () => finish());
    const execution = { command, args, timeout, ...start, ...input(options, `shoreline run -it ${command}`) };
    return await execute(sandbox, execution, interrupts);
  } finally {
    leave();
    await finish();
  }
}

/** Loads the code of terminals when one is opened. */
const inTerminal = async (...args: Parameters<typeof openTerminal>) =>
  (await import("./terminal.js")).openTerminal(...args);

/** Where the command's input comes from. */
function input({ interactive, stdin }: RunningOptions, inTerminal: string) {
  return { input: interactive ?? (stdin && ("piped" as const)), inTerminal };
}

/** Ends a sandbox; one that cannot be is named, since it may cost money. */
async function terminated(sandbox: Sandbox): Promise<void> {
  try {
    await sandbox.terminate();
  } catch (cause) {
    const { sandboxId } = sandbox;
    const text = `sandbox ${sandboxId} may still be running: end it by \`shoreline terminate ${sandboxId}\``;
    throw Object.assign(new Failure(EXIT.connection, text), { cause });
  }
}

async function runIn(
  globals: GlobalOptions,
  idOrName: string,
  command: string,
  args: string[],
  options: ExecOptions,
): Promise<number> {
  const { timeout, ...start } = running(options);
  const managed = managedOptions(options);
  if (!options.detach && Object.keys(managed).length > 0) {
    throw misused("--name, --restart and --health options need --detach");
  }
  if (options.json && !options.detach) throw misused("--json needs --detach: the output is the command's");
  if (options.detach && timeout !== undefined) throw misused("--timeout cannot be used with --detach");
  const terminal = wantsTerminal(options);
  if (options.detach && (options.interactive || options.tty))
    throw misused("--detach excludes --interactive and --tty");
  using interrupts = new Interrupts();
  const sandbox = await sandboxOf(globals, idOrName);
  if (terminal) return await inTerminal(sandbox, idOrName, { command, args, ...start });
  if (!options.detach) {
    const inTerminal = `shoreline exec -it ${idOrName} ${command}`;
    return await execute(
      sandbox,
      { command, args, timeout, ...start, ...input(options, inTerminal) },
      interrupts,
    );
  }
  const { pid } = await sandbox.startProcess(command, { args, ...start, ...managed });
  if (options.json) printRecord(await sandbox.getProcess(pid));
  else print(String(pid));
  return 0;
}

function managedOptions(options: ExecOptions): {
  name?: string;
  restart?: RestartPolicy;
  healthCheck?: HealthCheck;
} {
  const { name, restart, maxRestarts, initialBackoffMs, maxBackoffMs } = options;
  const limits = given({ maxRestarts, initialBackoffMs, maxBackoffMs });
  if (!restart && Object.keys(limits).length > 0) throw misused("restart limits need --restart");
  const policy = restart?.replace("-", "_") as "never" | "on_failure" | "always" | undefined;
  const healthCheck = health(options);
  return given({
    name,
    restart: policy && { policy, ...limits },
    healthCheck,
  });
}

function health(options: ExecOptions): HealthCheck | undefined {
  const { healthHttp, healthTcp } = options;
  const when = given({
    initialDelayMs: options.healthInitialDelayMs,
    intervalMs: options.healthIntervalMs,
    timeoutMs: options.healthTimeoutMs,
    failureThreshold: options.healthFailureThreshold,
  });
  if (healthHttp !== undefined && healthTcp !== undefined)
    throw misused("--health-http excludes --health-tcp");
  if (healthTcp !== undefined) return { type: "tcp", port: healthTcp, ...when };
  if (healthHttp !== undefined) {
    const [, number = "", path = "/"] = /^(\d+)(?::(\/.*))?$/.exec(healthHttp) ?? [];
    if (number === "") throw misused("--health-http is given as PORT or PORT:/path");
    return { type: "http", port: port(number), path, ...when };
  }
  if (Object.keys(when).length > 0) throw misused("health options need --health-http or --health-tcp");
  return undefined;
}

/** Without what is not given. */
function given<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}
