// ls, create, describe, terminate, suspend, resume, name.
import type { Command } from "commander";
import { Sandbox, type SandboxInfo } from "shoreline";
import { clientOptions, type GlobalOptions, sandboxOf } from "./client.js";
import { json, positive, variable, whole } from "./options.js";
import { ago, clean, note, print, printJson, printTable } from "./print.js";
import { newSandbox, sandboxOptions } from "./run.js";

const isLive = ({ status }: SandboxInfo) => !["terminated", "timeout", "failed"].includes(status);
const interactive = () => process.stdout.isTTY;

export function addSandboxes(program: Command): void {
  program
    .command("ls")
    .alias("list")
    .summary("list sandboxes")
    .description("Lists sandboxes; those that have ended are only counted, unless --all is given.")
    .option("-a, --all", "all of them")
    .option("-r, --running", "only running ones")
    .option("-s, --suspended", "only suspended ones")
    .option("-q, --quiet", "only ids")
    .addOption(json())
    .action(async (options: ListOptions) => {
      await list(program.opts(), options);
    });

  sandboxOptions(program.command("create [name]"))
    .summary("make a sandbox")
    .description("Makes a sandbox and waits until it runs. Only one with a name can be suspended.")
    .option("-e, --env <NAME=VALUE>", "a variable of every command in it; may be repeated", variable)
    .option("--timeout-secs <seconds>", "its time limit", whole)
    .option("--startup-timeout <seconds>", "how long it may take to come up; default: 300", positive)
    .addOption(json())
    .action(async (name: string | undefined, options: CreateOptions) => {
      const { env, timeoutSecs, startupTimeout } = options;
      const client = await clientOptions(program.opts());
      const sandbox = await Sandbox.create({
        ...client,
        ...newSandbox(options),
        name,
        env,
        timeoutSecs,
        startupTimeout,
      });
      if (options.json) printJson(await sandbox.info());
      else if (!interactive()) print(sandbox.sandboxId);
      else {
        print(name ? `Sandbox ${name} is ready.` : `Sandbox ${sandbox.sandboxId} is ready.`);
        if (name) print(`ID: ${sandbox.sandboxId}`);
        print("");
        print(`Run something in it:  shoreline exec ${name ?? sandbox.sandboxId} COMMAND`);
        print(`Open a terminal:      shoreline ssh ${name ?? sandbox.sandboxId}`);
      }
    });

  program
    .command("describe <sandbox>")
    .summary("show a sandbox")
    .description("Shows what the server says of a sandbox.")
    .addOption(json())
    .action(async (idOrName: string, options: { json?: boolean }) => {
      const info = await (await sandboxOf(program.opts(), idOrName)).info();
      if (options.json) printJson(info);
      else describe(info);
    });

  program
    .command("terminate <sandboxes...>")
    .alias("stop")
    .summary("end sandboxes")
    .description("Ends sandboxes and everything in them. One that has ended is no error.")
    .action(async (sandboxes: string[]) => {
      const client = await clientOptions(program.opts());
      // All of them are tried; the first failure is told.
      const failures: unknown[] = [];
      for (const idOrName of sandboxes) {
        try {
          await Sandbox.terminate(idOrName, client);
          print(interactive() ? `Terminated sandbox ${idOrName}` : idOrName);
        } catch (error) {
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
    });

  for (const [verb, doing, done] of [
    ["suspend", "Suspending", "suspended"],
    ["resume", "Resuming", "running"],
  ] as const) {
    program
      .command(`${verb} <sandbox>`)
      .summary(`${verb} a sandbox`)
      .description(
        verb === "suspend"
          ? "Stops everything in a named sandbox where it stands."
          : "Lets a suspended sandbox go on.",
      )
      .option("-n, --no-wait", "do not wait until that is done")
      .action(async (idOrName: string, options: { wait: boolean }) => {
        const sandbox = await sandboxOf(program.opts(), idOrName);
        if (interactive()) note(`${doing} sandbox ${idOrName}...`);
        await sandbox[verb]({ wait: options.wait });
        if (!interactive()) print(sandbox.sandboxId);
        else if (options.wait) note(`Sandbox ${idOrName} ${verb === "resume" ? "is running" : done}.`);
      });
  }

  program
    .command("name <sandbox> <name>")
    .summary("name a sandbox")
    .description("Gives a sandbox a name, by which it can be reached, suspended and resumed.")
    .action(async (idOrName: string, name: string) => {
      await (await sandboxOf(program.opts(), idOrName)).update({ name });
      if (interactive()) note(`Sandbox ${idOrName} is now named ${name}.`);
      else print(name);
    });
}

interface ListOptions {
  all?: boolean;
  running?: boolean;
  suspended?: boolean;
  quiet?: boolean;
  json?: boolean;
}

interface CreateOptions {
  env?: Record<string, string>;
  timeoutSecs?: number;
  startupTimeout?: number;
  json?: boolean;
  internet: boolean;
}

async function list(globals: GlobalOptions, options: ListOptions): Promise<void> {
  const status = options.running ? "running" : options.suspended ? "suspended" : undefined;
  const all = await Sandbox.list({ ...(await clientOptions(globals)), status });
  const shown = options.all || status ? all : all.filter(isLive);
  if (options.json) {
    printJson(shown);
    return;
  }
  if (options.quiet) {
    for (const { sandboxId } of shown) print(sandboxId);
    return;
  }
  const hidden = all.length - shown.length;
  const rest = hidden > 0 ? `, ${hidden} terminated hidden (use --all to show them all)` : "";
  if (shown.length === 0) {
    print(`No sandboxes found.${rest.replace(/^, /, " ")}`);
    return;
  }
  printTable(
    ["ID", "Name", "Status", "Image", "CPUs", "Memory", "Disk", "Created At"],
    shown.map(({ sandboxId, name, status, image, resources, enforced, createdAt }) => [
      sandboxId,
      name ?? "-",
      status,
      image ?? "-",
      enforced?.cpus === "none" ? "-" : String(resources?.cpus ?? "-"),
      enforced?.memory === "none" ? "-" : size(resources?.memoryMb),
      enforced?.disk === "none" ? "-" : size(resources?.diskMb),
      ago(createdAt),
    ]),
  );
  print(`${shown.length} sandbox${shown.length === 1 ? "" : "es"}${rest}`);
}

const size = (mb: number | undefined) => (mb === undefined ? "-" : `${mb} MB`);

/** What a limit holds for, in words; nothing where the server does not say. */
const HOLDS: Record<string, string> = {
  sandbox: " for the sandbox",
  process: " for each process",
  file: " for each file",
  none: " (not enforced)",
};
const holds = (scope: string | undefined) => (scope === undefined ? "" : (HOLDS[scope] ?? ` (${scope})`));

function describe(info: SandboxInfo): void {
  const { resources, enforced, network } = info;
  const list = (values: readonly unknown[] | undefined) => values?.join(", ");
  const limit = (value: string | number | undefined, scope: string | undefined) =>
    value === undefined || value === "-" ? undefined : `${value}${holds(scope)}`;
  const lines: [string, string | number | undefined][] = [
    ["ID", info.sandboxId],
    ["Name", info.name],
    ["Namespace", info.namespace],
    ["Status", info.status],
    ["Image", info.image],
    ["CPUs", limit(resources?.cpus, enforced?.cpus)],
    ["Memory", limit(size(resources?.memoryMb), enforced?.memory)],
    ["Disk", limit(size(resources?.diskMb), enforced?.disk)],
    [
      "Processes",
      enforced && (enforced.processes === "none" ? "not limited" : `limited${holds(enforced.processes)}`),
    ],
    ["Proxy auth", info.allowUnauthenticatedAccess ? "unauthenticated" : "required"],
    ["Internet", network?.allowInternetAccess === false ? "blocked" : "allowed"],
    ["Created", info.createdAt?.toISOString()],
    ["Timeout", info.timeoutSecs === undefined ? undefined : `${info.timeoutSecs}s`],
    ["URL", info.sandboxUrl],
    ["Entrypoint", info.entrypoint?.join(" ")],
    ["Ports", list(info.exposedPorts)],
    ["Allow out", list(network?.allowOut)],
    ["Deny out", list(network?.denyOut)],
    ["Terminated", info.terminatedAt?.toISOString()],
    ["Reason", info.terminationReason],
    ["Outcome", info.outcome],
  ];
  for (const [label, value] of lines) {
    if (value === undefined || value === "") continue;
    print(`${label}:`.padEnd(17) + clean(String(value)));
  }
}
