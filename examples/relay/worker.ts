// A Cloudflare Worker that lets a signed-in page see its own sandbox.
import { createRelay } from "shoreline/relay";

interface Env {
  TENSORLAKE_API_KEY: string;
  /** The one who may, and the sandbox; an app has a database for it. */
  PAGE_KEY: string;
  SANDBOX: string;
  SANDBOX_URL: string;
  /** For tokens that stand in an address, for EventSources: `relay.token`. */
  TOKEN_SECRET: string;
  /** The page's origin, where it is not the Worker's own. */
  PAGE?: string;
}

export default {
  fetch(request: Request, env: Env): Promise<Response> {
    const relay = createRelay({
      apiKey: env.TENSORLAKE_API_KEY,
      sandboxUrl: () => env.SANDBOX_URL,
      tokenSecret: env.TOKEN_SECRET,
      origins: env.PAGE === undefined ? [] : [env.PAGE],
      authorize: ({ headers }, sandboxId) =>
        headers.get("authorization") === `Bearer ${env.PAGE_KEY}` && sandboxId === env.SANDBOX
          ? ["processes", "output", "terminals"]
          : null,
    });
    return relay(request);
  },
};
