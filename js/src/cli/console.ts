// console: the web console, for this machine's browser.
import type { Command } from "commander";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { ShorelineError } from "shoreline";
import { findShared, pageToken } from "shoreline/local";
import { clientOptions, type GlobalOptions, isRemote } from "./client.js";
import { ConsolePage, type Granted } from "./console-page.js";
import { Interrupts } from "./interrupts.js";
import { EXIT, Failure } from "./exit.js";
import { port } from "./options.js";
import { note, print } from "./print.js";

/** Seconds that a page's token lives; the page asks for another when half of them are over. */
const TOKEN_LIVES = 300;

export function addConsole(program: Command): void {
  program
    .command("console")
    .summary("open the web console")
    .description(
      "Shows local sandboxes in this machine's browser until Ctrl-C: processes with live output, terminals, files. The link is good once, for one tab; the page gets short-lived tokens, never the key.",
    )
    .option("--port <port>", "the page's port; default: a free one", port)
    .option("--no-open", "print the link, and open nothing")
    .action(async (options: { port?: number; open: boolean }) => {
      using interrupts = new Interrupts();
      const given = program.opts<GlobalOptions>();
      await clientOptions(given);
      const server = createServer();
      try {
        const origin = await listen(server, options.port ?? 0);
        const grant = () => granted(given, origin);
        const page = new ConsolePage(origin, (await grant()).apiUrl, grant);
        server.on("request", (request, response) => {
          void page.answer(request, response);
        });
        print(page.link);
        note("Open it in one tab. Press Ctrl-C to close the console.");
        if (options.open) open(page.link);
        await new Promise<void>((resolve) => {
          interrupts.onFirst(() => {
            resolve();
          });
        });
      } finally {
        server.close();
        server.closeAllConnections();
      }
    });
}

/** A token for the page. A server that has stopped is not started by a page that is still open. */
async function granted(given: GlobalOptions, origin: string): Promise<Granted> {
  const { apiUrl, apiKey } = isRemote(given) ? named(given) : await shared();
  try {
    return { apiUrl, ...(await pageToken({ apiUrl, apiKey, origin, expiresIn: TOKEN_LIVES })) };
  } catch (error) {
    if (!ShorelineError.is(error) || error.code !== "unsupported") throw error;
    const text = `the console is for local sandboxes, and ${apiUrl} issues no page tokens: unset TENSORLAKE_API_URL and TENSORLAKE_API_KEY, or name a local server`;
    throw new Failure(EXIT.failure, text);
  }
}

function named({ apiUrl, apiKey }: GlobalOptions): { apiUrl: string; apiKey: string } {
  const { TENSORLAKE_API_URL, TENSORLAKE_API_KEY } = process.env;
  return {
    apiUrl: apiUrl ?? TENSORLAKE_API_URL ?? "https://api.tensorlake.ai",
    apiKey: apiKey ?? TENSORLAKE_API_KEY ?? "",
  };
}

async function shared(): Promise<{ apiUrl: string; apiKey: string }> {
  const server = await findShared();
  if (!server) throw new Failure(EXIT.connection, "the local server has stopped: start the console again");
  return { apiUrl: server.url, apiKey: server.apiKey };
}

/** Its origin, once it listens; nobody but this machine reaches it. */
async function listen(server: Server, wanted: number): Promise<string> {
  server.listen(wanted, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw new Failure(EXIT.failure, `port ${wanted} is in use: leave out --port, or name another`);
  }
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Opens a link where people look at pages; who has no such place has the link. */
function open(link: string): void {
  spawn(process.platform === "darwin" ? "open" : "xdg-open", [link], { stdio: "ignore", detached: true })
    .on("error", () => undefined)
    .unref();
}
