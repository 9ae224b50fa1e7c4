// What a client does, for its user's log.
import { invalid } from "./arguments.js";
import type { LogEntry, LogLevel } from "./options.js";

type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

const LEVELS: readonly string[] = ["off", "warn", "debug"] satisfies LogLevel[];

/** A `fetch` that tells of each request. Nothing that is sent or received is told but paths, event ids and statuses. */
export function logged(fetch: Fetch, level: string, logger: (entry: LogEntry) => void = toConsole): Fetch {
  if (!LEVELS.includes(level))
    throw invalid(`\`logLevel\` or SHORELINE_LOG must be one of ${LEVELS.join(", ")}`);
  if (typeof logger !== "function") throw invalid("`logger` must be a function");
  if (level === "off") return fetch;
  const tell = (entry: LogEntry) => {
    if (entry.level === "debug" && level !== "debug") return;
    try {
      logger(entry);
    } catch {
      // The call goes on: a log must not decide what a program does.
    }
  };
  return async (input, init) => {
    const method = init?.method ?? "GET";
    // A query may name files, and the path of a relay can hold a token.
    const [whole = ""] = input.replace(/^\w+:\/\/[^/]*/, "").split("?");
    const path = whole.replace(/\/token\/[^/]+/, "/token/…");
    const lastEventId = new Headers(init?.headers).get("last-event-id") ?? undefined;
    const request = { method, path, ...(lastEventId !== undefined && { lastEventId }) };
    const began = performance.now();
    const durationMs = () => Math.round(performance.now() - began);
    try {
      const response = await fetch(input, init);
      const { status, headers } = response;
      const trace = headers.get("traceresponse") ?? headers.get("traceparent");
      const [, traceId] = trace?.split("-") ?? [];
      const level = status >= 500 || status === 429 ? "warn" : "debug";
      tell({
        level,
        ...request,
        status,
        durationMs: durationMs(),
        ...(traceId !== undefined && { traceId }),
      });
      return response;
    } catch (error) {
      const isAborted = init?.signal?.aborted === true;
      const failure = error instanceof Error ? error.name : "Error";
      tell({ level: isAborted ? "debug" : "warn", ...request, failure, durationMs: durationMs() });
      throw error;
    }
  };
}

function toConsole({
  level,
  method,
  path,
  status,
  failure,
  durationMs,
  lastEventId,
  traceId,
}: LogEntry): void {
  const after = lastEventId === undefined ? "" : ` after event ${lastEventId}`;
  const trace = traceId === undefined ? "" : ` (trace ${traceId})`;
  console.error(
    `shoreline ${level}: ${method} ${path}${after}: ${status ?? failure} in ${durationMs} ms${trace}`,
  );
}
