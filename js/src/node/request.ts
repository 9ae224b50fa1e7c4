// An HTTP request by a tunnel. The platform's own client makes it, on a socket that it is given.
import { request as send, type ClientRequest, type IncomingMessage } from "node:http";
import { Duplex, Readable } from "node:stream";
import { invalid } from "../arguments.js";
import { ProtocolError } from "../errors.js";
import type { OpenTunnel } from "../host.js";
import type { Tunnel } from "../tunnel.js";

/** As many as `fetch` follows (Fetch Standard, "HTTP-redirect fetch"). */
const REDIRECTS = 20;
/** Statuses whose answers have no body (Fetch Standard, "null body status"). */
const BODILESS = [101, 103, 204, 205, 304];

/** Makes a request, and follows redirects that stay on the port. */
export async function request(
  open: OpenTunnel,
  port: number,
  path: string,
  init: RequestInit,
): Promise<Response> {
  const origin = `http://localhost:${port}`;
  let asked = made(origin + path, init);
  const streams = init.body instanceof ReadableStream;
  let body: Buffer | ReadableStream | null = streams ? asked.body : Buffer.from(await asked.arrayBuffer());
  for (let redirects = 0; ; redirects++) {
    const answer = await once(open, port, asked, body);
    const location = answer.headers.get("location");
    if (asked.redirect === "manual" || location === null || !isRedirect(answer.status)) return answer;
    const next = new URL(location, asked.url);
    const { status } = answer;
    const drops = status === 303 ? asked.method !== "HEAD" : status < 303 && asked.method === "POST";
    // What is elsewhere is not in the sandbox; a stream cannot be sent again.
    if (next.origin !== origin || (streams && !drops)) return answer;
    await answer.body?.cancel();
    if (asked.redirect === "error") throw new ProtocolError(fields(`port ${port} redirects`));
    if (redirects === REDIRECTS) throw new ProtocolError(fields(`port ${port} redirects without end`));
    const headers = new Headers(asked.headers);
    if (drops) {
      body = Buffer.alloc(0);
      for (const name of ["content-type", "content-length", "content-encoding"]) headers.delete(name);
    }
    const method = drops && asked.method !== "HEAD" ? "GET" : asked.method;
    asked = made(next.href, { headers, method, signal: asked.signal, redirect: asked.redirect });
  }
}

/** Bad methods, headers and bodies are refused before anything is sent. */
function made(url: string, init: RequestInit): Request {
  try {
    return new Request(url, init);
  } catch (cause) {
    throw Object.assign(invalid("`init` is not what `fetch` takes"), { cause });
  }
}

async function once(
  open: OpenTunnel,
  port: number,
  asked: Request,
  body: Buffer | ReadableStream | null,
): Promise<Response> {
  const { signal, method } = asked;
  const tunnel = await open({ signal });
  const { pathname, search } = new URL(asked.url);
  const headers: Record<string, string> = { "accept-encoding": "identity", connection: "close" };
  asked.headers.forEach((value, name) => {
    headers[name] = value;
  });
  const socket = socketOf(tunnel);
  // Why it broke is the error of what reads or writes.
  socket.on("error", () => undefined);
  const sent = send({
    createConnection: () => socket,
    host: "localhost",
    port,
    path: pathname + search,
    method,
    headers:
      body instanceof Uint8Array && body.length > 0 ? { ...headers, "content-length": body.length } : headers,
    signal,
  });
  sent.on("close", () => void tunnel.close());
  try {
    const answered = answerTo(sent);
    if (body instanceof ReadableStream) {
      Readable.fromWeb(body as never)
        .on("error", (error) => sent.destroy(error))
        .pipe(sent);
    } else sent.end(body);
    return response(await answered, method);
  } catch (error) {
    sent.destroy();
    await tunnel.close();
    throw error;
  }
}

/** A tunnel as a socket. `Duplex.fromWeb` of Node 20 ends the program when a write fails. */
function socketOf(tunnel: Tunnel): Duplex {
  const reader = tunnel.readable.getReader();
  const writer = tunnel.writable.getWriter();
  const duplex = new Duplex({
    read() {
      reader.read().then(
        ({ done, value }) => duplex.push(done ? null : value),
        (error: unknown) => duplex.destroy(error as Error),
      );
    },
    write(chunk: Buffer, _, done) {
      writer.write(chunk).then(() => {
        done();
      }, done);
    },
    final(done) {
      writer.close().then(() => {
        done();
      }, done);
    },
    destroy(error, done) {
      void tunnel.close();
      done(error);
    },
  });
  return duplex;
}

function answerTo(sent: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    sent.on("response", resolve);
    sent.on("error", reject);
  });
}

function response(answer: IncomingMessage, method: string): Response {
  const { statusCode: status = 0, statusMessage: statusText = "", rawHeaders } = answer;
  try {
    const headers = new Headers();
    for (let i = 0; i + 1 < rawHeaders.length; i += 2)
      headers.append(rawHeaders[i] as string, rawHeaders[i + 1] as string);
    const hasBody = method !== "HEAD" && !BODILESS.includes(status);
    if (!hasBody) answer.resume();
    const body = hasBody ? bodyOf(answer) : null;
    return new Response(body, { status, statusText, headers });
  } catch (cause) {
    throw new ProtocolError({ ...fields("the port's answer is not one that `fetch` can give"), cause });
  }
}

/**
 * The body of an answer. `Readable.toWeb` of Node 20.12 throws an uncaught ERR_INVALID_STATE when its stream is
 * canceled.
 */
function bodyOf(answer: IncomingMessage): ReadableStream<Uint8Array> {
  const chunks = answer[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  return new ReadableStream({
    async pull(controller) {
      const next = await chunks.next();
      if (next.done === true) controller.close();
      else controller.enqueue(new Uint8Array(next.value));
    },
    cancel() {
      answer.destroy();
    },
  });
}

const isRedirect = (status: number) => [301, 302, 303, 307, 308].includes(status);

const fields = (message: string) => ({ code: "invalid_response", message }) as const;
