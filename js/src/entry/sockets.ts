import type { Host, SocketConstructor } from "../host.js";

/** What servers that run JavaScript can do beyond browsers. */
export const server: Host = {
  streamsUploads: true,
  machine: () => import("../node/index.js"),
  // It sends headers, and Node 20 has none of its own.
  socket: () =>
    import("ws").then(
      ({ WebSocket }) => WebSocket as unknown as SocketConstructor,
      () => undefined,
    ),
};
