// port and tunnel.
import type { Command } from "commander";
import { type Sandbox, type SandboxInfo, ShorelineError, type TcpTunnel } from "shoreline";
import { sandboxOf } from "./client.js";
import { Interrupts } from "./interrupts.js";
import { EXIT, Failure, misused } from "./exit.js";
import { json, port } from "./options.js";
import { note, print, printRecord } from "./print.js";
import { printTable } from "./table.js";

export function addPorts(program: Command): void {
  const ports = program
    .command("port")
    .alias("ports")
    .summary("manage exposed ports")
    .description("Manages the ports of a sandbox that can be reached from outside, each at its own address.");
  ports
    .command("ls <sandbox>")
    .description("Lists the exposed ports.")
    .addOption(json())
    .action(async (idOrName: string, options: { json?: boolean }) => {
      const sandbox = await sandboxOf(program.opts(), idOrName);
      const info = await sandbox.info();
      const { exposedPorts = [], allowUnauthenticatedAccess = false, sandboxUrl } = info;
      if (options.json) {
        printPorts(sandbox, info);
        return;
      }
      print(`Sandbox: ${idOrName}`);
      print(`Unauthenticated access: ${allowUnauthenticatedAccess ? "enabled" : "disabled"}`);
      if (sandboxUrl) print(`Management URL: ${sandboxUrl}`);
      if (exposedPorts.length === 0) print("No user-exposed ports.");
      else
        await printTable(
          process.stdout.isTTY ? ["Port", "URL"] : ["Port"],
          sorted(exposedPorts).map((number) => [
            String(number),
            ...(process.stdout.isTTY ? [urlOf(sandbox, number) ?? "-"] : []),
          ]),
        );
    });
  ports
    .command("expose <sandbox> <ports...>")
    .description(
      "Exposes ports, in addition to those that are exposed already. Requests need no API key unless --authenticated is given.",
    )
    .option("--authenticated", "require the API key for requests to the ports")
    .addOption(json())
    .action(async (idOrName: string, texts: string[], options: ExposeOptions) => {
      const wanted = texts.map(portOf);
      const sandbox = await sandboxOf(program.opts(), idOrName);
      const info = await sandbox.info();
      const { exposedPorts: before = [], allowUnauthenticatedAccess: wasOpen = false } = info;
      const ports = sorted([...before, ...wanted]);
      const open = !options.authenticated;
      const isSo = ports.length === before.length && open === wasOpen;
      const now = isSo
        ? info
        : await sandbox.update({ exposedPorts: ports, allowUnauthenticatedAccess: open });
      if (options.json) {
        printPorts(sandbox, now);
        return;
      }
      if (isSo) {
        print(`Sandbox ${idOrName} already exposes ${ports.join(", ")}`);
        return;
      }
      print(`Exposed ${ports.join(", ")} on sandbox ${idOrName}`);
      print(`Unauthenticated access ${open ? "enabled" : "disabled"}`);
    });
  ports
    .command("rm <sandbox> [ports...]")
    .description("Stops exposing the given ports, or all ports if none is given.")
    .action(async (idOrName: string, texts: string[]) => {
      const removed = texts.map(portOf);
      const sandbox = await sandboxOf(program.opts(), idOrName);
      const { exposedPorts: before = [], allowUnauthenticatedAccess: open = false } = await sandbox.info();
      const rest = removed.length === 0 ? [] : sorted(before).filter((number) => !removed.includes(number));
      if (rest.length === before.length) {
        print(
          rest.length === 0
            ? `Sandbox ${idOrName} has no user-exposed ports.`
            : `Sandbox ${idOrName} still exposes ${rest.join(", ")}`,
        );
        return;
      }
      await sandbox.update({
        exposedPorts: rest,
        ...(rest.length === 0 && { allowUnauthenticatedAccess: false }),
      });
      if (rest.length > 0) {
        print(`Sandbox ${idOrName} now exposes ${rest.join(", ")}`);
        print(`Unauthenticated access ${open ? "enabled" : "disabled"}`);
        return;
      }
      print(`Removed all user-exposed ports from sandbox ${idOrName}`);
      print("Unauthenticated access disabled");
    });

  program
    .command("tunnel <sandbox> <port>")
    .summary("forward a local port to a port of a sandbox")
    .description(
      "Listens on a local port and forwards each connection to a port of the sandbox, which need not be exposed. Half-closed connections stay open if the server supports them; otherwise the end of the input closes the connection.",
    )
    .option(
      "-l, --listen-port <port>",
      "the local port; default: the port in the sandbox; 0 chooses a free port",
      Number,
    )
    .action(async (idOrName: string, text: string, options: { listenPort?: number }) => {
      const remote = portOf(text);
      const { listenPort: local = remote } = options;
      if (!Number.isInteger(local) || local < 0 || local > 65_535)
        throw misused("--listen-port must be a port");
      await tunnel(await sandboxOf(program.opts(), idOrName), idOrName, remote, local);
    });
}

interface ExposeOptions {
  authenticated?: boolean;
  json?: boolean;
}

/** The exposed ports as JSON. */
function printPorts(sandbox: Sandbox, info: SandboxInfo): void {
  const { exposedPorts = [], allowUnauthenticatedAccess = false, sandboxUrl } = info;
  const ports = sorted(exposedPorts).map((port) => ({ port, url: urlOf(sandbox, port) ?? null }));
  printRecord({ exposedPorts, allowUnauthenticatedAccess, sandboxUrl, ports });
}

/** The address of an exposed port, where the server gives ports addresses. */
function urlOf(sandbox: Sandbox, port: number): string | undefined {
  try {
    return sandbox.urlForPort(port);
  } catch (error) {
    if (ShorelineError.is(error) && error.code === "unsupported") return undefined;
    throw error;
  }
}

/** In order, each once. */
const sorted = (ports: readonly number[]) => [...new Set(ports)].sort((a, b) => a - b);

function portOf(text: string): number {
  try {
    return port(text);
  } catch (error) {
    throw misused(`${text}: ${error instanceof Error ? error.message : ""}`);
  }
}

async function tunnel(sandbox: Sandbox, idOrName: string, remote: number, local: number): Promise<void> {
  using interrupts = new Interrupts();
  const listener = await listen(sandbox, remote, local);
  const place = `${listener.localHost}:${listener.localPort}`;
  note(`Listening on ${place} and forwarding to sandbox ${idOrName} port ${remote}. Press Ctrl-C to stop.`);
  await new Promise<void>((resolve) => {
    interrupts.onFirst(() => {
      resolve();
    });
  });
  note(`Stopping tunnel listener on ${place}.`);
  await listener.close();
  process.exit(0);
}

async function listen(sandbox: Sandbox, remote: number, local: number): Promise<TcpTunnel> {
  const onError = (error: unknown, from: string) => {
    const message = error instanceof Error ? error.message : String(error);
    note(`Tunnel connection from ${from} failed: ${message}`);
  };
  try {
    return await sandbox.createTunnel(remote, { localPort: local, onError });
  } catch (cause) {
    if (!ShorelineError.is(cause) || cause.code !== "invalid_argument") throw cause;
    const why = `port ${local} is taken on this machine, or may not be used: choose another by --listen-port, 0 for a free one`;
    throw Object.assign(new Failure(EXIT.failure, why), { cause: cause.cause });
  }
}
