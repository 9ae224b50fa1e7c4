import { setMaxListeners } from "node:events";
import type { ClientOptions, WebSocket } from "ws";
import type { Host, SocketConstructor } from "../host.js";

/** What servers that run JavaScript can do beyond browsers. */
export const server: Host = {
  streamsUploads: true,
  listenedTo: (signal) => {
    setMaxListeners(0, signal);
  },
  local: async (start) => (await import("../node/local.js")).localServer(start),
  machine: () => import("../node/index.js"),
  // It sends headers, and Node 20 has none of its own.
  socket: () =>
    import("ws").then(
      ({ WebSocket }) => quickHere(WebSocket),
      () => undefined,
    ),
};

/** A class whose frames to this machine have a mask of zeros; ARCHITECTURE.md says why. */
function quickHere(Socket: typeof WebSocket): SocketConstructor {
  class Quick extends Socket {
    constructor(url: string, protocols?: string[], options?: ClientOptions) {
      const isHere = /^(127\.[0-9.]+|\[::1\]|localhost)$/.test(new URL(url).hostname);
      super(url, protocols, isHere ? { ...options, generateMask: (mask) => mask.fill(0) } : options);
    }
  }
  return Quick as unknown as SocketConstructor;
}
