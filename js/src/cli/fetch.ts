// `fetch` on Node's HTTP client. Node's own takes 100 ms of processor time for its first request (bench/CLI.md).
import type { IncomingMessage, RequestOptions } from "node:http";
import type { ClientOptions } from "shoreline";

type Fetch = NonNullable<ClientOptions["fetch"]>;

/** Sends a request with text, bytes or nothing; any other body goes to Node's own `fetch`. Follows no redirects. */
export const quickFetch: Fetch = async (input, init = {}) => {
  const { method = "GET", body, signal } = init;
  const isPlain =
    body === undefined || body === null || typeof body === "string" || body instanceof Uint8Array;
  if (typeof input !== "string" || !isPlain) return fetch(input, init);
  const isSecure = input.startsWith("https:");
  const { request } = isSecure ? await import("node:https") : await import("node:http");
  const headers = Object.fromEntries(init.headers as Iterable<[string, string]>);
  const options: RequestOptions = { method, headers, ...(signal && { signal }) };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(input, options, resolve).on("error", reject).end(body);
  });
  return answerOf(response) as unknown as Response;
};

/** The parts of a `Response` that a client reads. */
function answerOf(response: IncomingMessage) {
  const { statusCode: status = 0, headers } = response;
  const get = (name: string) => {
    const value = headers[name.toLowerCase()];
    return Array.isArray(value) ? value.join(", ") : (value ?? null);
  };
  // An error before the body is read is the reader's.
  response.on("error", () => undefined);
  const chunks = response[Symbol.asyncIterator]() as AsyncIterator<Uint8Array, undefined>;
  const reader = {
    read: () => chunks.next(),
    cancel: () => {
      response.destroy();
      return Promise.resolve();
    },
    releaseLock: () => undefined,
  };
  return { status, ok: status >= 200 && status < 300, headers: { get }, body: { getReader: () => reader } };
}
