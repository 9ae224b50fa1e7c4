// The contenders, in Node and in pages. Each returns how much it read, which is checked.
import { createParser } from "eventsource-parser";

const entry = "window" in globalThis ? "browser.js" : "node.js";
const SHORELINE = new URL(`../target/packed/node_modules/shoreline/pkg/entry/${entry}`, import.meta.url);

let sandbox;
/** The sandbox of this process, as programs have it. */
export function shoreline(url) {
  sandbox ??= import(SHORELINE).then(({ Sandbox }) => Sandbox.connect({ sandboxId: "bench", proxyUrl: url }));
  return sandbox;
}

export async function sha256(lines) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(lines.join("\n")));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const pathOf = (stream) => `/api/v1/processes/${stream}/output/follow`;

/** The usual way by hand: events one by one, parsed. */
async function* byHand(url, init) {
  const response = await fetch(url, init);
  const events = [];
  const parser = createParser({ onEvent: (event) => events.push(event) });
  const decoder = new TextDecoder();
  for await (const chunk of response.body) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    for (const { event, data } of events) {
      if (event === "eof") return;
      yield JSON.parse(data);
    }
    events.length = 0;
  }
}

/** Counts, and keeps the lines only where they are to be checked. */
class Seen {
  events = 0;
  units = 0;
  #lines;
  #begun;

  constructor(keep, begun) {
    this.#lines = keep ? [] : undefined;
    this.#begun = begun;
  }

  add(line) {
    if (this.events === 0) this.#begun?.();
    this.events++;
    this.units += line.length;
    this.#lines?.push(line);
  }

  async result() {
    return { events: this.events, ...(this.#lines && { lines: await sha256(this.#lines) }) };
  }
}

const post = (command) => ({
  method: "POST",
  body: JSON.stringify({ command }),
  headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
});

/**
 * Read every event's line: `(url, stream, keep, begun) => { events, lines? }`, `lines` being their hash. `begun` is called
 * at the first.
 */
export const followers = {
  async drain(url, stream) {
    const response = await fetch(url + pathOf(stream));
    let bytes = 0;
    for await (const chunk of response.body) bytes += chunk.length;
    return { bytes };
  },
  async "by hand"(url, stream, keep, begun) {
    const seen = new Seen(keep, begun);
    for await (const event of byHand(url + pathOf(stream))) seen.add(event.line);
    return seen.result();
  },
  async events(url, stream, keep, begun) {
    const seen = new Seen(keep, begun);
    const sandbox = await shoreline(url);
    for await (const event of sandbox.followOutput(stream)) seen.add(event.line);
    return seen.result();
  },
  async batches(url, stream, keep, begun) {
    const seen = new Seen(keep, begun);
    const sandbox = await shoreline(url);
    for await (const batch of sandbox.followOutput(stream).batches())
      for (const event of batch) seen.add(event.line);
    return seen.result();
  },
  async "official SDK"(url, stream, keep, begun) {
    const { Sandbox } = await import("tensorlake");
    const seen = new Seen(keep, begun);
    const sandbox = new Sandbox({ sandboxId: "bench", proxyUrl: url, apiKey: "bench" });
    for await (const event of sandbox.followOutput(stream)) seen.add(event.line);
    return seen.result();
  },
};

/** A run's whole output, as text of each stream; draining keeps nothing. */
export const collectors = {
  async drain(url, command) {
    const response = await fetch(`${url}/api/v1/processes/run`, post(command));
    for await (const chunk of response.body) void chunk;
  },
  async "by hand"(url, command) {
    const lines = { stdout: [], stderr: [] };
    for await (const event of byHand(`${url}/api/v1/processes/run`, post(command)))
      if (event.line !== undefined) lines[event.stream].push(event.line);
    return { stdout: lines.stdout.join("\n"), stderr: lines.stderr.join("\n") };
  },
  async run(url, command) {
    const { stdout, stderr } = await (await shoreline(url)).run(command);
    return { stdout, stderr };
  },
};
