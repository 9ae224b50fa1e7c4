// Bun: a server that runs a command for every request and sends its output on as server-sent events.
import { Sandbox, ShorelineError } from "shoreline";
import { startLocal } from "shoreline/local";

await using local = await startLocal();
await using sandbox = await Sandbox.create({ apiUrl: local.url, apiKey: local.apiKey });

const encoder = new TextEncoder();
const event = (name: string | undefined, data: unknown) =>
  encoder.encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);

function output(): ReadableStream<Uint8Array> {
  const script = "for i in 1 2 3; do echo Step $i/3; sleep 0.2; done; echo done >&2";
  const running = sandbox.run("sh", { args: ["-c", script], timeout: 60 });
  const events = running[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await events.next();
        controller.enqueue(done ? event("exit", (await running).exitCode) : event(value.stream, value.line));
        if (done) controller.close();
      } catch (error) {
        controller.enqueue(event("failed", ShorelineError.is(error) ? error.code : "internal"));
        controller.close();
      }
    },
    // Closing the page ends the command.
    cancel: () => events.return().then(() => {}),
  });
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.env.PORT ?? 3000),
  idleTimeout: 0, // a command may be silent for long
  routes: {
    "/": new Response(
      `<!doctype html><pre></pre><script>
        const source = new EventSource("/output");
        for (const name of ["stdout", "stderr", "exit", "failed"])
          source.addEventListener(name, ({ data }) => {
            document.querySelector("pre").append(name, ": ", data, "\\n");
            if (name === "exit" || name === "failed") source.close();
          });
        source.onerror = () => source.close(); // else it would begin anew
      </script>`,
      { headers: { "Content-Type": "text/html; charset=utf-8" } },
    ),
    "/output": () => new Response(output(), { headers: { "Content-Type": "text/event-stream" } }),
  },
});
console.log(`listening on ${server.url}`);
await new Promise((resolve) => process.once("SIGINT", resolve).once("SIGTERM", resolve));
await server.stop(true);
