// The local server with its extensions switched off, as a `fetch`: what it adds to the API is neither sent nor told.
import { BODY } from "../contract/engine.js";

/** What the local server adds to answers and events. */
const ADDED = ["bytes", "eol", "reason", "output_open", "output_holders", "handle"];

export const plainFetch: typeof fetch = async (input, init) => {
  const url = new URL(input as string);
  const path = url.pathname.replace(/^.*\/api\/v1/, "");
  const { method = "GET", body } = init ?? {};
  if (method === "POST" && path === "/processes/run") return new Response(null, { status: 405 });
  if (path === "/info" || path === "/fs" || path.startsWith("/fs/"))
    return new Response(null, { status: 404 });
  if (body instanceof Uint8Array && body.length > BODY) return new Response("too large", { status: 413 });
  url.searchParams.delete("unfinished");
  const headers = new Headers(init?.headers);
  headers.delete("Last-Event-ID");
  const answer = await fetch(url.href, { ...init, headers });
  const type = answer.headers.get("content-type") ?? "";
  const { status } = answer;
  if (type.startsWith("application/json")) return Response.json(without(await answer.json()), { status });
  if (!type.startsWith("text/event-stream") || !answer.body) return answer;
  return new Response(answer.body.pipeThrough(plainEvents()), { status, headers: { "content-type": type } });
};

function without(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(without);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => !ADDED.includes(name)));
}

/** Events without ids and without kinds of their own. */
function plainEvents(): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  const [decoder, encoder] = [new TextDecoder(), new TextEncoder()];
  let text = "";
  return new TransformStream({
    transform(chunk, controller) {
      text += decoder.decode(chunk, { stream: true });
      const frames = text.split("\n\n");
      text = frames.pop() ?? "";
      for (const frame of frames) {
        const event = /^event: (.*)$/m.exec(frame)?.[1];
        if (event !== "output" && event !== "eof") continue;
        const plain = frame
          .replace(/^id: .*\n?/gm, "")
          .replace(
            /^data: (\{.*\})$/gm,
            (_, data: string) => `data: ${JSON.stringify(without(JSON.parse(data)))}`,
          );
        controller.enqueue(encoder.encode(`${plain}\n\n`));
      }
    },
  });
}
