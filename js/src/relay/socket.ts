// A page's WebSocket joined with the sandbox's, where the runtime lets who answers a request do that.
import type { BunServer, BunSocket } from "./runtimes.js";

/** A response of workerd's, which has a socket. */
interface WithSocket {
  webSocket?: unknown;
}

/** What Deno has of it. */
interface Deno {
  upgradeWebSocket(request: Request): { socket: WebSocket; response: Response };
}

/** The part of a WebSocket that the relay uses, in every runtime. */
type Side = Pick<WebSocket, "readyState" | "bufferedAmount" | "onmessage" | "onclose" | "onerror"> & {
  send(data: string | ArrayBuffer): void;
  close(code?: number, reason?: string): void;
};

type Fetch = (input: string, init?: RequestInit) => Promise<Response>;
/** A class of WebSockets that send headers. */
type Socket = new (url: string, options: { headers: Record<string, string> }) => WebSocket;

/** Seconds until the sandbox's socket must be open. */
const OPENING = 10;
/** What is kept for a side that is slower than the other, in bytes. */
const KEPT = 8 * 1024 * 1024;

/** The answer to a request that asks for a socket; `undefined` where the runtime has no way to give one. */
export function joined(
  request: Request,
  address: string,
  headers: Headers,
  fetch: Fetch,
  server: BunServer | undefined,
): Promise<Response> | undefined {
  const { Deno, WebSocketPair } = globalThis as { Deno?: Partial<Deno>; WebSocketPair?: unknown };
  if (typeof WebSocketPair === "function") return passedOn(address, headers, fetch);
  if (typeof Deno?.upgradeWebSocket === "function") return inDeno(Deno as Deno, request, address, headers);
  if (typeof server?.upgrade === "function") return inBun(server, request, address, headers);
  return undefined;
}

/** Workers give on the socket that an answer has, and carry what passes by themselves. */
async function passedOn(address: string, headers: Headers, fetch: Fetch): Promise<Response> {
  headers.set("upgrade", "websocket");
  const upstream = await fetch(address, { headers, redirect: "manual" });
  const { webSocket } = upstream as WithSocket;
  if (webSocket) return new Response(null, { status: 101, webSocket } as ResponseInit);
  await upstream.body?.cancel();
  throw new Error(`the sandbox's server answered ${upstream.status}`);
}

async function inDeno(deno: Deno, request: Request, address: string, headers: Headers): Promise<Response> {
  const theirs = await Upstream.open(WebSocket as unknown as Socket, address, headers);
  const { socket: ours, response } = deno.upgradeWebSocket(request);
  ours.binaryType = "arraybuffer";
  // Which is not before the answer has gone out.
  ours.onopen = () => {
    theirs.join(ours);
  };
  ours.onclose = () => {
    theirs.close();
  };
  return response;
}

async function inBun(
  server: BunServer,
  request: Request,
  address: string,
  headers: Headers,
): Promise<Response> {
  const theirs = await Upstream.open(WebSocket as unknown as Socket, address, headers);
  if (!server.upgrade(request, { data: { theirs } satisfies BunData })) {
    theirs.close();
    throw new Error("the page's socket could not be accepted");
  }
  // Bun sends nothing more for a request that it has upgraded.
  return undefined as unknown as Response;
}

/** What belongs to a socket that Bun has accepted. */
interface BunData {
  theirs: Upstream;
  ours?: Side;
}

/** What `websocket` of `Bun.serve` is. */
export const bunHandlers = {
  open(socket: BunSocket): void {
    const data = socket.data as BunData;
    data.ours = {
      get readyState() {
        return socket.readyState;
      },
      get bufferedAmount() {
        return socket.getBufferedAmount();
      },
      onmessage: null,
      onclose: null,
      onerror: null,
      send: (message) => void socket.send(message),
      close: (code, reason) => {
        socket.close(code, reason);
      },
    };
    data.theirs.join(data.ours);
  },
  message(socket: BunSocket, message: string | Uint8Array): void {
    (socket.data as BunData).ours?.onmessage?.call(undefined as never, { data: message } as MessageEvent);
  },
  close(socket: BunSocket, code: number, reason: string): void {
    (socket.data as BunData).ours?.onclose?.call(undefined as never, { code, reason } as CloseEvent);
  },
};

/** The sandbox's socket, which keeps what comes and its end until there is a page's socket. */
export class Upstream {
  readonly #socket: WebSocket;
  readonly #early: (string | ArrayBuffer)[] = [];
  #over: CloseEvent | undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => this.#early.push(data);
  }

  /** Connects, without the page's cookies and the rest of its headers. */
  static async open(Socket: Socket, address: string, headers: Headers): Promise<Upstream> {
    const socket = new Socket(address.replace(/^http/, "ws"), { headers: Object.fromEntries(headers) });
    const upstream = new Upstream(socket);
    await opened(socket);
    socket.onclose = (event) => (upstream.#over = event);
    return upstream;
  }

  /** Carries what comes from here on, and came before, both ways. */
  join(ours: Side): void {
    for (const data of this.#early.splice(0)) ours.send(data);
    carry(this.#socket, ours);
    carry(ours, this.#socket);
    if (this.#over) this.#socket.onclose?.(this.#over);
  }

  close(): void {
    this.#socket.close();
  }
}

function opened(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.close();
    }, OPENING * 1000);
    socket.onopen = () => {
      clearTimeout(timer);
      socket.onerror = null;
      resolve();
    };
    socket.onerror = socket.onclose = () => {
      clearTimeout(timer);
      reject(new Error("the sandbox's server refused the socket"));
    };
  });
}

/** Sends on what comes, and the end of it. */
function carry(from: Side, to: Side): void {
  from.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
    if (to.readyState !== 1) return;
    to.send(data);
    if (to.bufferedAmount > KEPT) for (const side of [from, to]) side.close(4008, "too slow");
  };
  // Its end follows.
  from.onerror = () => undefined;
  from.onclose = ({ code, reason }) => {
    // Other codes are reserved for reports of an end (RFC 6455, 7.4.1) and cannot be sent.
    const own = code === 1000 || (code >= 3000 && code < 5000);
    if (own) to.close(code, reason);
    else to.close(code === 1005 ? 1000 : 4000 + (code % 1000), reason || `closed with ${code}`);
  };
}
