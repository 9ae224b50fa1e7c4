import { setMaxListeners } from "node:events";
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
      ({ WebSocket }) => WebSocket as unknown as SocketConstructor,
      () => undefined,
    ),
};
