// Tools for the ports of a sandbox.
import type { Sandbox } from "../sandbox.js";
import { ShorelineError } from "../errors.js";
import { boolean, integer, optional } from "./schema.js";
import { result, type Shared, tool } from "./tool.js";
import type { SandboxTool } from "./types.js";

/** Ports that are listed. */
const LISTED = 200;
/** In Linux's tables of sockets, the local address ends with the port, and the state 0A is LISTEN (include/net/tcp_states.h). */
const LISTENING = /^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} 0A /gm;

export function portTools(shared: Shared): SandboxTool[] {
  return [
    tool(
      {
        name: "list_ports",
        title: "List ports",
        description: `Lists the TCP ports on which something in the sandbox listens, and those that are exposed, with their addresses. At most ${LISTED}.`,
        input: {},
        output: {
          ports: result.list("The ports.", {
            type: "object",
            properties: {
              port: { type: "integer", description: "The port." },
              listening: { type: "boolean", description: "Whether something listens on it." },
              exposed: { type: "boolean", description: "Whether it can be reached from outside." },
              url: { type: "string", description: "Its address, if it is exposed." },
            },
          }),
        },
        annotations: {
          readOnlyHint: true,
          destructiveHint: false,
          idempotentHint: true,
          openWorldHint: false,
        },
        lane: "others",
        run: async (_, { sandbox, signal }) => {
          const [exposed, listening] = await Promise.all([
            exposedPorts(sandbox, signal),
            heard(sandbox, signal),
          ]);
          const numbers = [...new Set([...listening, ...exposed])].sort((a, b) => a - b).slice(0, LISTED);
          const ports = numbers.map((port) => {
            const url = exposed.includes(port) ? urlOf(sandbox, port) : undefined;
            return {
              port,
              listening: listening.includes(port),
              exposed: exposed.includes(port),
              ...(url !== undefined && { url }),
            };
          });
          const rows = ports.map(
            ({ port, listening, exposed, url }) =>
              `${port}\t${listening ? "listening" : "nothing listens"}\t${exposed ? `exposed${url === undefined ? "" : ` at ${url}`}` : "not exposed"}`,
          );
          return {
            text: rows.length === 0 ? "[Nothing listens on a port, and none is exposed.]" : rows.join("\n"),
            structured: { ports },
            isError: false,
          };
        },
      },
      shared,
    ),
    tool(
      {
        name: "expose_port",
        title: "Expose a port",
        description:
          "Makes a TCP port of the sandbox reachable from outside, and returns its address. The sandbox's settings decide whether the address needs a key. With close: true the port is no longer exposed.",
        input: {
          port: integer("The port on which a server in the sandbox listens.", 1, 65_535),
          close: optional(boolean("Ends the exposure instead.")),
        },
        output: {
          port: result.integer("The port."),
          exposed: result.boolean("Whether it can be reached from outside."),
          url: result.string("Its address, if it is exposed."),
        },
        annotations: {
          readOnlyHint: false,
          destructiveHint: true,
          idempotentHint: true,
          openWorldHint: true,
        },
        lane: "others",
        run: ({ port, close = false }, { sandbox, signal }) =>
          shared.changes.run(signal, async () => {
            const before = await exposedPorts(sandbox, signal);
            const others = before.filter((each) => each !== port);
            const exposedPortsNow = close ? others : [...others, port];
            if (before.includes(port) === close)
              await sandbox.update({ exposedPorts: exposedPortsNow, signal });
            const url = close ? undefined : urlOf(sandbox, port);
            return {
              text: close
                ? `Port ${port} is not exposed.`
                : `Port ${port} is exposed${url === undefined ? "" : ` at ${url}`}.`,
              structured: { port, exposed: !close, ...(url !== undefined && { url }) },
              isError: false,
            };
          }),
      },
      shared,
    ),
  ];
}

async function exposedPorts(sandbox: Sandbox, signal: AbortSignal | undefined): Promise<number[]> {
  return (await sandbox.info({ signal })).exposedPorts ?? [];
}

/** The ports on which something listens. */
async function heard(sandbox: Sandbox, signal: AbortSignal | undefined): Promise<number[]> {
  const tables = ["/proc/net/tcp", "/proc/net/tcp6"];
  const { stdout } = await sandbox.run("cat", {
    args: tables,
    timeout: 10,
    maxOutputBytes: 1_000_000,
    signal,
  });
  const found = Array.from(stdout.matchAll(LISTENING), ([, port = ""]) => Number.parseInt(port, 16));
  return [...new Set(found)];
}

/** The address of a port; undefined where ports have none. */
function urlOf(sandbox: Sandbox, port: number): string | undefined {
  try {
    return sandbox.urlForPort(port);
  } catch (error) {
    if (ShorelineError.is(error) && error.code === "unsupported") return undefined;
    throw error;
  }
}
