// What both routes answer: a command's output while it runs, as server-sent events.
import { Sandbox, ShorelineError } from "shoreline";

const encoder = new TextEncoder();
const event = (name, data) => encoder.encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
const script = "for i in 1 2 3; do echo Step $i/3; sleep 0.2; done; echo done >&2";

export async function GET() {
  try {
    const sandbox = await Sandbox.connect(process.env.SANDBOX, {
      apiKey: process.env.TENSORLAKE_API_KEY, // only the server has it
      apiUrl: process.env.TENSORLAKE_API_URL, // unset: the cloud
    });
    const running = sandbox.run("sh", { args: ["-c", script], timeout: 60 });
    const events = running[Symbol.asyncIterator]();
    const body = new ReadableStream({
      async pull(controller) {
        const { done, value } = await events.next();
        controller.enqueue(done ? event("exit", (await running).exitCode) : event(value.stream, value.line));
        if (done) controller.close();
      },
      // The client has gone: leaving the output ends the command.
      cancel: () => events.return(),
    });
    // Of other types it would be collected to be compressed.
    return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  } catch (error) {
    if (!ShorelineError.is(error)) throw error;
    return Response.json({ error: error.code }, { status: 502 });
  }
}
