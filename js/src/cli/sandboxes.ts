// ls, create, describe, terminate, suspend, resume, name.
import type { Command } from "commander";
import { Sandbox, type SandboxInfo } from "shoreline";
import { clientOptions, existingOptions, type GlobalOptions, optionsFor, sandboxOf } from "./client.js";
import { Interrupts } from "./interrupts.js";
import { misused } from "./exit.js";
import { each, json, positive, variable, whole } from "./options.js";
import { ago, clean, note, print, printRecord } from "./print.js";
import { printTable } from "./table.js";
import { newSandbox, sandboxOptions } from "./new-sandbox.js";

const isLive = ({ status }: SandboxInfo) => !["terminated", "timeout", "failed"].includes(status);
const interactive = () => process.stdout.isTTY;

export function addSandboxes(program: Command): void {
  program
    .command("ls")
    .alias("list")
    .summary("list sandboxes")
    .description("Lists sandboxes. Terminated sandboxes are counted, and listed with --all.")
    .option("-a, --all", "list terminated sandboxes too")
    .option("-r, --running", "list only running sandboxes")
    .option("-s, --suspended", "list only suspended sandboxes")
    .option("-q, --quiet", "print only ids")
    .addOption(json())
    .action(async (options: ListOptions) => {
      await list(program.opts(), options);
    });

  sandboxOptions(program.command("create [name]"))
    .alias("new")
    .summary("create a sandbox")
    .description("Creates a sandbox and waits until it runs. Only a named sandbox can be suspended.")
    .option("-t, --timeout <seconds>", "time limit of the sandbox in seconds; default: none", whole)
    .option(
      "-e, --entrypoint <word>",
      "the command that the sandbox starts with, one word for each option; can be repeated",
      each(String),
    )
    .option("-s, --snapshot <id>", "the snapshot to restore, instead of an image")
    .option("-n, --no-wait", "do not wait until the sandbox runs")
    .option(
      "--env <NAME=VALUE>",
      "an environment variable for every command in the sandbox; can be repeated",
      variable,
    )
    .option("--startup-timeout <seconds>", "seconds to wait until the sandbox runs; default: 300", positive)
    .addOption(json())
    .action(async (name: string | undefined, options: CreateOptions) => {
      const { env, timeout, entrypoint, snapshot, startupTimeout } = options;
      if (snapshot !== undefined && options.image !== undefined)
        throw misused("--snapshot and --image exclude each other");
      if (entrypoint?.[0] && /^\w+=/.test(entrypoint[0]))
        throw misused("-e is --entrypoint here, as in `tl sbx`: give variables by --env NAME=VALUE");
      const wanted = newSandbox(options);
      using interrupts = new Interrupts();
      interrupts.waits = "Ending the sandbox that is being created...";
      const client = await clientOptions(program.opts());
      const sandbox = await Sandbox.create({
        ...client,
        ...wanted,
        name,
        env,
        entrypoint,
        snapshotId: snapshot,
        ...(!options.wait && { wait: false }),
        timeoutSecs: timeout,
        startupTimeout,
        // A sandbox that the server has made by then is terminated.
        signal: interrupts.abort,
      });
      if (options.json) printRecord(await sandbox.info());
      else if (!interactive()) print(sandbox.sandboxId);
      else {
        note(`Sandbox ${name ?? sandbox.sandboxId} ${options.wait ? "is ready" : "is being created"}.`);
        if (name) note(`ID: ${sandbox.sandboxId}`);
        note("");
        note("Get started:");
        note(`  shoreline ssh ${name ?? sandbox.sandboxId}`);
        note(`  shoreline exec ${name ?? sandbox.sandboxId} bash -c "echo Hello, World!"`);
      }
    });

  program
    .command("describe <sandbox>")
    .alias("info")
    .summary("show the details of a sandbox")
    .description("Shows the details of a sandbox.")
    .addOption(json())
    .action(async (idOrName: string, options: { json?: boolean }) => {
      const info = await (await sandboxOf(program.opts(), idOrName)).info();
      if (options.json) printRecord(info);
      else describe(info);
    });

  program
    .command("terminate <sandboxes...>")
    .alias("stop")
    .summary("terminate sandboxes")
    .description(
      "Terminates sandboxes and everything in them. Terminating a terminated sandbox is not an error.",
    )
    .action(async (sandboxes: string[]) => {
      // All of them are tried; the first failure is told.
      const failures: unknown[] = [];
      for (const idOrName of sandboxes) {
        try {
          await Sandbox.terminate(idOrName, await optionsFor(program.opts(), idOrName));
          print(interactive() ? `Terminated sandbox ${idOrName}` : idOrName);
        } catch (error) {
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
    });

  for (const [verb, doing, done] of [
    ["suspend", "Suspending", "suspended"],
    ["resume", "Resuming", "is running"],
  ] as const) {
    program
      .command(`${verb} <sandbox>`)
      .summary(`${verb} a sandbox`)
      .description(
        verb === "suspend"
          ? "Suspends a named sandbox: its processes are paused until it is resumed."
          : "Resumes a suspended sandbox.",
      )
      .option("-n, --no-wait", "return before the operation has finished")
      .action(async (idOrName: string, options: { wait: boolean }) => {
        const sandbox = await sandboxOf(program.opts(), idOrName);
        if (interactive()) note(`${doing} sandbox ${idOrName}...`);
        await sandbox[verb]({ wait: options.wait });
        if (!interactive()) print(idOrName);
        else if (options.wait) {
          note(`Sandbox ${idOrName} ${done}.`);
          const url = verb === "resume" && (await sandbox.info()).sandboxUrl;
          if (url) note(field("URL", url));
        }
      });
  }

  program
    .command("name <sandbox> <name>")
    .summary("name a sandbox")
    .description(
      "Names a sandbox. Commands accept the name instead of the id, and only a named sandbox can be suspended.",
    )
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
  entrypoint?: string[];
  image?: string;
  snapshot?: string;
  timeout?: number;
  wait: boolean;
  startupTimeout?: number;
  json?: boolean;
  internet: boolean;
}

async function list(globals: GlobalOptions, options: ListOptions): Promise<void> {
  const status = options.running ? "running" : options.suspended ? "suspended" : undefined;
  const client = await existingOptions(globals);
  const all = client ? await Sandbox.list({ ...client, status }) : [];
  const shown = options.all || status ? all : all.filter(isLive);
  if (options.json) {
    printRecord(shown);
    return;
  }
  if (options.quiet) {
    for (const { sandboxId } of shown) print(sandboxId);
    return;
  }
  if (shown.length === 0) {
    print("No sandboxes found.");
    return;
  }
  const hidden = all.length - shown.length;
  const rest = hidden > 0 ? `, ${hidden} terminated hidden (use --all to show them all)` : "";
  await printTable(
    ["ID", "Name", "Status", "Image", "CPUs", "Memory", "Disk", "Created At"],
    shown.map(({ sandboxId, name, status, image, resources, enforced, createdAt }) => [
      sandboxId,
      name ?? "",
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
  const { secretNames } = info as { secretNames?: string[] };
  const list = (values: readonly unknown[] | undefined) => values?.join(", ");
  const limit = (value: string | number | undefined, scope: string | undefined) =>
    value === undefined || value === "-" ? "-" : `${value}${holds(scope)}`;
  const lines: [string, string | number | undefined][] = [
    ["ID", info.sandboxId],
    ["Name", info.name],
    ["Namespace", info.namespace],
    ["Status", info.status],
    ["Image", info.image ?? "-"],
    ["CPUs", limit(resources?.cpus, enforced?.cpus)],
    ["Memory", limit(size(resources?.memoryMb), enforced?.memory)],
    ["Disk", limit(size(resources?.diskMb), enforced?.disk)],
    ["Proxy auth", info.allowUnauthenticatedAccess ? "unauthenticated" : "required"],
    ["Internet", network?.allowInternetAccess === false ? "blocked" : "allowed"],
    ["Created", ago(info.createdAt)],
    ["Timeout", info.timeoutSecs === undefined ? undefined : `${info.timeoutSecs}s`],
    ["URL", info.sandboxUrl],
    ["Entrypoint", info.entrypoint?.join(" ")],
    ["Secrets", list(secretNames)],
    ["Ports", list(info.exposedPorts)],
    ["Allow out", list(network?.allowOut)],
    ["Deny out", list(network?.denyOut)],
  ];
  if (enforced)
    lines.push([
      "Processes",
      enforced.processes === "none" ? "not limited" : `limited${holds(enforced.processes)}`,
    ]);
  if (!isLive(info))
    lines.push(
      ["Terminated", info.terminatedAt && ago(info.terminatedAt)],
      ["Reason", info.terminationReason],
      ["Outcome", info.outcome],
    );
  for (const [label, value] of lines) print(field(label, value));
}

/** A line of `describe`; where there is no value, the label stays. */
const field = (label: string, value: string | number = "") => `${label}:`.padEnd(17) + clean(String(value));
