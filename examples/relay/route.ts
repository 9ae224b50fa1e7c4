// Next: app/sandboxes/[...path]/route.ts
import { createRelay } from "shoreline/relay";

const relay = createRelay({
  apiKey: () => process.env.TENSORLAKE_API_KEY ?? "",
  sandboxUrl: () => process.env.SANDBOX_URL ?? "",
  authorize: (request, sandboxId) =>
    request.headers.get("cookie") === "session=mine" && sandboxId === process.env.SANDBOX
      ? ["output", "files:read"]
      : null,
});

export { relay as DELETE, relay as GET, relay as OPTIONS, relay as POST, relay as PUT };
