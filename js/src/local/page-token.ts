// What a page may have instead of a local server's key.
import { invalid, optionsOf } from "../arguments.js";
import { LocalServerError } from "./error.js";

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
 * Makes a token that is as good as a local server's key, for a short time and for pages of one origin. The server
 * allows the origin as long as one of its tokens lives.
 *
 * @throws {LocalServerError} `unavailable`: the server did not make one; only local servers do.
 */
export async function pageToken(options: PageTokenOptions): Promise<PageToken> {
  const { apiUrl, apiKey, origin, expiresIn = 300 }: Partial<PageTokenOptions> = optionsOf(options);
  if (typeof apiUrl !== "string" || !/^https?:\/\/[^\s]+$/.test(apiUrl))
    throw invalid("`apiUrl` must be the server's address, for example http://127.0.0.1:8900");
  if (typeof apiKey !== "string" || apiKey === "") throw invalid("`apiKey` must be the server's key");
  if (typeof origin !== "string") throw invalid("`origin` must be the origin of the page");
  const answer = await ask(`${apiUrl.replace(/\/+$/, "")}/local/page-tokens`, apiKey, {
    origin,
    ttl_secs: expiresIn,
  });
  const { token, expires_in: lives } = answer;
  if (typeof token !== "string" || typeof lives !== "number") throw failed("it answered something else");
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
    throw failed("it could not be reached", cause);
  }
  const answer = await jsonOf(response).catch(() => undefined);
  if (response.status === 404) throw failed("it is no local server of this package, or an older one");
  if (response.status === 400 && typeof answer?.error === "string") throw invalid(answer.error);
  if (!response.ok || !answer) throw failed(`it answered ${response.status}`);
  return answer;
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

function failed(why: string, cause?: unknown): LocalServerError {
  return new LocalServerError("unavailable", `the server made no token for the page: ${why}`, "", cause);
}
