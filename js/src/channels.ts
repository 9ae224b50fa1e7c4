// Streams that share one WebSocket, as a `fetch`: browsers have six connections to a host, in all their tabs.
import type { Core } from "./core.js";
import type * as Glue from "./core/shoreline.js";
import type { SocketConstructor } from "./host.js";
import type { ClientOptions } from "./options.js";
import { joined } from "./output.js";
import { opened } from "./socket.js";

export type Fetch = NonNullable<ClientOptions["fetch"]>;

/** What the core names a message of the server; anything else is the status of an error. */
const DATA = 0;
const OPENED = 1;
const END = 2;
const BROKEN = 3;

/** The channels of one sandbox: one socket, which is open while there are any. */
export class Channels {
  readonly #core: Core;
  readonly #sandbox: Glue.Sandbox;
  readonly #Socket: SocketConstructor;
  readonly #ask: Fetch;
  #shared: Shared | undefined;
  /** Whether no socket could be opened where requests pass. */
  #blocked = false;

  /** `ask` sends requests. */
  constructor(core: Core, sandbox: Glue.Sandbox, Socket: SocketConstructor, ask: Fetch) {
    this.#core = core;
    this.#sandbox = sandbox;
    this.#Socket = Socket;
    this.#ask = ask;
  }

  /** A `fetch` by a channel. Where no socket can be opened, it gives an error answer or throws. */
  readonly fetch: Fetch = async (url, init = {}) =>
    (await this.#byChannel(url, init)) ?? (await this.#whyNot(init));

  /** A `fetch` by a channel, or by a request where no socket can be opened. */
  readonly fetchAnyway: Fetch = async (url, init = {}) => {
    const response = this.#blocked ? undefined : await this.#byChannel(url, init);
    if (response) return response;
    const answer = await this.#ask(url, init);
    this.#blocked ||= answer.ok;
    return answer;
  };

  /** The answer by a channel; `undefined` where no socket can be opened. */
  async #byChannel(url: string, init: RequestInit): Promise<Response | undefined> {
    const [address, base] = this.#sandbox.channels() as [string, string];
    const shared = (this.#shared ??= new Shared(this.#core, this.#connect(address, init), () => {
      if (this.#shared === shared) this.#shared = undefined;
    }));
    return shared.fetch(url.slice(base.length), init, () => this.#ask(url, init));
  }

  /** Relays look at the headers of the socket's own request, where the runtime sends any. */
  #connect(address: string, { headers }: RequestInit): WebSocket {
    const given: Record<string, string> = {};
    new Headers(headers).forEach((value, name) => (given[name] = value));
    return new this.#Socket(address, [], { headers: given });
  }

  /** A socket does not tell why it was not opened: a request to its address does. */
  async #whyNot({ headers, signal }: RequestInit): Promise<Response> {
    const [address] = this.#sandbox.channels() as [string];
    const init = { ...(headers && { headers }), ...(signal && { signal }) };
    const answer = await this.#ask(address.replace(/^ws/, "http"), init);
    const { status } = answer;
    if (status >= 400 && ![404, 405, 426, 501].includes(status)) return answer;
    await answer.body?.cancel();
    if (status !== 426 && status >= 400) {
      const text = 'the server offers no WebSocket for output: leave `transport` out, or use "auto"';
      throw Object.assign(new TypeError(text), { code: "NO_CHANNELS" });
    }
    throw new TypeError(
      'no WebSocket could be opened: if something on the way blocks WebSockets, use `transport: "auto"`',
    );
  }
}

/** One socket and its channels. It closes with the last of them. */
class Shared {
  readonly #core: Core;
  readonly #socket: WebSocket;
  readonly #opened: Promise<boolean>;
  readonly #gone: () => void;
  readonly #channels = new Map<number, Channel>();
  /** Channels, and calls that wait until the socket is open. */
  #users = 0;
  #last = 0;
  /** How many messages the server has sent. */
  #heard = 0;

  constructor(core: Core, socket: WebSocket, gone: () => void) {
    this.#core = core;
    this.#socket = socket;
    this.#gone = gone;
    socket.binaryType = "arraybuffer";
    this.#opened = opened(socket, undefined);
    socket.addEventListener("message", ({ data }: MessageEvent) => {
      this.#receive(data);
    });
    socket.addEventListener("close", ({ code, reason }) => {
      this.#end(`the WebSocket was closed (${code}${reason && `: ${reason}`})`);
    });
  }

