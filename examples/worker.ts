// A Cloudflare Worker that runs a command in a sandbox and sends its output back as server-sent events.
import { Sandbox, ShorelineError } from "shoreline";

interface Env {
  /** A secret: `npx wrangler secret put TENSORLAKE_API_KEY`. */
  TENSORLAKE_API_KEY: string;
  /** Unset: the cloud. */
  TENSORLAKE_API_URL?: string;
  /** The id or the name of a sandbox that is there. */
  SANDBOX: string;
}

const encoder = new TextEncoder();
const event = (name: string | undefined, data: unknown) =>
  encoder.encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const script = "for i in 1 2 3; do echo Step $i/3; sleep 0.2; done; echo done >&2";
    try {
      const sandbox = await Sandbox.connect(env.SANDBOX, {
        apiKey: env.TENSORLAKE_API_KEY,
        apiUrl: env.TENSORLAKE_API_URL,
      });
      const running = sandbox.run("sh", { args: ["-c", script], timeout: 60 });
      const events = running[Symbol.asyncIterator]();
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          const { done, value } = await events.next();
          controller.enqueue(
            done ? event("exit", (await running).exitCode) : event(value.stream, value.line),
          );
          if (done) controller.close();
        },
        // The client has gone: leaving the output ends the command.
        cancel: () => events.return().then(() => {}),
      });
      // Of other types it would be collected to be compressed.
      return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
    } catch (error) {
      const code = ShorelineError.is(error) ? error.code : "internal";
      console.error(request.url, code);
      return Response.json({ error: code }, { status: 502 });
    }
  },
};
