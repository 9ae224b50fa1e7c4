// What a page may have instead of a local server's key.
import { invalid, optionsOf } from "../arguments.js";
import { ApiError, ConnectionError, ProtocolError } from "../errors.js";

/** A token for a page, and how it is made. */
export interface PageTokenOptions {
  /** The local server's address. */
  apiUrl: string;
  /** Its key, which stays here. */
  apiKey: string;
  /** The page's origin, for example `http://localhost:5173`; pages of others cannot use the token. */
  origin: string;
  /** Seconds that the token lives, at most 3600. Default: 300. */
  expiresIn?: number | undefined;
}

/** A token for a page. */
export interface PageToken {
  /** What `apiKey` is for the page. */
  token: string;
  /** Seconds that it lives. */
  expiresIn: number;
}

/** How long the server may take, ms, and how much it may say, bytes. */
const ANSWER = 10_000;
const ANSWER_BYTES = 65_536;

/**
 * Makes a token that replaces a local server's key, for a short time and for pages of one origin. The server
 * allows the origin as long as one of its tokens lives.
 *
 * @throws `ShorelineError` `authentication`, `unsupported` (it is no local server), `connect_failed` and others.
 */
export async function pageToken(options: PageTokenOptions): Promise<PageToken> {
  const {
    apiUrl,
    apiKey,
    origin,
    expiresIn = 300,
  }: Partial<PageTokenOptions> = optionsOf(options, "apiUrl apiKey origin expiresIn");
  if (typeof apiUrl !== "string" || !/^https?:\/\/[^\s]+$/.test(apiUrl) || !URL.canParse(apiUrl))
    throw invalid("`apiUrl` must be the server's address, for example http://127.0.0.1:8900");
  // The runtime's own complaints about these would hold them.
  const { username, password } = new URL(apiUrl);
  if (username !== "" || password !== "") throw invalid("`apiUrl` must not hold credentials: use `apiKey`");
  if (typeof apiKey !== "string" || apiKey === "") throw invalid("`apiKey` must be the server's key");
  if (!/^[!-~]+$/.test(apiKey))
    throw invalid("`apiKey` has characters that no key has: look for spaces and line ends");
  if (typeof origin !== "string") throw invalid("`origin` must be the origin of the page");
  const answer = await ask(`${apiUrl.replace(/\/+$/, "")}/local/page-tokens`, apiKey, {
    origin,
    ttl_secs: expiresIn,
  });
  const { token, expires_in: lives } = answer;
  if (typeof token !== "string" || typeof lives !== "number") throw wrong();
  return { token, expiresIn: lives };
}

async function ask(url: string, apiKey: string, body: object): Promise<Record<string, unknown>> {
  let response: Response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { Authorization: `Bearer ${apiKey}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
      redirect: "error",
      signal: AbortSignal.timeout(ANSWER),
    });
  } catch (cause) {
    throw new ConnectionError({ code: "connect_failed", message: "the server could not be reached", cause });
  }
  const { status } = response;
  const answer = await jsonOf(response).catch(() => undefined);
  if (response.ok && answer) return answer;
  const said = typeof answer?.error === "string" ? `: ${answer.error}` : "";
  if (response.ok) throw wrong();
  if (status === 400) throw invalid(`the server made no token for the page${said}`);
  if (status === 401)
    throw new ApiError({ code: "authentication", message: "the server does not know this key", status });
  if (status === 404) {
    const message = "the server issues no page tokens: connect to a local server of this version or later";
    throw new ApiError({ code: "unsupported", message, status });
  }
  throw new ApiError({
    code: "server",
    message: `the server made no token for the page (${status})${said}`,
    status,
  });
}

async function jsonOf(response: Response): Promise<Record<string, unknown> | undefined> {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let [text, bytes] = ["", 0];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.length;
    if (bytes > ANSWER_BYTES) {
      await reader.cancel();
      return undefined;
    }
    text += decoder.decode(value, { stream: true });
  }
  const answer: unknown = JSON.parse(text);
  return typeof answer === "object" && answer !== null ? (answer as Record<string, unknown>) : undefined;
}

function wrong(): ProtocolError {
  return new ProtocolError({
    code: "invalid_response",
    message: "unexpected response from the token endpoint: is there a proxy in between?",
  });
}
