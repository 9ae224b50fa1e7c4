// WebSockets through the relay in Node, where the server's `upgrade` event has them. Loaded on first use.
import type { NodeRequest, NodeSocket } from "./runtimes.js";
import { Upstream } from "./socket.js";

/** The request as others have it; its address is what the page was told. */
export function requestOf({ url = "/", headers, socket }: NodeRequest): Request {
  const given = new Headers();
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && !name.startsWith(":")) given.set(name, String(value));
  const scheme = "encrypted" in socket ? "https" : "http";
  const address = `${scheme}://${given.get("host") ?? ""}${url}`;
  // A target may name another host, and a `Host` be no name: neither has a route.
  const isPlain = url.startsWith("/") && URL.canParse(address);
  return new Request(isPlain ? address : `${scheme}://localhost/`, { headers: given });
}

/** Connects to the sandbox, accepts the page's socket and joins both. */
export async function joinedInNode(
  request: NodeRequest,
  socket: NodeSocket,
  head: Uint8Array,
  address: string,
  headers: Headers,
): Promise<void> {
  const { WebSocket, WebSocketServer } = await import("ws");
  const theirs = await Upstream.open(WebSocket as never, address, headers);
  if (socket.destroyed) {
    theirs.close();
    return;
  }
  const server = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const accepted = new Set<object>();
  server.handleUpgrade(request as never, socket as never, head as never, (ours) => {
    accepted.add(ours);
    ours.binaryType = "arraybuffer";
    theirs.join(ours as never);
  });
  // It answers a handshake that is none by itself, and at once.
  if (accepted.size === 0) theirs.close();
}

/** Answers a request for a socket that gets none. */
export async function refuse(socket: NodeSocket, response: Response): Promise<void> {
  const text = await response.text();
  const head = `HTTP/1.1 ${response.status} Refused\r\nContent-Type: application/json\r\nConnection: close`;
  socket.end(`${head}\r\nContent-Length: ${new TextEncoder().encode(text).length}\r\n\r\n${text}`);
}
