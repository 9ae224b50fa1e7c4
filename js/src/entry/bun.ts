import { useLoader } from "../core.js";
import { type SocketConstructor, useHost } from "../host.js";
import { load } from "../load/bun.js";

useLoader(load);
useHost({
  streamsUploads: true,
  // It sends headers, and Node 20 has none of its own.
  socket: () =>
    import("ws").then(
      ({ WebSocket }) => WebSocket as unknown as SocketConstructor,
      () => undefined,
    ),
});
export * from "../index.js";
