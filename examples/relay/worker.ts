// A Cloudflare Worker that lets a signed-in page see its own sandbox.
import { createRelay } from "shoreline/relay";

interface Env {
  TENSORLAKE_API_KEY: string;
  /** The one who may, and the sandbox; an app has a database for it. */
  PAGE_KEY: string;
  SANDBOX: string;
  SANDBOX_URL: string;
}

export default {
  fetch(request: Request, env: Env): Promise<Response> {
    const relay = createRelay({
      apiKey: env.TENSORLAKE_API_KEY,
      sandboxUrl: () => env.SANDBOX_URL,
      authorize: ({ headers }, sandboxId) =>
        headers.get("authorization") === `Bearer ${env.PAGE_KEY}` && sandboxId === env.SANDBOX
          ? ["processes", "output"]
          : null,
    });
    return relay(request);
  },
};
