// Options of commands that make a sandbox.
import { type Command, Option } from "commander";
import { misused } from "./exit.js";
import { each, port, positive, whole } from "./options.js";

export interface NewSandboxOptions {
  image?: string;
  cpus?: number;
  memory?: number;
  disk_mb?: number;
  expose?: number[];
  internet: boolean;
  networkAllow?: string[];
  networkDeny?: string[];
}

/** What a new sandbox may be given. */
export function sandboxOptions(command: Command): Command {
  return command
    .option("-i, --image <image>", "the image to start from; default: the server's")
    .option("-c, --cpus <number>", "number of processors; default: the server's", positive)
    .option("-m, --memory <MB>", "memory in MB; default: the server's", whole)
    .option("--disk_mb <MB>", "disk in MB; default: the server's", whole)
    .option("-x, --expose <port>", "a port to expose without authentication; can be repeated", each(port))
    .addOption(new Option("-N, --no-internet", "deny access to the network"))
    .option(
      "-A, --network-allow <host>",
      "a host, address or CIDR range to allow connections to; can be repeated",
      each(String),
    )
    .option(
      "-D, --network-deny <host>",
      "a host, address or CIDR range to deny connections to; can be repeated",
      each(String),
    );
}

/** These as the API takes them. */
export function newSandbox(options: NewSandboxOptions) {
  const { image, cpus, memory, disk_mb, expose, internet, networkAllow, networkDeny } = options;
  if (!internet && (networkAllow || networkDeny))
    throw misused("--no-internet excludes --network-allow and --network-deny");
  return {
    image,
    cpus,
    memoryMb: memory,
    diskMb: disk_mb,
    allowOut: networkAllow,
    denyOut: networkDeny,
    ...(expose && { exposedPorts: expose, allowUnauthenticatedAccess: true }),
    ...(!internet && { allowInternetAccess: false }),
  };
}
