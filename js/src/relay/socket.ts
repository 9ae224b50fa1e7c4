// A page's WebSocket joined with the sandbox's, where the runtime lets who answers a request do that.

/** A response of workerd's, which has a socket. */
interface WithSocket {
  webSocket?: unknown;
}

/** What Deno has of it. */
interface Deno {
  upgradeWebSocket(request: Request): { socket: WebSocket; response: Response };
}

type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

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
): Promise<Response> | undefined {
  const { Deno, WebSocketPair } = globalThis as { Deno?: Partial<Deno>; WebSocketPair?: unknown };
  if (typeof WebSocketPair === "function") return passedOn(address, headers, fetch);
  if (typeof Deno?.upgradeWebSocket === "function") return bridged(Deno as Deno, request, address, headers);
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

async function bridged(deno: Deno, request: Request, address: string, headers: Headers): Promise<Response> {
  const Socket = WebSocket as unknown as new (url: string, options: { headers: Headers }) => WebSocket;
  const theirs = new Socket(address.replace(/^http/, "ws"), { headers });
  theirs.binaryType = "arraybuffer";
  // What comes before the page's side is open, which is not before the answer has gone out.
  const early: (string | ArrayBuffer)[] = [];
  theirs.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => early.push(data);
  await opened(theirs);
  let over: CloseEvent | undefined;
  theirs.onclose = (event) => (over = event);
  const { socket: ours, response } = deno.upgradeWebSocket(request);
  ours.binaryType = "arraybuffer";
  ours.onopen = () => {
    for (const data of early) ours.send(data);
    carry(theirs, ours);
    if (over) theirs.onclose?.(over);
  };
  carry(ours, theirs);
  return response;
}

function opened(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.close();
    }, OPENING * 1000);
    socket.onopen = () => {
      clearTimeout(timer);
      resolve();
    };
    socket.onerror = socket.onclose = () => {
      clearTimeout(timer);
      reject(new Error("the sandbox's server refused the socket"));
    };
  });
}

/** Sends on what comes, and the end of it. */
function carry(from: WebSocket, to: WebSocket): void {
  from.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
    if (to.readyState !== 1) return;
    to.send(data);
    if (to.bufferedAmount > KEPT) for (const side of [from, to]) side.close(4008, "too slow");
  };
  from.onerror = null;
  from.onclose = ({ code, reason }) => {
    // These tell of an end, and cannot be sent.
    const own = code === 1000 || (code >= 3000 && code < 5000);
    if (own) to.close(code, reason);
    else to.close(code === 1005 ? 1000 : 4000 + (code % 1000), reason || `closed with ${code}`);
  };
}
