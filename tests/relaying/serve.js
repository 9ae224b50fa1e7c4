// Serves the example for Workers, as it is, by what Deno has for that, or the relay of docs/pages.md for Bun; prints where.
import { createRelay } from "shoreline/relay";
import worker from "./worker.js";

const env = JSON.parse(globalThis.Deno ? Deno.env.get("RELAY") : process.env.RELAY);
const place = { port: 0, hostname: "127.0.0.1" };
if (globalThis.Deno)
  Deno.serve({ ...place, onListen: ({ port }) => console.log(port) }, (request) =>
    worker.fetch(request, env),
  );
else {
  const relay = createRelay({
    apiKey: env.TENSORLAKE_API_KEY,
    sandboxUrl: () => env.SANDBOX_URL,
    authorize: ({ headers }, sandboxId) =>
      headers.get("authorization") === `Bearer ${env.PAGE_KEY}` && sandboxId === env.SANDBOX
        ? ["processes", "output", "terminals"]
        : null,
  });
  console.log(Bun.serve({ ...place, fetch: relay, websocket: relay.websocket }).port);
}
