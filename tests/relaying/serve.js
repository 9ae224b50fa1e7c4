// Serves the example for Workers, as it is, by what Deno or Bun has for that; prints where.
import worker from "./worker.js";

const env = JSON.parse(globalThis.Deno ? Deno.env.get("RELAY") : process.env.RELAY);
const fetch = (request) => worker.fetch(request, env);
if (globalThis.Deno)
  Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: ({ port }) => console.log(port) }, fetch);
else console.log(Bun.serve({ port: 0, hostname: "127.0.0.1", fetch }).port);
