// The log of a client's requests and WebSockets.
import { invalid } from "./arguments.js";
import { traceIdIn } from "./core.js";
import { env } from "./env.js";
import type { SocketConstructor } from "./host.js";
import type { ClientOptions, LogEntry, LogLevel } from "./options.js";

type Fetch = NonNullable<ClientOptions["fetch"]>;

const LEVELS: readonly string[] = ["off", "warn", "debug"] satisfies LogLevel[];
/** Codes of a WebSocket that was closed, and did not break: RFC 6455, section 7.4.1. */
const CLOSED = [1000, 1001, 1005];

/** A `fetch` that logs each request. Of what is sent and received it logs only paths, event ids and statuses. */
export function logged<F extends Fetch | undefined>(fetch: F, options: ClientOptions): F | Fetch {
  const tell = teller(options);
  if (!tell) return fetch;
  const send = fetch ?? globalThis.fetch;
  return async (input, init) => {
    const lastEventId = new Headers(init?.headers).get("last-event-id") ?? undefined;
    const request = { method: init?.method ?? "GET", ...(lastEventId !== undefined && { lastEventId }) };
    const durationMs = clock();
    try {
      const response = await send(input, init);
      const { status, headers } = response;
      tell(input, () => {
        const traceId = traceIdIn(headers);
        return {
          level: status >= 500 || status === 429 ? "warn" : "debug",
          ...request,
          status,
          durationMs: durationMs(),
          ...(traceId !== undefined && { traceId }),
        };
      });
      return response;
    } catch (error) {
      const level = init?.signal?.aborted === true ? "debug" : "warn";
      const failure = error instanceof Error ? error.name : "Error";
      tell(input, () => ({ level, ...request, failure, durationMs: durationMs() }));
      throw error;
    }
  };
}

/** A class of WebSockets that tells when each opens and closes. */
export function loggedSocket(Socket: SocketConstructor, options: ClientOptions): SocketConstructor {
  const tell = teller(options);
  if (!tell) return Socket;
  return new Proxy(Socket, {
    construct: (target, args: ConstructorParameters<SocketConstructor>) => {
      const socket = new target(...args);
      let durationMs = clock();
      socket.addEventListener("open", () => {
        tell(args[0], () => ({ level: "debug", method: "GET", status: 101, durationMs: durationMs() }));
        durationMs = clock();
      });
      socket.addEventListener("close", ({ code: closeCode }) => {
        const level = CLOSED.includes(closeCode) ? "debug" : "warn";
        tell(args[0], () => ({ level, method: "GET", closeCode, durationMs: durationMs() }));
      });
      return socket;
    },
  });
}

/** What can be told of a URL: its path. A query may name files, and the path of a relay can hold a token. */
export function pathOf(url: string): string {
  const [path = ""] = url.replace(/^\w+:\/\/[^/]*/, "").split("?");
  return path.replace(/\/token\/[^/]+/, "/token/…");
}

/** What takes entries; undefined if nothing is logged. */
function teller({
  logLevel,
  logger = toConsole,
}: ClientOptions): ((url: string, entry: () => Omit<LogEntry, "path">) => void) | undefined {
  const level = logLevel ?? env("SHORELINE_LOG") ?? "off";
  if (!LEVELS.includes(level))
    throw invalid(`\`logLevel\` or SHORELINE_LOG must be one of ${LEVELS.join(", ")}`);
  if (typeof logger !== "function") throw invalid("`logger` must be a function");
  if (level === "off") return undefined;
  return (url, entry) => {
    try {
      const told = { ...entry(), path: pathOf(url) };
      if (told.level === "warn" || level === "debug") logger(told);
    } catch {
      // The call goes on: a log must not decide what a program does.
    }
  };
}

/** Milliseconds from now on. */
function clock(): () => number {
  const began = performance.now();
  return () => Math.round(performance.now() - began);
}

function toConsole({
  level,
  method,
  path,
  status,
  failure,
  closeCode,
  durationMs,
  lastEventId,
  traceId,
}: LogEntry): void {
  const after = lastEventId === undefined ? "" : ` after event ${lastEventId}`;
  const trace = traceId === undefined ? "" : ` (trace ${traceId})`;
  const outcome = status ?? failure ?? `closed with ${closeCode}`;
  console.error(`shoreline ${level}: ${method} ${path}${after}: ${outcome} in ${durationMs} ms${trace}`);
}