  /** The answer by a channel; `undefined` where the socket cannot be opened. `otherwise` sends what is too large. */
  async fetch(
    path: string,
    { method = "GET", headers, body, signal }: RequestInit,
    otherwise: () => Promise<Response>,
  ): Promise<Response | undefined> {
    let id = 0;
    const channel = new Channel(this.#core.channelWindow(), {
      take: (bytes) => {
        const credit = this.#channels.has(id) ? this.#core.creditChannel(id, bytes) : undefined;
        if (credit) this.#send(credit);
        return credit !== undefined;
      },
      leave: () => {
        signal?.removeEventListener("abort", abort);
        if (this.#channels.delete(id)) this.#send(this.#core.closeChannel(id));
        if (--this.#users === 0) this.#close();
      },
    });
    channel.heard = this.#heard;
    const abort = () => {
      const silent = channel.heard === this.#heard;
      channel.fail(signal?.reason);
      // The connection may be dead without a word of it: the other channels begin anew on another one.
      if (signal?.reason === "timeout" && silent) this.#end("the WebSocket was silent");
    };
    this.#users++;
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    const isOpen = await Promise.race([this.#opened, channel.answer.then(() => true)]);
    if (!isOpen) {
      channel.fail(undefined);
      return undefined;
    }
    // Numbers ascend in the order in which channels are opened.
    id = ++this.#last;
    const fields: string[] = [];
    new Headers(headers).forEach((value, name) => fields.push(name, value));
    const text = typeof body === "string" ? body : "";
    const message = this.#core.openChannel(id, method, path, fields.join("\n"), text);
    if (!message) {
      channel.fail(undefined);
      return otherwise();
    }
    if (this.#socket.readyState !== 1) channel.fail(new TypeError("the WebSocket was closed"));
    else if (!channel.isOver) {
      this.#channels.set(id, channel);
      this.#send(message);
    }
    return channel.answer;
  }

  #send(message: Uint8Array): void {
    if (this.#socket.readyState === 1) this.#socket.send(message);
  }

  #receive(data: unknown): void {
    let read: unknown;
    try {
      if (data instanceof ArrayBuffer) read = this.#core.readChannel(new Uint8Array(data));
    } catch {
      // The core has failed inside, with everything that read from here.
    }
    if (!read) {
      this.#end("the server sent a message that is malformed");
      return;
    }
    this.#heard++;
    const [id, kind, payload] = read as [number, number, Uint8Array<ArrayBuffer>];
    const channel = this.#channels.get(id);
    // One that was left may have been sent something meanwhile.
    if (!channel) return;
    channel.heard = this.#heard;
    if (kind > OPENED) this.#channels.delete(id);
    channel.receive(kind, payload);
  }

  /** Ends all channels, as a connection does that breaks. */
  #end(message: string): void {
    const channels = [...this.#channels.values()];
    this.#channels.clear();
    this.#close();
    for (const channel of channels) channel.fail(new TypeError(message));
  }

  #close(): void {
    this.#gone();
    this.#socket.close();
  }
}

/** How a body ends. */
type Ending = (body: ReadableStreamDefaultController<Uint8Array>) => void;

/** How a channel acts on its socket. */
interface Hooks {
  /** The reader has taken so many bytes; gives whether they were given back as credit. */
  take: (bytes: number) => boolean;
  /** The channel has ended, or was left. */
  leave: () => void;
}

/** One channel: an answer, and its body. */
class Channel {
  readonly answer: Promise<Response>;
  /** How many messages its socket had when the last one of its own came. */
  heard = 0;
  readonly #hooks: Hooks;
  #resolve!: (response: Response) => void;
  #reject!: (error: unknown) => void;
  #waiting: Uint8Array[] = [];
  /** Bytes that the server may send. */
  #credit: number;
  /** Bytes that were taken and not given back. */
  #taken = 0;
  #wake = noop;
  /** How the body ends once what waits was read. */
  #over: Ending | undefined;

  constructor(credit: number, hooks: Hooks) {
    this.#credit = credit;
    this.#hooks = hooks;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Who waits is told.
    this.answer.catch(noop);
  }

  get isOver(): boolean {
    return this.#over !== undefined;
  }

  receive(kind: number, payload: Uint8Array<ArrayBuffer>): void {
    if (kind === DATA) {
      this.#credit -= payload.length;
      if (this.#credit < 0) {
        this.fail(new TypeError("the server sent more than it was given credit for"));
        return;
      }
      this.#waiting.push(payload);
      this.#wake();
    } else if (kind === OPENED) {
      this.#resolve(new Response(this.#stream(), { headers: { "content-type": "text/event-stream" } }));
    } else if (kind === END) {
      this.#end((body) => {
        body.close();
      });
    } else if (kind === BROKEN) {
      this.fail(new TypeError("the server broke the stream off"));
    } else {
      this.#resolve(new Response(payload, { status: kind, headers: { "content-type": "application/json" } }));
      this.#end(noop);
    }
  }

  /** The connection broke, or the channel was left. */
  fail(error: unknown): void {
    this.#reject(error);
    this.#end((body) => {
      body.error(error);
    });
  }

  #end(how: Ending): void {
    if (this.#over) return;
    this.#over = how;
    this.#hooks.leave();
    this.#wake();
  }

  #stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        pull: async (body) => {
          if (this.#waiting.length === 0 && !this.#over) {
            await new Promise<void>((resolve) => {
              this.#wake = resolve;
            });
            this.#wake = noop;
          }
          this.#flush(body);
        },
        cancel: () => {
          this.#waiting = [];
          this.#end(noop);
        },
      },
      { highWaterMark: 0 },
    );
  }

  #flush(body: ReadableStreamDefaultController<Uint8Array>): void {
    if (this.#waiting.length === 0) {
      this.#over?.(body);
      return;
    }
    const bytes = this.#waiting.length === 1 ? (this.#waiting[0] as Uint8Array) : joined(this.#waiting);
    this.#waiting = [];
    body.enqueue(bytes);
    this.#taken += bytes.length;
    if (!this.#hooks.take(this.#taken)) return;
    this.#credit += this.#taken;
    this.#taken = 0;
  }
}

function noop(): void {}
