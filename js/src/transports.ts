// What carries a stream: `fetch`, a channel of a WebSocket, or an EventSource.
import { Channels, type Fetch } from "./channels.js";
import { sender, sockets } from "./client.js";
import { call, core } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import type { DaemonInfo, FollowOptions } from "./generated/types.js";
import { ApiError } from "./errors.js";
import { host } from "./host.js";
import { logged } from "./log.js";
import type { CallOptions, ClientOptions } from "./options.js";
import { eventSourceFetch } from "./event-source.js";

type Choice = Pick<FollowOptions, "transport"> & CallOptions;

/** How long the server may take to say whether it has channels, ms: until then nothing is followed. */
const ASKING = 5000;

/** The transports of one sandbox. */
export class Transports {
  readonly #sandbox: Glue.Sandbox;
  readonly #options: ClientOptions;
  #channels: Promise<Channels> | undefined;
  #offered: Promise<boolean> | undefined;

  constructor(sandbox: Glue.Sandbox, options: ClientOptions) {
    this.#sandbox = sandbox;
    this.#options = options;
  }

  /** For a run: the options with the transport that was chosen, and what sends instead of `fetch`. */
  async forRun<T extends Choice>(options: T): Promise<[T, Fetch | undefined]> {
    const { transport } = options;
    if (transport === "websocket") return [options, logged((await this.#shared()).fetch, this.#options)];
    if (transport === "auto" && isBrowser() && (await unlessAborted(this.#hasChannels(), options.signal)))
      return [
        { ...options, transport: "websocket" },
        logged((await this.#shared()).fetchAnyway, this.#options),
      ];
    return [options, undefined];
  }

  /** For a follow: the same. */
  async forFollow<T extends Choice>(options: T): Promise<[T, Fetch | undefined]> {
    const chosen = await this.forRun(options);
    const { transport } = options;
    if (chosen[1] || (transport !== "eventsource" && !(transport === "auto" && !fetchStreams())))
      return chosen;
    const by = await eventSourceFetch(this.#options.EventSource, sender(this.#options));
    return [{ ...options, transport: "eventsource" }, logged(by, this.#options)];
  }

  #shared(): Promise<Channels> {
    this.#channels ??= (async () => {
      const ask = sender(this.#options) ?? ((url, init) => fetch(url, init));
      return new Channels(await core(), this.#sandbox, await sockets(this.#options), ask);
    })();
    return this.#channels;
  }

  /** Whether the server has channels. It is asked once, or again where it could not be. */
  #hasChannels(): Promise<boolean> {
    const within = AbortSignal.timeout(ASKING);
    this.#offered ??= call<DaemonInfo>(() => this.#sandbox.daemonInfo(within)).then(
      ({ channels = 0 }) => channels > 0,
      (error: unknown) => {
        if (!(error instanceof ApiError)) this.#offered = undefined;
        return false;
      },
    );
    return this.#offered;
  }
}

/** What a promise gives, or `false` once the signal aborts. */
export async function unlessAborted(
  promise: PromiseLike<boolean>,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  let leave = noop;
  const aborted = new Promise<false>((resolve) => {
    leave = () => {
      resolve(false);
    };
    signal?.addEventListener("abort", leave);
    if (signal?.aborted) leave();
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal?.removeEventListener("abort", leave);
  }
}

/** Whether `fetch` gives answers as they come. */
function fetchStreams(): boolean {
  return typeof ReadableStream === "function" && "body" in Response.prototype;
}

/** Whether this is a browser, where all that runs shares a few connections to a host. */
function isBrowser(): boolean {
  return host.isBrowser === true || "document" in globalThis;
}

function noop(): void {}
