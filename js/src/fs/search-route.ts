// A search by a server's own routes: lines of JSON, the last of which says how the search has ended.
import type * as Glue from "../core/shoreline.js";
import type { Match, SearchSummary } from "../file-search.js";
import type { Batches, FoundPath, Query } from "./search.js";
import { shim } from "./shim.js";

/** Characters of a line of JSON. */
const LINE_CHARS = 1 << 20;

type Line = (FoundPath & { end?: undefined }) | (Match & { end?: undefined }) | { end: SearchSummary };

export async function* searchByRoute(core: Glue.Sandbox, query: Query, signal: AbortSignal): Batches {
  const download = await shim.call<Glue.Download>(() =>
    core.readFile(`?${textOf(query)}`, query.lines ? 2 : 1, signal),
  );
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    let text = "";
    for (;;) {
      const chunk = await shim.call<Uint8Array | undefined>(() => download.next());
      if (chunk === undefined) {
        const message = "the search ended before all of its results had come";
        throw new shim.ConnectionError({ code: "connection_lost", message, retryable: true });
      }
      const lines = parsed(() => (text + decoder.decode(chunk, { stream: true })).split("\n"));
      text = lines.pop() ?? "";
      if (text.length > LINE_CHARS) throw unexpected();
      const found: (FoundPath | Match)[] = [];
      let end: SearchSummary | undefined;
      for (const line of lines) {
        // Empty ones keep the connection alive.
        if (line === "") continue;
        const result = parsed(() => JSON.parse(line) as Line);
        if (end || typeof result !== "object") throw unexpected();
        if (result.end) end = result.end;
        else if ("line" in result) found.push({ ...result, column: result.column ?? undefined });
        else found.push(result);
      }
      if (found.length > 0) yield found;
      if (end) return { truncated: end.truncated, binary: end.binary, skipped: end.skipped };
    }
  } finally {
    download.close();
  }
}

function textOf({ cwd, patterns, exclude, hidden, ignoreFiles, limit, lines }: Query): string {
  const query = new URLSearchParams({
    path: cwd,
    hidden: String(hidden),
    ignore_files: String(ignoreFiles),
    limit: String(limit),
  });
  for (const pattern of patterns) query.append(lines ? "glob" : "pattern", pattern);
  for (const pattern of exclude) query.append("exclude", pattern);
  if (lines) {
    query.append("pattern", lines.pattern);
    query.append("fixed", String(lines.fixedStrings));
    query.append("ignore_case", String(lines.ignoreCase));
    query.append("max_line_bytes", String(lines.maxLineBytes));
  }
  return query.toString();
}

function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw unexpected(cause);
  }
}

function unexpected(cause?: unknown): Error {
  const message = "the server's answer is not a search's";
  return new shim.ProtocolError({ code: "invalid_response", message, cause });
}
