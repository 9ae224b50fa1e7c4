// What carries a stream: `fetch`, a channel of a WebSocket, or an EventSource.
import { Channels, type Fetch } from "./channels.js";
import { call, core } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import type { DaemonInfo, FollowOptions } from "./generated/types.js";
import { ApiError } from "./errors.js";
import { host, socketConstructor } from "./host.js";
import type { CallOptions, ClientOptions } from "./options.js";
import { eventSourceFetch } from "./event-source.js";

type Choice = Pick<FollowOptions, "transport"> & CallOptions;
type Options = Pick<ClientOptions, "WebSocket" | "EventSource" | "fetch">;

/** How long the server may take to say whether it has channels, ms: until then nothing is followed. */
const ASKING = 5000;

/** The transports of one sandbox. */
export class Transports {
  readonly #sandbox: Glue.Sandbox;
  readonly #options: Options;
  #channels: Promise<Channels> | undefined;
  #offered: Promise<boolean> | undefined;

  constructor(sandbox: Glue.Sandbox, options: Options) {
    this.#sandbox = sandbox;
    this.#options = options;
  }

  /** For a run: the options with the transport that was chosen, and what sends instead of `fetch`. */
  async forRun<T extends Choice>(options: T): Promise<[T, Fetch | undefined]> {
    const { transport } = options;
    if (transport === "websocket") return [options, (await this.#shared()).fetch];
    if (transport === "auto" && isBrowser() && (await unlessAborted(this.#hasChannels(), options.signal)))
      return [{ ...options, transport: "websocket" }, (await this.#shared()).fetchAnyway];
    return [options, undefined];
  }

  /** For a follow: the same. */
  async forFollow<T extends Choice>(options: T): Promise<[T, Fetch | undefined]> {
    const chosen = await this.forRun(options);
    const { transport } = options;
    if (chosen[1] || (transport !== "eventsource" && !(transport === "auto" && !fetchStreams())))
      return chosen;
    const { EventSource, fetch } = this.#options;
    return [{ ...options, transport: "eventsource" }, await eventSourceFetch(EventSource, fetch)];
  }

  #shared(): Promise<Channels> {
    this.#channels ??= (async () => {
      const Socket = await socketConstructor(this.#options.WebSocket);
      const ask = this.#options.fetch ?? host.fetch ?? ((url, init) => fetch(url, init));
      return new Channels(await core(), this.#sandbox, Socket, ask);
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
