// console: the web console, for this machine's browser.
import type { Command } from "commander";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type ClientOptions, ShorelineError } from "shoreline";
import { findShared, pageToken } from "shoreline/local";
import { clientOptions, type GlobalOptions, isRemote } from "./client.js";
import { ConsolePage, type Granted } from "./console-page.js";
import { ConsoleRelay } from "./console-relay.js";
import { Interrupts } from "./interrupts.js";
import { EXIT, Failure } from "./exit.js";
import { port } from "./options.js";
import { note, print } from "./print.js";

/** Seconds that a page's token lives; the page asks for another when half of them are over. */
const TOKEN_LIVES = 300;
/** How long the command waits for connections to servers to close after Ctrl-C, ms. */
const LINGER = 1000;

interface ConsoleOptions {
  port?: number;
  open: boolean;
  relay?: boolean;
}

export function addConsole(program: Command): void {
  program
    .command("console")
    .summary("open the web console")
    .description(
      "Shows sandboxes in this machine's browser until Ctrl-C: processes with live output, terminals, files. The link can be used once, for one tab. The page never gets the API key: on a local server it uses short-lived tokens. Requests to a server elsewhere go through this command.",
    )
    .option("--port <port>", "the port of the page; default: any free port", port)
    .option(
      "--relay",
      "send all requests of the page through this command, so that only its port has to be reachable, for example by `ssh -L`",
    )
    .option("--no-open", "print the link, and do not open a browser")
    .action(async (options: ConsoleOptions) => {
      using interrupts = new Interrupts();
      const given = program.opts<GlobalOptions>();
      const client = await clientOptions(given);
      const server = createServer();
      const sockets = new Set<Socket>();
      server.on("connection", (socket: Socket) => {
        sockets.add(socket);
        socket.on("close", () => sockets.delete(socket));
      });
      try {
        const origin = await listen(server, options.port ?? 0);
        const page = await pageFor(given, client, origin, options.relay ?? false, server);
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
        // Those of WebSockets too, unlike `closeAllConnections`.
        for (const socket of sockets) socket.destroy();
        // A server that hangs does not answer the end of a WebSocket, and `ws` waits for that.
        setTimeout(() => process.exit(), LINGER).unref();
      }
    });
}

/** The page: of a server on this machine that issues tokens for it, else of a relay to the server. */
async function pageFor(
  given: GlobalOptions,
  client: ClientOptions,
  origin: string,
  relayed: boolean,
  server: Server,
): Promise<ConsolePage> {
  const first = relayed || isElsewhere(given) ? undefined : await granted(given, origin);
  if (first) {
    const grant = async () => (await granted(given, origin)) ?? first;
    // By whatever name the server is asked, its sandboxes are at the address that it knows itself by.
    return new ConsolePage(origin, [new URL(first.apiUrl).origin, "http://127.0.0.1:*"], grant);
  }
  const relay = await ConsoleRelay.to(client, origin);
  note("Requests of the page go through this command, which keeps the API key.");
  const page = new ConsolePage(
    origin,
    [],
    () => Promise.resolve(relay.granted),
    (request, response) => relay.answer(request, response),
  );
  server.on("upgrade", (request, socket, head) => {
    if (page.isOwn(request)) void relay.upgrade(request, socket, head);
    else socket.destroy();
  });
  return page;
}

/** Whether the server is on another machine. Such a server gets no request for a token: it may not know that route. */
function isElsewhere(given: GlobalOptions): boolean {
  if (!isRemote(given)) return false;
  if (process.env.TENSORLAKE_SANDBOX_API_URL) return true;
  const { apiUrl } = named(given);
  // The client says what is wrong with an address.
  if (!URL.canParse(apiUrl)) return true;
  return !/^(localhost|.*\.localhost|127\.[\d.]+|\[::1\])$/.test(new URL(apiUrl).hostname);
}

/**
 * A token for the page, or undefined if the server issues none. A server that has stopped is not started by a page that
 * is still open.
 */
async function granted(
  given: GlobalOptions,
  origin: string,
): Promise<(Granted & { apiUrl: string }) | undefined> {
  const { apiUrl, apiKey } = isRemote(given) ? named(given) : await shared();
  if (apiKey === "") return undefined;
  try {
    return { apiUrl, ...(await pageToken({ apiUrl, apiKey, origin, expiresIn: TOKEN_LIVES })) };
  } catch (error) {
    if (ShorelineError.is(error) && error.code === "unsupported") return undefined;
    throw error;
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
