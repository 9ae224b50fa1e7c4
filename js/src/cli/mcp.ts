// mcp: the tools of a sandbox for clients of the Model Context Protocol.
import type { Command } from "commander";
import { Option } from "commander";
import type { GlobalOptions } from "./client.js";
import { misused } from "./exit.js";
import { Interrupts } from "./interrupts.js";
import { type NewSandboxOptions, sandboxOptions } from "./new-sandbox.js";
import { each, whole } from "./options.js";
import { note, print } from "./print.js";

interface McpOptions extends NewSandboxOptions {
  sandbox?: string;
  http?: boolean;
  host: string;
  port: number;
  allowHost: string[];
  timeout?: number;
}

export function addMcp(program: Command): void {
  sandboxOptions(program.command("mcp"))
    .summary("serve a sandbox's tools to agents (MCP)")
    .description(
      "Serves tools that run commands and work on files in a sandbox, by the Model Context Protocol: on standard input and output for the client that starts this program, or over HTTP. Each session has a sandbox of its own, which is made on first use and ends with the session, unless one is named.",
    )
    .option(
      "-s, --sandbox <sandbox>",
      "use this sandbox, by id or name, and leave it running; a name that does not exist is created",
    )
    .option(
      "--timeout <seconds>",
      "end a command of run_command after so many seconds unless the call says; default: 600",
      whole,
    )
    .option("--http", "serve Streamable HTTP, with the key in SHORELINE_MCP_KEY or a new one")
    .addOption(
      new Option("--port <port>", "with --http: the port to listen on; 0: a free one")
        .argParser(whole)
        .default(8931),
    )
    .addOption(new Option("--host <address>", "with --http: the address to listen on").default("127.0.0.1"))
    .option(
      "--allow-host <name>",
      "with --http: a host name that requests may have, beside this machine's own; may be repeated",
      each(String),
      [],
    )
    .action(async (options: McpOptions) => {
      process.exitCode = await serve(program, options);
    });
}

async function serve(program: Command, options: McpOptions): Promise<number> {
  if (options.timeout !== undefined && (options.timeout < 1 || options.timeout > 86_400))
    throw misused("--timeout is from 1 to 86400 seconds");
  if (options.port > 65_535) throw misused("--port is from 0 to 65535");
  // The protocol's libraries are loaded by this command only.
  const { SandboxSource } = await import("./mcp/source.js");
  const source = new SandboxSource(program.opts<GlobalOptions>(), options.sandbox, options);
  const settings = { version: program.version() ?? "", commandTimeout: options.timeout };
  using interrupts = new Interrupts();
  const interrupted = new Promise<number>((resolve) => {
    interrupts.onFirst((signal) => {
      resolve(128 + signal);
    });
  });
  if (!options.http) {
    const { serveStdio } = await import("./mcp/stdio.js");
    return await serveStdio(source, settings, interrupted);
  }
  const { serveHttp } = await import("./mcp/http.js");
  const { host, port, allowHost } = options;
  await using server = await serveHttp(source, settings, {
    host,
    port,
    allowHost,
    key: process.env.SHORELINE_MCP_KEY,
  });
  print(server.url);
  if (server.key !== undefined) note(`Requests need the header: Authorization: Bearer ${server.key}`);
  note("Press Ctrl-C to stop. The sandboxes of its sessions end with it.");
  return await interrupted;
}
