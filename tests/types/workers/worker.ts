// What is written for Workers, whose types are not those of browsers.
import { Sandbox } from "shoreline";
import { createRelay } from "shoreline/relay";

const relay = createRelay({
  apiKey: "key",
  authorize: (request, sandboxId) => (request.headers.get("cookie") === sandboxId ? ["output"] : null),
  fetch: (url, init) => fetch(url, init),
});

export default {
  async fetch(request: Request): Promise<Response> {
    if (request.method === "GET") return relay(request);
    const sandbox = await Sandbox.connect("my-env", {
      apiKey: "key",
      fetch: (url, init) => fetch(url, init),
    });
    await sandbox.writeFile("/a", request.body ?? "", { signal: request.signal });
    // @ts-expect-error numbers are no content
    await sandbox.writeFile("/a", 1);
    const stream: ReadableStream<Uint8Array> = await sandbox.readFileStream("/a");
    return new Response(stream);
  },
};
